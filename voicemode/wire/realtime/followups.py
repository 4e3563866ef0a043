"""What the session says by itself, when the person is silent and nothing else is said: results of tools, questions, news."""

from __future__ import annotations

from collections import deque

from voicemode.dialogue_tools import Word
from voicemode.wire.realtime.answers import Answers
from voicemode.wire.realtime.items import MessageItem
from voicemode.wire.realtime.spoken_approval import SpokenApproval
from voicemode.wire.realtime.state import SessionState
from voicemode.wire.realtime.step import Outbox
from voicemode.wire.realtime.turns import Turns

__all__ = ["Followups"]

_MOST_WORDS = 64
"""That wait to be told; the oldest are dropped. Nobody listens to more."""


class Followups:
    def __init__(self, state: SessionState, turns: Turns, answers: Answers, approval: SpokenApproval) -> None:
        self._state, self._turns, self._answers, self._approval = state, turns, answers, approval
        self._words: deque[str] = deque(maxlen=_MOST_WORDS)

    def add(self, word: Word) -> None:
        """To be told when there is a silence. Words are told one by one, as they came."""
        if word.text.strip():
            self._words.append(word.text)

    @property
    def waits(self) -> bool:
        """Whether there is anything to say."""
        return bool(self._words) or self._state.calls.owed is not None or self._approval.waits

    def go_on(self, out: Outbox, now_ms: float) -> None:
        """Begin an answer if one is due and now is the time."""
        calls = self._state.calls
        if self._turns.is_speaking or self._approval.judges or calls.client_is_next or self._state.config.kind != "realtime":
            return
        if now_ms < calls.quiet_until_ms:
            return
        if self._answers.go_on(out) or self._approval.ask(out) or not self._words or not self._answers.can_add():
            return
        self._add_item(out, self._words.popleft())
        calls.somebody_asked()
        self._answers.create(out, self._state.config)

    def _add_item(self, out: Outbox, text: str) -> None:
        conversation = self._state.conversation
        item = MessageItem(out.new_id("item"), role="system", content=({"type": "input_text", "text": text},))
        previous_id = conversation.last_id
        conversation.append(item)
        self._state.note(item)
        shown = item.wire()
        out.event("conversation.item.added", previous_item_id=previous_id, item=shown)
        out.event("conversation.item.done", previous_item_id=previous_id, item=shown)
