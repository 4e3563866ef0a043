"""The person's command that answers failed."""

from __future__ import annotations

from voicemode.errors import EngineError

__all__ = ["CommandError"]


class CommandError(EngineError):
    """``status`` is its exit status, negative for a signal; None when it had not ended by itself."""

    code = "responder_command"

    def __init__(self, engine: str, problem: str, status: int | None = None, *, remedy: str = "") -> None:
        super().__init__(engine, problem, remedy)
        self.status = status
