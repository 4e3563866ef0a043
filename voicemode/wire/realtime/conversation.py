"""The record of a conversation: items in order, and the history that a responder is given."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from voicemode.dialogue import ToolCall, ToolResult
from voicemode.wire.realtime.errors import ClientError
from voicemode.wire.realtime.items import CallItem, HistoryEntry, Item, OutputItem, TurnItem
from voicemode.wire.realtime.session_config import SessionConfig

__all__ = ["Conversation", "history_of"]

ROOT = "root"
"""The word for "before all items"."""
_ITEM_CHARACTERS = 256
"""What an item of a client counts beside its text, so that many empty ones are bounded too."""


class Conversation:
    """The items. The record is kept whole, within a limit that only a client's own items can reach."""

    def __init__(self, most_characters: int, earlier: Sequence[Item] = ()) -> None:
        """``earlier`` was said before this session: a responder is told of it, and the client is not shown it."""
        self._most = most_characters
        self._earlier = tuple(earlier)
        self._items: dict[str, Item] = {}
        self._order: list[str] = []
        self._created: dict[str, int] = {}
        """The client's own items, with the characters that they count."""
        self._forgotten: set[str] = set()
        """Items that a history no longer begins with, so that it is cut rarely, and never grows back."""

    def __iter__(self) -> Iterator[Item]:
        return (self._items[item_id] for item_id in self._order)

    def __contains__(self, item_id: str) -> bool:
        return item_id in self._items

    @property
    def last_id(self) -> str | None:
        return self._order[-1] if self._order else None

    def get(self, item_id: str) -> Item | None:
        return self._items.get(item_id)

    def need(self, item_id: str, doing: str, code: str) -> Item:
        """``doing`` is the participle for the sentence. Raises ClientError."""
        item = self._items.get(item_id)
        if item is None:
            raise ClientError(code, f"Error {doing} item: the item with id '{item_id}' does not exist.", "item_id")
        return item

    def before(self, item_id: str) -> str | None:
        """The id of the item in front of it; None: it is the first."""
        at = self._order.index(item_id)
        return self._order[at - 1] if at else None

    def append(self, item: Item) -> None:
        self._items[item.id] = item
        self._order.append(item.id)

    def insert(self, item: Item, after: str | None) -> None:
        """A client's item behind another, at the root, or (None) at the end. Raises ClientError."""
        if item.id in self._items:
            raise ClientError(
                "item_create_invalid_item_id", f"Error adding item: the item with id '{item.id}' already exists.", "item.id"
            )
        if after not in {None, ROOT} and after not in self._items:
            sentence = f"Error adding item: the previous item with id '{after}' does not exist."
            raise ClientError("item_create_invalid_previous_item_id", sentence, "previous_item_id")
        if isinstance(item, OutputItem) and not self._has_call(item.call_id):
            sentence = f"Tool call ID '{item.call_id}' not found in conversation."
            raise ClientError("invalid_tool_call_id", sentence, "item.call_id")
        characters = item.characters + _ITEM_CHARACTERS
        if characters + sum(self._created.values()) > self._most:
            raise ClientError("conversation_too_long", "The conversation is full: delete items, or begin another session.")
        at = len(self._order) if after is None else 0 if after == ROOT else self._order.index(after) + 1
        self._items[item.id] = item
        self._created[item.id] = characters
        self._order.insert(at, item.id)

    def delete(self, item_id: str) -> None:
        del self._items[item_id]
        self._order.remove(item_id)
        self._created.pop(item_id, None)
        self._forgotten.discard(item_id)

    def history(self, config: SessionConfig) -> tuple[tuple[HistoryEntry, ...], int]:
        """What a responder is told, oldest first, and about how many tokens it is; cut as the session's truncation says."""
        told = [*self._earlier, *(item for item in self if item.id not in self._forgotten)]
        limit, keep = _limits(config)
        total = sum(item.tokens for item in told)
        if limit is not None and total > limit:
            # The newest item is always told, whatever its length.
            gone = 0
            while gone < len(told) - 1 and total > limit * keep:
                total -= told[gone].tokens
                gone += 1
            self._forgotten.update(item.id for item in told[len(self._earlier) : gone])
            self._earlier = self._earlier[gone:]
            told = told[gone:]
        return history_of(told), total

    def _has_call(self, call_id: str) -> bool:
        return any(isinstance(item, CallItem) and item.call_id == call_id for item in (*self._earlier, *self))


def history_of(items: Iterable[Item]) -> tuple[HistoryEntry, ...]:
    """What a responder is told of these. A result whose call is not among them would mean nothing, and is left out."""
    told = [item for item in items if not (isinstance(item, TurnItem) and item.transcript == "" and not item.idle)]
    entries = [entry for item in told for entry in item.told()]
    calls = {entry.call_id for entry in entries if isinstance(entry, ToolCall)}
    return tuple(entry for entry in entries if not (isinstance(entry, ToolResult) and entry.call_id not in calls))


def _limits(config: SessionConfig) -> tuple[int | None, float]:
    """The most tokens of a history, None: any; and which part of them is kept when it has more."""
    match config.truncation:
        case "disabled":
            return None, 1.0
        case str():
            return config.defaults.context_tokens, 1.0
        case ratio:
            limits, keep = ratio.get("token_limits"), ratio.get("retention_ratio", 1.0)
            most = limits.get("post_instructions") if isinstance(limits, dict) else None
            return (
                most if isinstance(most, int) else config.defaults.context_tokens,
                float(keep) if isinstance(keep, int | float) else 1.0,
            )
