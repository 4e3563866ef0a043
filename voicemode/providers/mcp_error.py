"""What goes wrong with a server of tools."""

from __future__ import annotations

from voicemode.dialogue_tools import Failure
from voicemode.errors import VoicemodeError

__all__ = ["CLOSED", "INVALID", "TIMED_OUT", "ToolServerError"]

CLOSED, TIMED_OUT, INVALID = -32000, -32001, -32600
"""Codes of JSON-RPC as package ``mcp`` has them: the connection ended, no answer in time, what cannot be asked."""


class ToolServerError(VoicemodeError):
    """It cannot be asked, or what it answers is no use. Never with a credential in it."""

    code = "tool_server"

    def __init__(
        self, label: str, detail: str, *, reason: str, kind: Failure = "protocol_error", status: int | None = INVALID
    ) -> None:
        """``reason`` is for machines, such as "not_allowed"; ``status`` is of HTTP or JSON-RPC, as ``kind`` says."""
        super().__init__(label, detail)
        self.label, self.detail, self.reason, self.kind, self.status = label, detail, reason, kind, status

    @property
    def problem(self) -> str:
        return f"{self.label[:64]}: {self.detail.rstrip('.')}."
