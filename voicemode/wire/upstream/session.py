"""One conversation as the client of an upstream, over any number of connections; no socket, no clock.

Whoever owns the socket sends what the methods return, and hands over what comes::

    events = session.opened()            # another connection: it is told everything
    received = session.receive(text)     # reports for the adapter, events to send, and perhaps trouble
    session.lost()                       # the connection is gone; what had begun to be answered has failed

Without a connection the methods keep what is to be told, and what they return need not be sent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from voicemode.audio import Samples
from voicemode.dialogue import DialogueOptions, Respond
from voicemode.wire.upstream.asked import AnswerReport, Asked
from voicemode.wire.upstream.client_events import RESPONSE_TAG, Event, Setup, response_create, session_update
from voicemode.wire.upstream.labels import Labels
from voicemode.wire.upstream.mirror import HistoryEntry, Key, Mirror, key_of
from voicemode.wire.upstream.profile import Profile
from voicemode.wire.upstream.server_events import Told, read_event
from voicemode.wire.upstream.trouble import Trouble, kind_of
from voicemode.wire.upstream.turns import Turns, WordsReport

__all__ = ["Received", "TheirSpeech", "Trouble", "UpstreamOptions", "UpstreamSession"]

_UNASKED_EVENTS = 2000
"""Of a response that the upstream began by itself, and nobody claimed."""
_BEFORE_LOST = "The connection to {name} broke off in the middle of this answer; the conversation goes on."


@dataclass(frozen=True, slots=True)
class UpstreamOptions:
    """What the person chose."""

    voice: str = ""
    """Empty: the upstream's own."""
    their_turns: bool = False
    """The upstream finds out where turns begin and end."""


@dataclass(frozen=True, slots=True)
class TheirSpeech:
    """The upstream heard the person begin, or end."""

    began: bool
    at_ms: int | None
    """Since this connection's first sound; None where it does not tell."""


@dataclass(slots=True)
class Received:
    """What follows from one event of the upstream."""

    events: list[Event] = field(default_factory=list)
    """To be sent."""
    reports: list[WordsReport | TheirSpeech] = field(default_factory=list)
    trouble: Trouble | None = None
    expires_at: int | None = None
    """Unix seconds: when the upstream ends this connection, where it has just told."""


