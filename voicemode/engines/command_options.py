"""How the person's command is used to answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from voicemode.engines.command_line import TEXT, CommandLine
from voicemode.errors import SettingsError
from voicemode.settings import Settings

__all__ = ["CommandOptions"]

_RESUME = "VOICEMODE_RESPONDER_RESUME_COMMAND"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOptions:
    """What settings say about it."""

    first: CommandLine
    later: CommandLine | None = None
    """For the turns of a conversation after its first; None: the same. Only with ``{text}``."""
    end: str = ""
    """The line that ends an answer; empty: ``quiet_s`` does. Only without ``{text}``."""
    quiet_s: float = 1.5
    silence_s: float = 120.0
    """Seconds it may say nothing, before its first word and in mid-answer."""
    interrupt: Literal["sigint", "kill", "none"] = "sigint"
    """What an answer that is not wanted any more means for the process."""
    heed_s: float = 5.0
    """Seconds that an interrupted process has to end, or to be ready for the next turn. It may have a session to write."""
    names: tuple[str, ...] = ()
    """Variables that it gets besides those of every child."""

    @property
    def per_turn(self) -> bool:
        """There is a process for each turn, whose end is that of the answer."""
        return self.first.takes_text

    @classmethod
    def of(cls, settings: Settings) -> CommandOptions:
        """Raises SettingsError for a command line that cannot be used."""
        first = CommandLine.parse(settings.responder_command, "VOICEMODE_RESPONDER_COMMAND")
        later = None
        if settings.responder_resume_command:
            later = CommandLine.parse(settings.responder_resume_command, _RESUME)
            if not (first.takes_text and later.takes_text):
                raise SettingsError(_RESUME, "there is no process for each turn", f"two commands with {TEXT}, or one without")
        return cls(
            first=first,
            later=later,
            end=settings.responder_end.strip(),
            quiet_s=settings.responder_quiet_s,
            silence_s=settings.responder_timeout_s,
            interrupt=settings.responder_interrupt,
            names=settings.responder_env,
        )
