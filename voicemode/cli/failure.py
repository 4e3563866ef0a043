"""How an error becomes one sentence and an exit status."""

from __future__ import annotations

import sys

from voicemode.errors import RequestError, SettingsError, VoicemodeError

__all__ = ["FAILED", "INTERRUPTED", "USAGE", "printable", "tell"]

FAILED = 1
USAGE = 2
"""As of every program that was called in the wrong way."""
INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


def tell(error: VoicemodeError) -> int:
    """Write the error to standard error and return the exit status it stands for."""
    print(f"voicemode: {printable(str(error))}", file=sys.stderr)
    return USAGE if isinstance(error, (RequestError, SettingsError)) else FAILED


def printable(text: str) -> str:
    """Text from outside without what could steer a terminal (escape sequences), on one line."""
    return "".join(character if character.isprintable() else " " for character in text)
