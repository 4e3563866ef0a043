"""The person's command line for an agent, and what a request makes of it. Never a shell's."""

from __future__ import annotations

import shlex
import uuid
from dataclasses import dataclass

from voicemode.answers import AnswerRequest
from voicemode.dialogue import Message
from voicemode.errors import SettingsError

__all__ = ["TEXT", "THREAD", "CommandLine", "asked_text", "session_uuid"]

TEXT, INSTRUCTIONS, SESSION, THREAD = "{text}", "{instructions}", "{session}", "{thread}"

_SESSIONS = uuid.UUID("6f2d1d0e-6f0c-5a53-9a0e-3f4b6f3c0a11")
"""Where identifiers of sessions are named; any constant would do."""


@dataclass(frozen=True, slots=True)
class CommandLine:
    """A program and its arguments, with placeholders."""

    parts: tuple[str, ...]

    @classmethod
    def parse(cls, text: str, key: str) -> CommandLine:
        """Raises SettingsError that names ``key``."""
        try:
            parts = tuple(shlex.split(text))
        except ValueError as error:
            raise SettingsError(key, f"it is no command line ({error})", "a program and its arguments") from None
        if not parts or not parts[0]:
            raise SettingsError(key, "it names no program", "a program and its arguments")
        if parts[0] in (TEXT, INSTRUCTIONS, SESSION, THREAD):
            raise SettingsError(key, "what was said cannot be the program", "a program and its arguments")
        for placeholder in (TEXT, INSTRUCTIONS):
            # Within another argument, such as that of "sh -c", what people say would be read as part of a program.
            if any(placeholder in part and part != placeholder for part in parts):
                raise SettingsError(key, f"{placeholder} is part of an argument", f"{placeholder} as an argument of its own")
        return cls(parts)

    @property
    def name(self) -> str:
        """The program's, without its folder and arguments."""
        return self.parts[0].rpartition("/")[2]

    @property
    def takes_text(self) -> bool:
        """What was said is an argument, so there is a process for each turn; else one process is told each turn."""
        return TEXT in self.parts

    def filled(self, *, text: str, instructions: str, session: str, thread: str = "") -> list[str]:
        """The arguments of a process. Without a thread, the session is one."""
        values = {TEXT: _argument(text), INSTRUCTIONS: _argument(instructions)}
        return [values.get(part, part.replace(SESSION, session).replace(THREAD, thread or session)) for part in self.parts]


def asked_text(request: AnswerRequest) -> str:
    """What the person said since the assistant's last words: an agent remembers the rest itself.

    When they said nothing, the instructions are what is asked, so that a greeting can be. Empty when there are none either.
    """
    said: list[str] = []
    for turn in reversed(request.history):
        if not isinstance(turn, Message) or turn.role == "assistant":
            break
        said.append(turn.text)
    return "\n".join(reversed([text for text in said if text.strip()])) or request.instructions


def session_uuid(session_id: str) -> str:
    """A UUID of this session, which some programs want; always the same. One that is a UUID is kept."""
    try:
        return str(uuid.UUID(session_id))
    except ValueError:
        return str(uuid.uuid5(_SESSIONS, session_id))


def _argument(text: str) -> str:
    """Without characters that no argument can have; and never an option, whatever was said."""
    usable = "".join(c for c in text if c.isprintable() or c in "\n\t").strip()
    return f" {usable}" if usable.startswith("-") else usable
