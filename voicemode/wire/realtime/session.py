"""One OpenAI Realtime session without I/O: client events and the engine's reports in, server events and commands out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Literal

from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    Configure,
    DialogueOptions,
    IdleTimedOut,
    InputTranscribed,
    InputTranscriptFailed,
    InputTranscriptGrew,
    PlayoutCleared,
    PlayoutStarted,
    PlayoutStopped,
    Report,
    SpeechStarted,
    SpeechStopped,
    ToolCallBegan,
    ToolCallDone,
    ToolCallGrew,
)
from voicemode.dialogue_tools import (
    ServerToolDone,
    ServerToolFailed,
    ServerToolsFailed,
    ServerToolsListed,
    ToolHostReport,
    Word,
)
from voicemode.record import Entry
from voicemode.wire.realtime.answers import Answers
from voicemode.wire.realtime.errors import ClientError, wrong_value
from voicemode.wire.realtime.fields import Fields, appended_base64, parse_event
from voicemode.wire.realtime.followups import Followups
from voicemode.wire.realtime.item_events import ItemEvents
from voicemode.wire.realtime.recording import items_of
from voicemode.wire.realtime.response_request import read_request
from voicemode.wire.realtime.session_config import SessionConfig, SessionDefaults, merged
from voicemode.wire.realtime.spoken_approval import SpokenApproval
from voicemode.wire.realtime.state import SessionState
from voicemode.wire.realtime.step import NewId, Outbox, Playout, Step
from voicemode.wire.realtime.turns import Turns

__all__ = ["RealtimeSession"]

Handler = Callable[[Outbox, Fields, float], None]

_LONGEST_EVENT_ID = 512
_CHANGE_ANSWERS = frozenset(
    {"session.update", "conversation.item.create", "conversation.item.delete", "conversation.item.truncate", "response.cancel"}
)
"""Client events after which a turn that is under way would be answered differently."""
_GOING_AWAY = 1001
"""The WebSocket close code (RFC 6455) that clients take for "connect again"."""


class RealtimeSession:
    """Owns items, history, responses and their order; knows no socket, clock or task.

    Times are milliseconds of any clock that only goes forward. No method raises for what a client sends: it becomes an error
    event, and the session goes on. After a step with ``close`` every step is empty.
    """

    def __init__(
        self,
        session_id: str,
        *,
        playout: Playout,
        new_id: NewId,
        kind: Literal["realtime", "transcription"] = "realtime",
        defaults: SessionDefaults | None = None,
        expires_at: int | None = None,
        options: Mapping[str, object] | None = None,
        history: Iterable[Entry] = (),
        recorded: bool = False,
    ) -> None:
        """``expires_at`` is in Unix seconds, for the echo only.

        ``options`` is a session object as ``session.update`` takes it: what the client asked for when it connected, or
        what its secret carries. ``history`` is what was said before on any surface, oldest first: responders are told
        of it, and the client is not, since it did not see those items begin. ``recorded``: the person's words are wanted
        for the record, whether or not the client wants to see them. Raises ClientError.
        """
        config = SessionConfig.initial(kind, defaults or SessionDefaults())
        if options is not None:
            config = merged(config, Fields(options, "session"))
        self._id, self._new_id, self._expires_at = session_id, new_id, expires_at
        self._state = SessionState(config, playout, new_id("conv"), items_of(history, new_id))
        self._turns = Turns(self._state)
        self._answers = Answers(self._state)
        self._items = ItemEvents(self._state)
        self._approval = SpokenApproval(self._state, self._answers)
        self._followups = Followups(self._state, self._turns, self._answers, self._approval)
        self._closed, self._recorded = False, recorded
        self._handlers: dict[str, Handler] = {
            "session.update": self._update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": lambda out, _, now_ms: self._turns.clear(out, now_ms),
            "conversation.item.create": self._items.create,
            "conversation.item.retrieve": lambda out, event, _: self._items.retrieve(out, event),
            "conversation.item.delete": lambda out, event, _: self._items.delete(out, event),
            "conversation.item.truncate": lambda out, event, _: self._items.truncate(out, event),
            "response.create": self._respond,
            "response.cancel": lambda out, event, now_ms: self._answers.cancel(out, event.text("response_id"), now_ms),
            "output_audio_buffer.clear": self._flush,
        }

    @property
    def config(self) -> SessionConfig:
        """What is in force now."""
        return self._state.config

    def session_object(self) -> dict[str, object]:
        """As ``session.created`` and ``session.updated`` show it."""
        known_as = "realtime.session" if self.config.kind == "realtime" else "realtime.transcription_session"
        expiry = {} if self._expires_at is None else {"expires_at": self._expires_at}
        return {"id": self._id, "object": known_as, **expiry, **self.config.wire()}

    def open(self, now_ms: float) -> Step:
        """The first step."""
        out = Outbox(self._new_id)
        self._turns.begin(now_ms)
        out.event("session.created", session=self.session_object())
        if self.config.kind == "realtime":
            conversation = {"id": self._state.conversation_id, "object": "realtime.conversation"}
            out.event("conversation.created", conversation=conversation)
        out.command(Configure(self._options()))
        self._state.servers.ask(out, self.config)
        return out.step()

    def receive(self, message: str | bytes, now_ms: float) -> Step:
        """One client event, as it came."""
        audio = appended_base64(message)
        try:
            if audio is not None and not self._closed and not self._followups.waits:
                sound = self._turns.append(audio)
                return Step(commands=() if sound is None else (sound,), entries=self._entries(now_ms))
        except ClientError:
            pass  # who reads it as JSON knows what is wrong with it
        try:
            event = parse_event(message)
        except ClientError as error:
            return self._refused(error)
        return self.receive_event(event, now_ms)

    def receive_event(self, event: Mapping[str, object], now_ms: float) -> Step:
        """One client event, parsed."""
        out = Outbox(self._new_id)
        if self._closed:
            return Step()
        fields = Fields(event)
        try:
            kind = fields.need_text("type")
            self._handler(kind)(out, fields, now_ms)
            if kind in _CHANGE_ANSWERS:
                self._expect(out)
        except ClientError as error:
            self._tell(out, error, event.get("event_id"))
        self._go_on(out, now_ms)
        return self._step(out, now_ms)

    def report(self, report: Report, now_ms: float) -> Step:
        """What the engine says. Reports about what is over are passed over."""
        out = Outbox(self._new_id)
        if self._closed:
            return Step()
        match report:
            case SpeechStarted():
                self._started(out, report, now_ms)
            case SpeechStopped():
                if self._turns.stopped(out, report, now_ms):
                    self._turn_ended(out)
            case IdleTimedOut():
                if self.config.kind == "realtime" and not self._answers.is_answering and not self._turns.is_speaking:
                    self._turns.idle(out, report)
                    self._answers.answer_turn(out)
            case InputTranscriptGrew() | InputTranscribed() | InputTranscriptFailed():
                self._turns.transcript(out, report)
                self._approval.transcript(report)
            case PlayoutStarted() | PlayoutStopped() | PlayoutCleared():
                self._answers.playout(out, report)
                self._expect(out)
            case (
                AnswerText() | AnswerAudio() | ToolCallBegan() | ToolCallGrew() | ToolCallDone() | AnswerDone() | AnswerFailed()
            ):
                self._answers.report(out, report, now_ms)
            case ServerToolsListed() | ServerToolsFailed() | ServerToolDone() | ServerToolFailed() | Word():
                self._tools_reported(out, report, now_ms)
        self._go_on(out, now_ms)
        return self._step(out, now_ms)

    def _tools_reported(self, out: Outbox, report: ToolHostReport, now_ms: float) -> None:
        match report:
            case ServerToolsListed() | ServerToolsFailed():
                self._state.servers.report(out, report)
            case ServerToolDone() | ServerToolFailed():
                self._state.calls.report(out, report, now_ms)
            case Word():
                self._followups.add(report)
        self._expect(out)

    def expire(self) -> Step:
        """The session has lasted as long as one may."""
        out = Outbox(self._new_id)
        if self._closed:
            return Step()
        error = ClientError("session_expired", "Your session hit the maximum duration.")
        self._answers.fail_all(out, error.code, error.message)
        self._state.calls.give_up(out)
        self._tell(out, error, None)
        self._closed = True
        return out.step((_GOING_AWAY, "session_expired"))

    def leave(self, now_ms: float) -> Step:
        """The call is over, however it ended: the entries of what was not, as far as it was heard. Nothing to send."""
        if not self._closed:
            self._answers.leave(Outbox(self._new_id), now_ms)
        self._closed = True
        self._state.recording.leave(now_ms)
        return Step(entries=tuple(self._state.recording.take(self._id)))

    def _go_on(self, out: Outbox, now_ms: float) -> None:
        if not self._turns.is_speaking:
            self._approval.decide(out, now_ms)
        self._followups.go_on(out, now_ms)

    def _options(self) -> DialogueOptions:
        options = self.config.options()
        wanted = self._recorded or self.config.defaults.approval_aloud
        return replace(options, transcribe=True) if wanted else options

    def _step(self, out: Outbox, now_ms: float) -> Step:
        for entry in self._entries(now_ms):
            out.entry(entry)
        return out.step()

    def _entries(self, now_ms: float) -> tuple[Entry, ...]:
        """What the record is to be told of now."""
        if self._state.playout is Playout.CLIENT:
            self._state.recording.settle(now_ms)
        return tuple(self._state.recording.take(self._id))

    def _handler(self, kind: str) -> Handler:
        handler = self._handlers.get(kind)
        if handler is None:
            raise wrong_value("type", kind, ", ".join(self._handlers))
        return handler

    def _refused(self, error: ClientError) -> Step:
        out = Outbox(self._new_id)
        if self._closed:
            return Step()
        self._tell(out, error, None)
        return out.step()

    def _tell(self, out: Outbox, error: ClientError, client_event_id: object) -> None:
        known = isinstance(client_event_id, str) and len(client_event_id) <= _LONGEST_EVENT_ID
        shown = {
            "type": error.kind,
            "code": error.code,
            "message": error.message,
            "param": error.param,
            "event_id": client_event_id if known else None,
        }
        out.event("error", error=shown)

    def _update(self, out: Outbox, event: Fields, _: float) -> None:
        session = event.need_child("session")
        self._state.config = merged(self.config, session)
        out.event("session.updated", session=self.session_object())
        out.command(Configure(self._options()))
        if "tools" in session and self.config.kind == "realtime":
            self._state.servers.keep_only(out, self.config)
            self._state.servers.ask(out, self.config)

    def _append(self, out: Outbox, event: Fields, _: float) -> None:
        sound = self._turns.append(event.need_text("audio"))
        if sound is not None:
            out.command(sound)

    def _commit(self, out: Outbox, _: Fields, now_ms: float) -> None:
        self._turns.commit(out, now_ms)
        self._approval.turn_ended(self._state.conversation.last_id or "", answer_owed=False)
        self._state.calls.client_is_next = True
        if self._state.playout is Playout.CLIENT and not self._answers.is_answering:
            # They talked over what was playing, or it had ended.
            self._answers.cut(now_ms)

    def _respond(self, out: Outbox, event: Fields, now_ms: float) -> None:
        if self.config.kind == "transcription":
            raise ClientError("invalid_event", "A transcription session has no responses.", "type")
        if not event.values.get("response") and self._state.calls.is_same_wish(now_ms):
            return
        self._state.calls.somebody_asked()
        request = read_request(event.child("response") or Fields({}, "response"), self._state, out.new_id)
        self._answers.create(
            out,
            request.config,
            in_conversation=request.in_conversation,
            metadata=request.metadata,
            history=request.history,
        )
        if request.in_conversation and request.config.servers is not self.config.servers:
            # Its own servers have nothing to offer before they have told: nobody waits for that.
            self._state.servers.ask(out, request.config)

    def _flush(self, out: Outbox, _: Fields, now_ms: float) -> None:
        if self._state.playout is Playout.CLIENT:
            sentence = "output_audio_buffer.clear is for WebRTC. Here, stop playing, and send conversation.item.truncate."
            raise ClientError("invalid_event", sentence, "type")
        self._answers.flush(out, now_ms)

    def _started(self, out: Outbox, report: SpeechStarted, now_ms: float) -> None:
        if self._turns.is_speaking:
            return
        self._turns.started(out, report)
        self._approval.speech_started(now_ms)
        if self.config.options().interrupts:
            self._answers.interrupt(out, now_ms)
        self._expect(out)

    def _turn_ended(self, out: Outbox) -> None:
        answers = self.config.options().answers
        held = self._approval.turn_ended(self._state.conversation.last_id or "", answer_owed=answers)
        if not answers:
            self._state.calls.client_is_next = True
        elif not held:
            self._answers.answer_turn(out)

    def _expect(self, out: Outbox) -> None:
        """While nobody speaks, there is no turn that could be answered early."""
        if self.config.kind == "realtime" and self._turns.is_speaking:
            self._answers.expect(out, at_once=not self._approval.judges)
