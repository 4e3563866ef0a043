"""A conversation that a vendor's client held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests_clients.driving import Seen

__all__ = ["Held"]


@dataclass(frozen=True, slots=True)
class Held:
    """What the person and the client saw, what went over the wire, and what the chat endpoint was asked."""

    seen: Seen
    events: tuple[dict[str, Any], ...]
    """Of the server, in order."""
    chats: tuple[dict[str, Any], ...]
    log: str
    """Of the server."""
