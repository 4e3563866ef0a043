"""What comes out of a session when something went in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique

from voicemode.dialogue import Command
from voicemode.record import Entry

__all__ = ["NewId", "Outbox", "Playout", "Step"]

NewId = Callable[[str], str]
"""Makes an id that nobody had before, beginning with the word given and "_": event, item, resp, call, conv."""


@unique
class Playout(Enum):
    """Who plays the answers."""

    CLIENT = "client"
    """The client, at its own pace, from the events (WebSocket). It says what was heard by ``conversation.item.truncate``."""
    SERVER = "server"
    """We do (WebRTC): events carry no sound, and the engine reports what was heard."""


@dataclass(frozen=True, slots=True)
class Step:
    """What to do now, all of it: send, tell the engine, and then perhaps close."""

    events: tuple[dict[str, object], ...] = ()
    """To be sent in this order; not to be changed."""
    commands: tuple[Command, ...] = ()
    close: tuple[int, str] | None = None
    """A WebSocket close code and its reason, after the events; None: stay open."""
    entries: tuple[Entry, ...] = ()
    """For the record: what was said, as far as it is known now."""


class Outbox:
    """Collects one step."""

    def __init__(self, new_id: NewId) -> None:
        self.new_id = new_id
        self._events: list[dict[str, object]] = []
        self._commands: list[Command] = []
        self._entries: list[Entry] = []

    def event(self, kind: str, **fields: object) -> None:
        self._events.append({"type": kind, "event_id": self.new_id("event"), **fields})

    def command(self, command: Command) -> None:
        self._commands.append(command)

    def entry(self, entry: Entry) -> None:
        self._entries.append(entry)

    def step(self, close: tuple[int, str] | None = None) -> Step:
        return Step(tuple(self._events), tuple(self._commands), close, tuple(self._entries))
