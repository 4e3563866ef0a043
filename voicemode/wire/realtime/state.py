"""What the parts of one session share."""

from __future__ import annotations

from collections.abc import Sequence

from voicemode.wire.realtime.conversation import Conversation
from voicemode.wire.realtime.items import CallItem, Item
from voicemode.wire.realtime.recording import Recording
from voicemode.wire.realtime.server_book import ServerBook
from voicemode.wire.realtime.server_calls import ServerCalls
from voicemode.wire.realtime.session_config import SessionConfig
from voicemode.wire.realtime.sound import KeptSound
from voicemode.wire.realtime.step import Playout

__all__ = ["SessionState"]

_CALLS_KNOWN = 1_000
"""Ids of calls that are remembered, so that none is given twice."""


class SessionState:
    def __init__(self, config: SessionConfig, playout: Playout, conversation_id: str, earlier: Sequence[Item] = ()) -> None:
        """``earlier`` is what was said before the session, oldest first."""
        self.config = config
        self.playout = playout
        self.conversation_id = conversation_id
        self.conversation = Conversation(config.defaults.record_characters, earlier)
        self.kept = KeptSound(config.defaults.kept_audio_bytes)
        self.letter_s: float | None = None
        """The pace of the answers so far, as ``SpokenWords.letter_s`` tells it."""
        self.plays_until_ms = 0.0
        """When all sound sent so far will have been played, if it is played without a pause."""
        self.latest_response_id = ""
        """The one in the conversation that began last."""
        self._calls: dict[str, None] = {}
        for item in earlier:
            if isinstance(item, CallItem):
                self.note_call(item.call_id)
        self.recording = Recording()
        self.servers = ServerBook(self.conversation)
        self.calls = ServerCalls(self.conversation, self.recording)

    def note(self, item: Item) -> None:
        """For the record, if it is of the conversation: it began, or is another than it was."""
        if item.id in self.conversation:
            self.recording.note(item)

    def queue_sound(self, length_ms: float, now_ms: float) -> float:
        """So much more sound was sent: when the last of it will have been played."""
        self.plays_until_ms = max(self.plays_until_ms, now_ms) + length_ms
        return self.plays_until_ms

    def knows_call(self, call_id: str) -> bool:
        return call_id in self._calls

    def note_call(self, call_id: str) -> None:
        self._calls[call_id] = None
        if len(self._calls) > _CALLS_KNOWN:
            del self._calls[next(iter(self._calls))]
