"""Which items the record is to hear of, and items made of what it holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from voicemode.record import Entry, Role, Standing
from voicemode.wire.realtime.items import AnswerItem, CallItem, Item, MessageItem, OutputItem
from voicemode.wire.realtime.step import NewId

__all__ = ["Recording", "items_of"]

_NOTHING_CAME = "The conversation broke off before there was a result."
"""A responder takes a call without any for one that it may wait for."""


class Recording:
    """Items of the conversation that changed in this step, and answers whose sound is still being played."""

    def __init__(self) -> None:
        self._changed: dict[str, Item] = {}
        self._playing: dict[str, AnswerItem] = {}
        """Answers that ended before their sound did."""
        self._calls: dict[str, CallItem] = {}
        """Calls without a result, by the id that results name."""

    def note(self, item: Item) -> None:
        """It began, or is another than it was."""
        if isinstance(item, OutputItem):
            call = self._calls.pop(item.call_id, None)
            if call is None:
                return
            call.output = item.output
            item = call
        elif isinstance(item, CallItem) and item.output is None and item.status != "incomplete":
            self._calls[item.call_id] = item
        elif isinstance(item, AnswerItem) and item.status != "in_progress" and item.spoken is not None:
            if item.was_heard or item.cut_ms is not None:
                self._playing.pop(item.id, None)
            else:
                self._playing[item.id] = item
        self._changed[item.id] = item

    def settle(self, now_ms: float) -> None:
        """Where the client plays: what it will have played by now was heard."""
        for item in [each for each in self._playing.values() if each.plays_until_ms <= now_ms]:
            item.was_heard = True
            self.note(item)

    def leave(self, now_ms: float) -> None:
        """Nothing more of any answer is played."""
        for item in list(self._playing.values()):
            heard_ms = item.heard_ms(now_ms)
            if item.spoken is not None and heard_ms < item.spoken.length_ms:
                item.cut_ms = heard_ms
            item.was_heard = True
            self.note(item)

    def take(self, session_id: str) -> Iterator[Entry]:
        """What the record is told of this step. Ids of items may be a client's own, so keys have the session's before them."""
        changed, self._changed = self._changed, {}
        for item in changed.values():
            entry = item.entry()
            if entry is not None:
                yield entry._replace(key=f"{session_id}/{item.id}")


def items_of(history: Iterable[Entry], new_id: NewId) -> Sequence[Item]:
    """What a record holds as items of a conversation, oldest first; what is empty of words is nothing."""
    return [item for entry in history for item in _items_of(entry, new_id)]


def _items_of(entry: Entry, new_id: NewId) -> Iterator[Item]:
    match entry.role:
        case Role.TOOL:
            call_id = entry.call_id or new_id("call")
            yield CallItem(
                new_id("item"), call_id=call_id, name=entry.tool, pieces=[entry.arguments or "{}"], output=entry.text
            )
            done = entry.standing is Standing.WHOLE or bool(entry.text)
            yield OutputItem(new_id("item"), call_id=call_id, output=entry.text if done else _NOTHING_CAME)
        case _ if not entry.text.strip():
            return
        case Role.ASSISTANT:
            yield AnswerItem(new_id("item"), text=entry.text, was_heard=True)
        case Role.USER | Role.SYSTEM:
            part: dict[str, object] = {"type": "input_text", "text": entry.text}
            yield MessageItem(new_id("item"), role="user" if entry.role is Role.USER else "system", content=(part,))
