"""What a caller may ask for, checked once for every surface: the MCP tool and the command line say the same."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from voicemode.errors import RequestError
from voicemode.runtime.patience import turn_patience
from voicemode.runtime.result import TurnRequest
from voicemode.settings import Settings

__all__ = ["language_tag", "turn_request"]

_MAX_MESSAGE = 20_000
"""Characters: about 20 minutes of speech. More is a mistake, not a message."""
_SPEED = (0.25, 4.0)
"""As in the OpenAI audio API."""
_LISTEN_S = (1.0, 600.0)


def turn_request(
    settings: Settings,
    *,
    message: str,
    wait_for_response: bool = True,
    voice: str | None = None,
    speed: float | None = None,
    language: str | None = None,
    patience: str | int | None = None,
    listen_duration_max: float | None = None,
    options: Iterable[str] = (),
    interruptible: bool | None = None,
    field: str = "message",
) -> TurnRequest:
    """One turn; what is None comes from the settings. ``field`` is what an error calls the message.

    Raises RequestError.
    """
    patience_kind, silence_s = turn_patience(patience, settings)
    return TurnRequest(
        message=_message(message, field),
        wait_for_response=wait_for_response,
        voice=voice or next(iter(settings.voices), None),
        speed=_speed(settings.tts_speed if speed is None else speed),
        language=language_tag(language or settings.language),
        patience=patience_kind,
        silence_s=silence_s,
        listen_duration_max=_listen_s(listen_duration_max) or settings.listen_duration_max,
        interruptible=settings.barge_in if interruptible is None else interruptible,
        commands=settings.spoken_commands,
        options=tuple(option.strip() for option in options if option.strip()),
    )


def _message(text: str, field: str) -> str:
    if len(text) > _MAX_MESSAGE:
        raise RequestError(field, f"{len(text):,} characters are too many to be spoken", f"at most {_MAX_MESSAGE:,}")
    for position, character in enumerate(text):
        if unicodedata.category(character) in {"Cc", "Cs"} and character not in "\n\r\t":
            raise RequestError(field, f"control character U+{ord(character):04X} at position {position}", "printable text")
    return text


def _speed(speed: float) -> float:
    if not _SPEED[0] <= speed <= _SPEED[1]:
        raise RequestError("speed", f"{speed:g} is out of range", f"{_SPEED[0]:g} to {_SPEED[1]:g}")
    return speed


def language_tag(language: str | None) -> str | None:
    """A BCP 47 tag with hyphens; None for none. Raises RequestError."""
    if not language:
        return None
    parts = language.replace("_", "-").split("-")
    if not (2 <= len(parts[0]) <= 3 and all(part.isascii() and part.isalnum() for part in parts)):
        raise RequestError("language", f"'{language[:40]}' is not a language tag", "BCP 47, such as en or pt-BR")
    return "-".join(parts)


def _listen_s(seconds: float | None) -> float | None:
    if seconds is not None and not _LISTEN_S[0] <= seconds <= _LISTEN_S[1]:
        raise RequestError("listen_duration_max", f"{seconds:g} s is out of range", "1 to 600 seconds")
    return seconds
