"""Which items the upstream has, and what makes them those of our conversation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from voicemode.audio import Samples
from voicemode.dialogue import Message, ToolCall, ToolResult, UserTurn
from voicemode.wire.upstream.client_events import Event, item_of, spoken_item, truncate

__all__ = ["HistoryEntry", "Key", "Mirror", "key_of"]

HistoryEntry: TypeAlias = Message | UserTurn | ToolCall | ToolResult
Key: TypeAlias = tuple[str, str]
"""Kind and name of an entry of our conversation."""

_LEAST_CUT_MS = 50
"""A cut is moved for no less: half a syllable."""


@dataclass(slots=True)
class _Held:
    key: Key
    item_id: str
    """The upstream's; empty while it has not told."""
    begin_ms: float = 0.0
    """Where in the sound of its answer it begins."""
    end_ms: float = 0.0
    cut_ms: float | None = None
    """So much of it is left there; None: all."""


class Mirror:
    """The items of one connection, in their order there."""

    def __init__(self, new_id: Callable[[], str]) -> None:
        self._new_id = new_id
        self._held: list[_Held] = []

    def __contains__(self, key: Key) -> bool:
        return any(held.key == key for held in self._held)

    def clear(self) -> None:
        """Another connection: it has nothing yet."""
        self._held.clear()

    def add(self, key: Key, item_id: str) -> None:
        """The upstream has it, or will in a moment (an empty id)."""
        if not item_id or all(held.item_id != item_id for held in self._held):
            self._held.append(_Held(key, item_id))

    def name(self, key: Key, item_id: str) -> None:
        """The upstream calls it so."""
        held = next((held for held in self._held if held.key == key and not held.item_id), None)
        if held is not None:
            held.item_id = item_id

    def drop(self, key: Key) -> None:
        """It has not, after all."""
        self._held = [held for held in self._held if held.key != key]

    def sounded(self, item_id: str, begin_ms: float, end_ms: float) -> None:
        """The part of its answer's sound that is of this item."""
        for held in self._held:
            if held.item_id == item_id:
                held.begin_ms, held.end_ms = (begin_ms if not held.end_ms else held.begin_ms), end_ms

    def cut(self, response_id: str, heard_ms: float) -> list[Event]:
        """So much of an answer's sound was heard, and no more will be."""
        events: list[Event] = []
        for held in self._held:
            if held.key != ("answer", response_id) or not held.item_id or not held.end_ms:
                continue
            left_ms = min(max(heard_ms - held.begin_ms, 0.0), held.end_ms - held.begin_ms)
            before_ms = held.end_ms - held.begin_ms if held.cut_ms is None else held.cut_ms
            if left_ms < before_ms - _LEAST_CUT_MS:
                held.cut_ms = left_ms
                events.append(truncate(held.item_id, left_ms))
        return events

    def sync(
        self,
        history: Sequence[HistoryEntry],
        words: Callable[[str], str | None],
        sound: Callable[[str], Samples | None],
    ) -> list[Event]:
        """Delete what our conversation has no longer, and create what the upstream has not.

        ``words`` and ``sound`` are those of a turn of the person's; None where they are not known.
        """
        wanted = {key_of(entry) for entry in history}
        events: list[Event] = []
        for held in [held for held in self._held if held.key not in wanted and held.item_id]:
            self._held.remove(held)
            events.append({"type": "conversation.item.delete", "item_id": held.item_id})
        before: _Held | None = None
        for entry in history:
            key = key_of(entry)
            there = [held for held in self._held if held.key == key]
            if not there:
                item = _item(entry, words, sound)
                if item is None:
                    continue
                there = [_Held(key, self._new_id())]
                events.append(self._create(there[0], item, before))
            before = there[-1]
        return events

    def _create(self, held: _Held, item: Event, before: _Held | None) -> Event:
        event: Event = {"type": "conversation.item.create", "item": {"id": held.item_id, **item}}
        if not self._held or self._held[-1] is before or (before is not None and not before.item_id):
            self._held.append(held)  # at the end, where it belongs or as near as can be told
            return event
        at = 0 if before is None else self._held.index(before) + 1
        self._held.insert(at, held)
        return {**event, "previous_item_id": "root" if before is None else before.item_id}


def key_of(entry: HistoryEntry) -> Key:
    """What makes it the same entry, in this history and in the next."""
    match entry:
        case UserTurn():
            return ("turn", entry.item_id)
        case ToolCall():
            return ("call", entry.call_id)
        case ToolResult():
            return ("result", entry.call_id)
        case Message() if entry.response_id:
            return ("answer", entry.response_id)
        case Message() if entry.item_id:
            # A turn whose words are known may be told as a message of the same name.
            return ("turn" if entry.role == "user" else "message", entry.item_id)
        case Message():
            return (f"message {entry.role}", entry.text)


def _item(entry: HistoryEntry, words: Callable[[str], str | None], sound: Callable[[str], Samples | None]) -> Event | None:
    if not isinstance(entry, UserTurn):
        return item_of(entry)
    text = words(entry.item_id)
    if text:
        return item_of(Message("user", text))
    samples = sound(entry.item_id) if text is None else None
    return spoken_item(samples) if samples is not None and len(samples) else None
