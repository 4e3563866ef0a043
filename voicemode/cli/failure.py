"""How an error becomes one sentence and an exit status."""

from __future__ import annotations

import sys
import unicodedata

from voicemode.errors import RequestError, SettingsError, VoicemodeError

__all__ = ["FAILED", "INTERRUPTED", "USAGE", "printable", "tell"]

FAILED = 1
USAGE = 2
"""As of every program that was called in the wrong way."""
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's overrides and isolates, which make text read otherwise than it is written (UAX 9)."""
INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


def tell(error: VoicemodeError) -> int:
    """Write the error to standard error and return the exit status it stands for."""
    print(f"voicemode: {printable(str(error))}", file=sys.stderr)
    return USAGE if isinstance(error, (RequestError, SettingsError)) else FAILED


def printable(text: str) -> str:
    """Text from outside without what could steer a terminal (escape sequences, reversed writing), on one line."""
    return "".join(" " if _steers(character) else character for character in text)


def _steers(character: str) -> bool:
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or character in _BIDI_CONTROLS