class UpstreamSession:
    """Nothing of an answer is reported after its ``cancel``."""

    def __init__(self, profile: Profile, options: UpstreamOptions) -> None:
        self._profile, self._options = profile, options
        self._count = 0
        self._setup = Setup(transcription=profile.transcription)
        self._told: Setup | None = None
        """What the connection was told to be like; None: nothing yet."""
        self._spoke = False
        """Has it spoken on this connection? Then its voice stays."""
        self._mirror = Mirror(lambda: self._new_id("item"))
        self._turns = Turns(self._mirror)
        self._history: tuple[HistoryEntry, ...] = ()
        self._asked: list[Asked] = []
        """Not over yet, oldest first; also cancelled ones, as long as the upstream may speak of them."""
        self._unasked: dict[str, list[Told]] = {}
        self._letter_s: float | None = None
        self._played: dict[str, Labels] = {}
        """Of answers in the conversation, for where their words lie."""
        self._out: Received = Received()

    # -- what the engine does

    @property
    def is_busy(self) -> bool:
        """Somebody speaks, is answered, or waits for words: no moment for another connection."""
        return self.waits or self._turns.is_busy

    @property
    def waits(self) -> bool:
        """Is the upstream to say something?"""
        return any(not asked.cancelled for asked in self._asked)

    def configure(self, options: DialogueOptions) -> list[Event]:
        """How the upstream is to listen, if it is to."""
        self._turns.listening = options if self._options.their_turns else None
        self._setup = replace(self._setup, listening=self._turns.listening, language=options.language)
        return self._update()

    def audio(self, samples: Samples, *, speaking: bool) -> Event:
        """Sound of the person, 24 kHz. ``speaking``: it belongs to a turn that has begun."""
        return self._turns.audio(samples, speaking=speaking)

    def commit(self, item_id: str) -> list[Event]:
        """What was sent since the last turn is one, of this name; or what the upstream has ended by itself."""
        return self._turns.commit(item_id)

    def clear(self) -> list[Event]:
        """What was sent since the last turn is nobody's."""
        return self._turns.clear()

    def known(self, item_id: str, text: str) -> None:
        """Somebody else wrote this turn down."""
        self._turns.known(item_id, text)

    def sound_of(self, item_id: str) -> Samples | None:
        """Of a turn whose words are not known, if it is kept; 24 kHz."""
        return self._turns.sound(item_id)

    @property
    def open_seconds(self) -> float:
        """Of sound that is not a turn yet, which another connection would hear first."""
        return self._turns.open_seconds

    def respond(self, request: Respond, tell: Callable[[AnswerReport], None]) -> list[Event]:
        """Ask for an answer; ``tell`` is told what comes of it."""
        asked = Asked(request, Labels(self._letter_s), tell)
        self._asked.append(asked)
        if request.in_conversation:
            self._history = request.history
            self._turns.told_history()
            self._played[request.response_id] = asked.labels
            self._forget_played()
        return self._ask(asked)

    def cancel(self, response_id: str, heard_ms: float) -> list[Event]:
        """Say no more of it. ``heard_ms`` of its sound were played."""
        asked = next((each for each in self._asked if each.id == response_id and not each.cancelled), None)
        events: list[Event] = []
        if asked is not None:
            asked.cancelled = True
            if not asked.event_id and not asked.upstream_id:
                self._asked.remove(asked)
            elif asked.upstream_id or asked.request.in_conversation:
                events.append(self._cancel_event(asked.upstream_id))
        return [*events, *self.heard(response_id, heard_ms)]

    def heard(self, response_id: str, heard_ms: float) -> list[Event]:
        """So much of its sound was played, and no more will be."""
        return self._mirror.cut(response_id, heard_ms)

    # -- the connection

    def opened(self) -> list[Event]:
        """A new connection: all that it has to know, and what it is to answer."""
        self._reset()
        self._told = None
        events = [*self._update(), *self._sync((*self._history, *self._turns.late)), *self._turns.again()]
        for asked in self._asked:
            events += self._ask(asked)
        return events

    def lost(self) -> None:
        """The connection is gone. What had begun to be answered has failed; the rest is asked for again."""
        for asked in [*self._asked]:
            if asked.begun:
                asked.fail("upstream_lost", _BEFORE_LOST.format(name=self._profile.name))
        self._reset()

    def fail_all(self, code: str, message: str) -> None:
        """There is no connection, and none to come."""
        for asked in [*self._asked]:
            asked.fail(code, message)
        self._reset()

    def receive(self, message: str | bytes) -> Received:
        """One event of the upstream, as it came. Never raises for what is in it."""
        self._out = Received()
        told = read_event(message)
        match told.kind:
            case "session.created" | "session.updated":
                self._out.expires_at = told.child("session").number("expires_at")
            case "input_audio_buffer.speech_started" | "input_audio_buffer.speech_stopped":
                self._their_speech(told)
            case "input_audio_buffer.committed":
                self._turns.committed(told.text("item_id"))
            case "conversation.item.input_audio_transcription.completed" | "conversation.item.input_audio_transcription.failed":
                words = self._turns.transcribed(told)
                self._out.reports += [words] if words is not None else []
            case "response.created":
                self._created(told.child("response"))
            case "response.done":
                self._done(told.child("response"))
            case "error":
                self._error(told.child("error"))
            case kind if kind.startswith("response."):
                self._of_response(told)
        return self._out

    def _their_speech(self, told: Told) -> None:
        began = told.kind.endswith("started")
        if self._turns.heard(began=began):
            at_ms = told.number("audio_start_ms" if began else "audio_end_ms")
            self._out.reports.append(TheirSpeech(began, at_ms))

    # -- answers

    def _ask(self, asked: Asked) -> list[Event]:
        request, dialect = asked.request, self._profile.dialect
        asked.event_id, asked.again = f"create:{request.response_id}", False
        if not request.in_conversation:
            beside = [
                event["item"]
                for event in Mirror(lambda: self._new_id("item")).sync(request.history, self._turns.words, self._turns.sound)
            ]
            items = [item for item in beside if isinstance(item, dict)]
            return [{**response_create(request, dialect, beside=items), "event_id": asked.event_id}]
        events = [*self._wish(request), *self._sync(request.history)]
        unasked = next(iter(self._unasked), "")
        if unasked and not events:  # it knew all of it when it began
            asked.upstream_id = unasked
            for told in self._unasked.pop(unasked):
                self._heed(asked, told)
            return []
        cancels = [self._cancel_event(each) for each in self._unasked]
        self._unasked.clear()
        return [*events, *cancels, {**response_create(request, dialect), "event_id": asked.event_id}]

    def _wish(self, request: Respond) -> list[Event]:
        named = request.voice.lower() if request.voice.lower() in self._profile.voices else self._options.voice
        before = self._told.voice if self._told is not None and self._spoke else named
        self._setup = replace(
            self._setup,
            instructions=request.instructions,
            tools=request.tools,
            tool_choice=request.tool_choice,
            voice=before,
            speed=request.speed,
        )
        return self._update()

    def _update(self) -> list[Event]:
        if self._setup == self._told:
            return []
        voice = self._setup.voice or self._options.voice
        self._setup = self._told = replace(self._setup, voice=voice)
        return [{**session_update(self._setup, self._profile.dialect), "event_id": self._new_id("update")}]

    def _sync(self, history: tuple[HistoryEntry, ...]) -> list[Event]:
        late = tuple(turn for turn in self._turns.late if turn not in history)
        events = self._mirror.sync((*history, *late), self._turns.words, self._turns.sound)
        for entry in history:
            kind, name = key_of(entry)
            labels = self._played.get(name) if kind == "answer" else None
            heard_ms = labels.ms_of(getattr(entry, "text", "")) if labels is not None else None
            if heard_ms is not None:
                events += self._mirror.cut(name, heard_ms)
        return events

    def _cancel_event(self, upstream_id: str) -> Event:
        named = {"response_id": upstream_id} if upstream_id and self._profile.dialect == "openai" else {}
        return {"type": "response.cancel", **named}

    def _created(self, response: Told) -> None:
        upstream_id = response.text("id")
        tag = response.child("metadata").text(RESPONSE_TAG)
        unnamed = [asked for asked in self._asked if asked.event_id and not asked.upstream_id]
        asked = next((each for each in unnamed if each.id == tag), None) or (unnamed[0] if unnamed and not tag else None)
        if asked is None:
            self._unasked[upstream_id] = []
            return
        asked.upstream_id = upstream_id
        if asked.cancelled and not asked.request.in_conversation:
            self._out.events.append(self._cancel_event(upstream_id))

    def _of_response(self, told: Told) -> None:
        upstream_id = told.text("response_id")
        asked = next((each for each in self._asked if each.upstream_id and each.upstream_id == upstream_id), None)
        if asked is not None:
            self._heed(asked, told)
        elif upstream_id in self._unasked and len(self._unasked[upstream_id]) < _UNASKED_EVENTS:
            self._unasked[upstream_id].append(told)

    def _heed(self, asked: Asked, told: Told) -> None:
        if told.kind == "response.done":
            self._end(asked, told.child("response"))
            return
        before_s = asked.labels.seconds
        asked.heed(told)
        if asked.labels.seconds > before_s:
            self._spoke = True
            self._mirror.sounded(told.text("item_id"), before_s * 1000, asked.labels.seconds * 1000)
        if told.kind == "response.output_item.added" and asked.request.in_conversation:
            item = told.child("item")
            key: Key = ("answer", asked.id)
            if item.text("type") == "function_call":
                key = ("call", item.text("call_id"))
            self._mirror.add(key, item.text("id"))

    def _done(self, response: Told) -> None:
        upstream_id = response.text("id")
        if upstream_id in self._unasked:
            self._unasked[upstream_id].append(Told("response.done", {"response": response.values}))
            return
        asked = next((each for each in self._asked if each.upstream_id == upstream_id), None)
        if asked is not None:
            self._end(asked, response)
        for waiting in [each for each in self._asked if each.again and not each.cancelled]:
            self._out.events += self._ask(waiting)

    def _end(self, asked: Asked, response: Told) -> None:
        code = response.child("status_details").child("error").text("code")
        kind = kind_of(code)
        if kind is not None and response.text("status") == "failed":
            self._out.trouble = Trouble(kind, code)
            if not asked.begun:
                asked.upstream_id = ""
                return  # to be asked again, or given up, with the connection
        if response.text("status") == "completed" and not asked.cancelled:
            self._letter_s = asked.labels.pace()
        self._asked.remove(asked)
        asked.end(response)

    def _error(self, error: Told) -> None:
        code, event_id = error.text("code") or error.text("type"), error.text("event_id")
        kind = kind_of(code)
        if kind is not None:
            self._out.trouble = Trouble(kind, code)
            return
        asked = next((each for each in self._asked if each.event_id == event_id and not each.upstream_id), None)
        if code == "conversation_already_has_active_response":
            asked = asked or next((each for each in self._asked if each.event_id and not each.upstream_id), None)
            if asked is not None:
                asked.again = not asked.cancelled
                asked.event_id = ""
        elif asked is not None:
            self._asked.remove(asked)
            asked.fail(code or "upstream_failed", "The upstream did not take the question.")
        else:
            self._turns.not_committed(event_id)

    # -- bookkeeping

    def _reset(self) -> None:
        self._mirror.clear()
        self._turns.reset()
        self._unasked.clear()
        self._spoke = False
        self._asked = [asked for asked in self._asked if not asked.cancelled]
        for asked in self._asked:
            asked.upstream_id = asked.event_id = ""

    def _forget_played(self) -> None:
        wanted = {key_of(entry)[1] for entry in self._history}
        kept = {asked.id for asked in self._asked} | wanted
        self._played = {name: labels for name, labels in self._played.items() if name in kept}

    def _new_id(self, what: str) -> str:
        self._count += 1
        return f"vm_{what}_{self._count}"
