"""What a thread is called where others keep it: an agent's conversation has a name that is part of a path."""

from __future__ import annotations

import hashlib
import re

from voicemode.record import OWNER

__all__ = ["conversation_name"]

_USUAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}", re.ASCII)
_UNUSUAL = re.compile(r"[^A-Za-z0-9-]+", re.ASCII)
_DIGITS = 12
"""Hexadecimal: two of a million threads have the same by a chance of one in 500."""
_LONGEST = 60


def conversation_name(thread: str, identity: str = OWNER) -> str:
    """The owner's threads keep their names, where those are usual. Threads of others never get a name of the owner's."""
    if identity == OWNER and _USUAL.fullmatch(thread) and ".." not in thread:
        return thread
    digest = hashlib.sha256(f"{identity}\0{thread}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
    words = _UNUSUAL.sub("-", thread).strip("-")[:_LONGEST] if identity == OWNER else ""
    return f"{words or 'voice'}.{digest}"
