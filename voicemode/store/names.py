"""Names of threads and sessions."""

from __future__ import annotations

import secrets
import time
import unicodedata

from voicemode.record import ForeignThreadError

__all__ = ["new_session", "thread_named"]

_LONGEST = 200
_REFUSED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Unicode categories of what makes a name look like another one, or breaks a line."""


def thread_named(name: str) -> str:
    """The name, or a new one in the place of "". Raises ForeignThreadError where it is no name."""
    if not name:
        return f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    if len(name) > _LONGEST or name != name.strip() or any(unicodedata.category(letter) in _REFUSED for letter in name):
        raise ForeignThreadError(name)
    return name


def new_session() -> str:
    """An id that nobody had before."""
    return f"sess_{secrets.token_hex(12)}"
