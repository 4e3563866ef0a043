"""``conversation.item.*`` of a client: create, retrieve, delete, truncate."""

from __future__ import annotations

from voicemode.wire.realtime.errors import ClientError, wrong_value
from voicemode.wire.realtime.fields import Fields
from voicemode.wire.realtime.item_reader import read_item
from voicemode.wire.realtime.items import AnswerItem
from voicemode.wire.realtime.mcp_items import ApprovalItem
from voicemode.wire.realtime.state import SessionState
from voicemode.wire.realtime.step import Outbox

__all__ = ["ItemEvents"]

_SLACK_MS = 100
"""So much more than there is may a client say to have played: one adds 85 ms of a buffer, and takes an error for the end."""
_LONGEST_MS = 24 * 3_600_000


class ItemEvents:
    def __init__(self, state: SessionState) -> None:
        self._state = state

    def create(self, out: Outbox, event: Fields, now_ms: float) -> None:
        item = read_item(event.need_child("item"), out.new_id)
        request = self._state.calls.request_of(item) if isinstance(item, ApprovalItem) else None
        conversation = self._state.conversation
        conversation.insert(item, event.text("previous_item_id"))
        self._state.note(item)
        previous_id = conversation.before(item.id)
        shown = item.wire()
        out.event("conversation.item.added", previous_item_id=previous_id, item=shown)
        out.event("conversation.item.done", previous_item_id=previous_id, item=shown)
        if request is not None and isinstance(item, ApprovalItem):
            self._state.calls.decide(out, request, item, now_ms)

    def retrieve(self, out: Outbox, event: Fields) -> None:
        """With its sound, if it is one of the latest and the sound travels through us."""
        item_id = event.need_text("item_id")
        item = self._state.conversation.need(item_id, "retrieving", "item_retrieve_invalid_item_id")
        sound = self._state.kept.get(item_id)
        if sound is not None and isinstance(item, AnswerItem) and item.spoken is not None and item.cut_ms is not None:
            # Both sizes of a sample divide by two.
            sound = sound[: round(len(sound) * item.cut_ms / item.spoken.length_ms) // 2 * 2]
        out.event("conversation.item.retrieved", item=item.wire(sound))

    def delete(self, out: Outbox, event: Fields) -> None:
        item_id = event.need_text("item_id")
        item = self._state.conversation.need(item_id, "deleting", "item_delete_invalid_item_id")
        if item.status == "in_progress":
            sentence = f"Error deleting item: the item with id '{item_id}' is being generated. Cancel the response first."
            raise ClientError("item_delete_invalid_item_id", sentence, "item_id")
        self._state.conversation.delete(item_id)
        self._state.kept.drop(item_id)
        self._state.calls.deleted(out, item_id)
        out.event("conversation.item.deleted", item_id=item_id)

    def truncate(self, out: Outbox, event: Fields) -> None:
        """The client played so much and no more: what comes after it was not heard."""
        item_id = event.need_text("item_id")
        content_index = event.need_integer("content_index", 0, 1_000)
        end_ms = event.need_integer("audio_end_ms", 0, _LONGEST_MS)
        item = self._state.conversation.need(item_id, "truncating", "item_truncate_invalid_item_id")
        if not isinstance(item, AnswerItem) or item.spoken is None:
            raise ClientError("invalid_value", "Only model output audio messages can be truncated.", "item_id")
        if content_index != 0:
            raise wrong_value("content_index", content_index, "0, the only part there is")
        length_ms = item.spoken.length_ms
        if end_ms > length_ms + _SLACK_MS:
            sentence = f"Audio content of {length_ms:.0f}ms is already shorter than {end_ms}ms"
            raise ClientError("invalid_value", sentence, "audio_end_ms")
        whole = item.status == "completed" and end_ms >= length_ms
        item.cut_ms, item.was_heard = (None, True) if whole else (min(end_ms, length_ms), False)
        self._state.note(item)
        self._state.plays_until_ms = min(self._state.plays_until_ms, item.plays_until_ms - length_ms + end_ms)
        out.event(
            "conversation.item.truncated",
            item_id=item_id,
            content_index=content_index,
            audio_end_ms=int(min(end_ms, length_ms)),
        )
