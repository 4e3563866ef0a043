"""The responses of a session: one at a time in the conversation, others beside it, and what was heard of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    CancelAnswer,
    CancelReason,
    Expect,
    FlushPlayout,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    Respond,
    ToolCallBegan,
    ToolCallDone,
    ToolCallGrew,
)
from voicemode.wire.realtime.answer import Answer, Ending
from voicemode.wire.realtime.errors import ClientError
from voicemode.wire.realtime.items import AnswerItem, HistoryEntry
from voicemode.wire.realtime.mcp_items import McpCallItem
from voicemode.wire.realtime.offer import Offer, offered
from voicemode.wire.realtime.session_config import SessionConfig
from voicemode.wire.realtime.state import SessionState
from voicemode.wire.realtime.step import Outbox, Playout

__all__ = ["AnswerReport", "Answers", "PlayoutReport"]

AnswerReport = AnswerText | AnswerAudio | ToolCallBegan | ToolCallGrew | ToolCallDone | AnswerDone | AnswerFailed
PlayoutReport = PlayoutStarted | PlayoutStopped | PlayoutCleared

_PARALLEL_MOST = 16
"""Responses at the same time, out-of-band ones included; each is a request to a model."""
_SPOKEN_KNOWN = 16
"""Responses whose playout may still be reported."""


class Answers:
    """Reports of a response that has ended are dropped here: nothing follows its ``response.done``."""

    def __init__(self, state: SessionState) -> None:
        self._state = state
        self._active: dict[str, Answer] = {}
        self._spoken: dict[str, AnswerItem] = {}
        """The latest answers with sound, by response."""
        self._playing: dict[str, None] = {}
        """Responses whose sound the engine is playing. Only with Playout.SERVER."""
        self._unheard: set[str] = set()
        """Responses with sound that the engine has not played to its end. Only with Playout.SERVER."""
        self._turn_waits = False
        """A turn that is to be answered waits for the response that is under way."""
        self._expected: Respond | None = None
        """How the engine was told that the next turn would be answered."""

    def create(
        self,
        out: Outbox,
        config: SessionConfig,
        *,
        in_conversation: bool = True,
        metadata: Mapping[str, object] | None = None,
        history: tuple[HistoryEntry, ...] | None = None,
        script: str = "",
    ) -> Answer:
        """Begin a response: of a ``script``, else to a ``history``, else to the conversation. Raises ClientError."""
        active = self._in_the_way(in_conversation=in_conversation, speaks=config.speaks)
        if active is not None:
            sentence = f"Conversation already has an active response in progress: {active}. Wait until it is finished."
            raise ClientError("conversation_already_has_active_response", sentence)
        if len(self._active) >= _PARALLEL_MOST:
            raise ClientError("rate_limit_exceeded", f"More than {_PARALLEL_MOST} responses at a time.")
        whole, tokens = self._state.conversation.history(config) if history is None else (history, 0)
        # Beside the conversation there would be nowhere to put a result.
        offer = self._state.servers.offer(config) if in_conversation else offered(config, {})
        answer = Answer(
            self._state,
            config,
            out.new_id("resp"),
            in_conversation=in_conversation,
            metadata=metadata,
            input_tokens=tokens,
            offer=offer,
        )
        self._active[answer.id] = answer
        if in_conversation:
            self._turn_waits = False
            self._state.latest_response_id = answer.id
            self._state.calls.began(knows_all=history is None)
        answer.begin(out)
        out.command(replace(_respond(answer.id, config, whole, offer), in_conversation=in_conversation, script=script))
        return answer

    def answer_turn(self, out: Outbox) -> None:
        """The person's turn is over. If a response is under way that may not be interrupted, theirs comes after it."""
        config = self._state.config
        self._turn_waits = self._in_the_way(in_conversation=True, speaks=config.speaks) is not None
        if not self._turn_waits:
            self._state.calls.somebody_asked()
            self.create(out, config)

    def can_add(self) -> bool:
        """Whether a response of ours would be in nobody's way: none is under way, and none is being heard as far as we know."""
        free = self._in_the_way(in_conversation=True, speaks=self._state.config.speaks) is None
        return free and not self._unheard and len(self._active) < _PARALLEL_MOST

    def go_on(self, out: Outbox) -> bool:
        """Answer what servers' tools have brought, if there is something and no other response is under way."""
        owed = self._state.calls.owed
        if owed is None or self._in_the_way(in_conversation=True, speaks=owed.speaks) is not None:
            return False
        if len(self._active) >= _PARALLEL_MOST:
            return False
        self.create(out, self._state.calls.go_on() or owed)
        return True

    def expect(self, out: Outbox, *, at_once: bool = True) -> None:
        """Tell the engine how the turn under way would be answered, if that is not what it was told before.

        Not ``at_once``: it is not known yet whether anybody is asked for an answer.
        """
        config = self._state.config
        waits = not at_once or self._in_the_way(in_conversation=True, speaks=config.speaks) is not None
        answered = config.options().answers and not waits
        history = self._state.conversation.history(config)[0] if answered else ()
        expected = _respond("", config, history, self._state.servers.offer(config)) if answered else None
        if expected != self._expected:
            self._expected = expected
            out.command(Expect(expected))

    def cancel(self, out: Outbox, response_id: str | None, now_ms: float) -> None:
        """At the client's wish: by id, or the one in the conversation. Raises ClientError."""
        answer = self._in_conversation() if response_id is None else self._active.get(response_id)
        if answer is None:
            raise ClientError("response_cancel_not_active", "Cancellation failed: no active response found")
        if answer.in_conversation:
            # Whoever cancels goes on by itself: a response of ours would be in the way of its own.
            self._turn_waits = False
            self._state.calls.leave_it_to_the_client(now_ms)
        self._cancel(out, answer, CancelReason.CLIENT)
        if self._state.playout is Playout.CLIENT and answer.in_conversation:
            self.cut(now_ms)
        self._answer_waiting_turn(out)

    def interrupt(self, out: Outbox, now_ms: float) -> None:
        """The person speaks: what is being said ends."""
        self._turn_waits = False
        ours = self._state.playout is Playout.SERVER
        for answer in list(self._active.values()):
            if answer.in_conversation or (ours and answer.config.speaks):
                self._cancel(out, answer, CancelReason.TURN_DETECTED)
        if ours and self._sounds(now_ms):
            out.command(FlushPlayout())
        self.cut(now_ms)

    def flush(self, out: Outbox, now_ms: float) -> None:
        """The client wants silence, where we own the playout."""
        for answer in list(self._active.values()):
            if answer.config.speaks:
                self._cancel(out, answer, CancelReason.CLIENT)
        out.command(FlushPlayout())
        self.cut(now_ms)

    def cut(self, now_ms: float) -> None:
        """What is being played ends now, as far as we know: a truncate of the client, or the engine's report, knows better."""
        for item in self._spoken.values():
            if item.cut_ms is None and item.plays_until_ms > now_ms:
                item.cut_ms = item.heard_ms(now_ms)
                self._state.note(item)
        self._state.plays_until_ms = min(self._state.plays_until_ms, now_ms)

    def fail_all(self, out: Outbox, code: str, message: str) -> None:
        """The session ends."""
        for answer in list(self._active.values()):
            self._end(out, answer, _failed(code, message))

    def leave(self, out: Outbox, now_ms: float) -> None:
        """Nobody listens any more."""
        for answer in list(self._active.values()):
            self._end(out, answer, Ending("cancelled", CancelReason.CLIENT.value))
        self.cut(now_ms)

    @property
    def is_answering(self) -> bool:
        """Whether a response is under way in the conversation."""
        return self._in_conversation() is not None

    def report(self, out: Outbox, report: AnswerReport, now_ms: float) -> None:
        answer = self._active.get(report.response_id)
        if answer is None:
            return
        match report:
            case AnswerText():
                answer.say(out, report.delta)
            case AnswerAudio():
                answer.sound(out, report, now_ms)
                self._note_spoken(answer)
            case ToolCallBegan():
                answer.begin_call(out, report.call_id, report.name)
            case ToolCallGrew():
                answer.grow_call(out, report.call_id, report.delta)
            case ToolCallDone():
                item = answer.end_call(out, report.call_id)
                if isinstance(item, McpCallItem):
                    self._state.calls.start(out, item, answer.id, answer.config)
                elif item is not None:
                    self._state.calls.ask(item, answer.id, answer.config)
            case AnswerDone():
                cut = report.incomplete
                self._end(out, answer, Ending("incomplete" if cut else "completed", cut, usage=report.usage))
                self._answer_waiting_turn(out)
            case AnswerFailed():
                self._end(out, answer, _failed(report.code, report.message))
                self._answer_waiting_turn(out)

    def playout(self, out: Outbox, report: PlayoutReport) -> None:
        """What the engine plays, where it does."""
        if self._state.playout is Playout.CLIENT:
            return
        item = self._spoken.get(report.response_id)
        match report:
            case PlayoutStarted():
                self._playing[report.response_id] = None
                out.event("output_audio_buffer.started", response_id=report.response_id)
            case PlayoutStopped():
                self._playing.pop(report.response_id, None)
                self._unheard.discard(report.response_id)
                out.event("output_audio_buffer.stopped", response_id=report.response_id)
                if item is not None and item.spoken is not None:
                    item.cut_ms = None if item.status == "completed" else item.spoken.length_ms
                    item.was_heard = True
                    self._state.note(item)
            case PlayoutCleared():
                self._playing.pop(report.response_id, None)
                self._unheard.discard(report.response_id)
                out.event("output_audio_buffer.cleared", response_id=report.response_id)
                if item is not None:
                    self._truncate(out, item, report.heard_ms)

    def _truncate(self, out: Outbox, item: AnswerItem, heard_ms: float) -> None:
        if item.spoken is None or (item.status == "completed" and heard_ms >= item.spoken.length_ms):
            item.cut_ms, item.was_heard = None, True
            self._state.note(item)
            return
        item.cut_ms = min(max(heard_ms, 0.0), item.spoken.length_ms)
        self._state.note(item)
        if item.id in self._state.conversation:
            out.event("conversation.item.truncated", item_id=item.id, content_index=0, audio_end_ms=int(item.cut_ms))

    def _in_conversation(self) -> Answer | None:
        return next((answer for answer in self._active.values() if answer.in_conversation), None)

    def _in_the_way(self, *, in_conversation: bool, speaks: bool) -> str | None:
        """The response that another one has to wait for. Where we own the playout, one speaks at a time."""
        ours = self._state.playout is Playout.SERVER
        for answer in self._active.values():
            if (in_conversation and answer.in_conversation) or (ours and speaks and answer.config.speaks):
                return answer.id
        return None

    def _sounds(self, now_ms: float) -> bool:
        return bool(self._playing) or any(item.plays_until_ms > now_ms for item in self._spoken.values())

    def _note_spoken(self, answer: Answer) -> None:
        if answer.message is not None and answer.id not in self._spoken:
            self._spoken[answer.id] = answer.message
            if self._state.playout is Playout.SERVER:
                self._unheard.add(answer.id)
            if len(self._spoken) > _SPOKEN_KNOWN:
                oldest = next(iter(self._spoken))
                del self._spoken[oldest]
                self._unheard.discard(oldest)

    def _cancel(self, out: Outbox, answer: Answer, reason: CancelReason) -> None:
        self._end(out, answer, Ending("cancelled", reason.value))
        if answer.id not in self._playing:
            self._unheard.discard(answer.id)
        out.command(CancelAnswer(answer.id, reason))

    def _end(self, out: Outbox, answer: Answer, ending: Ending) -> None:
        del self._active[answer.id]
        answer.end(out, ending)
        if answer.in_conversation:
            whole = ending.status == "completed"
            dropped = ending.reason == CancelReason.CLIENT.value
            self._state.calls.ended(answer.id, client_too=whole and answer.calls_functions, dropped=dropped)
        if ending.status == "completed" and answer.message is not None and answer.message.spoken is not None:
            self._state.letter_s = answer.message.spoken.letter_s

    def _answer_waiting_turn(self, out: Outbox) -> None:
        if self._turn_waits:
            self.answer_turn(out)


def _failed(code: str, message: str) -> Ending:
    return Ending("failed", error={"type": "server_error", "code": code, "message": message})


def _respond(response_id: str, config: SessionConfig, history: tuple[HistoryEntry, ...], offer: Offer) -> Respond:
    return Respond(
        response_id,
        history,
        instructions=config.instructions,
        tools=offer.tools,
        tool_choice=offer.choice,
        parallel_tool_calls=config.parallel_tool_calls,
        audio=config.speaks,
        voice=config.voice_name,
        speed=config.speed,
        max_tokens=config.max_output_tokens,
        model=config.model,
    )
