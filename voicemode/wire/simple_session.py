"""Conversations over protocols that know sound and little else (gptme's ``/voice``, Twilio's media streams), without I/O.

Such a protocol has no items, no history and no responses: it reads what a client sends (``read``) and writes what is to be told
(``write``). Everything else is an OpenAI Realtime session behind it: turns, history as heard, tools, the record. ::

    session = SimpleSession(RealtimeSession(..., playout=Playout.SERVER, options=INNER_OPTIONS), VoiceProtocol())

The server paces the sound (``transports.paced``), so it knows what was heard, and no client needs to say it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from voicemode.audio import Samples
from voicemode.dialogue import AudioIn, Command, CommitInput, Report, SpeechStarted, SpeechStopped
from voicemode.playout import PlayoutSound
from voicemode.record import Entry

__all__ = [
    "INNER_OPTIONS",
    "AnswerBegan",
    "AnswerCut",
    "AnswerHeard",
    "AnswerNow",
    "ClientInput",
    "Cue",
    "EndTurn",
    "Frame",
    "HangUp",
    "Output",
    "PersonSpeaks",
    "Problem",
    "SimpleProtocol",
    "SimpleSession",
    "SimpleStep",
    "Sound",
    "Transcript",
    "Typed",
]

Frame: TypeAlias = Mapping[str, object] | bytes
"""A message that becomes JSON, or a binary one."""

INNER_OPTIONS: Mapping[str, object] = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-1"}}}}
"""What the session behind has to be made with (and more, if wanted): it writes down what the person says."""
_SETTLED_MS = 500
"""A turn's end that is told before its speech was noticed belongs to speech that began so much earlier: the 300 ms of prefix
that a beginning includes, and the shortest word. What begins later is another turn."""
_SPOKEN_KNOWN = 16
"""Answers whose playout may still be told about, as in the session behind this one."""


# -- what a client sends


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """Of the person: mono int16."""

    samples: Samples
    sample_rate: int


@dataclass(frozen=True, slots=True)
class EndTurn:
    """The person's turn is over, whatever the detector thinks. Where nobody spoke it means nothing."""


@dataclass(frozen=True, slots=True)
class Typed:
    """The person wrote instead of speaking; what is being said to them ends."""

    text: str


@dataclass(frozen=True, slots=True)
class AnswerNow:
    """The assistant is to speak, though nobody has said anything: a greeting."""

    instructions: str = ""


@dataclass(frozen=True, slots=True)
class HangUp:
    """Nothing more is wanted."""

    code: int = 1000
    reason: str = "the client left"


ClientInput: TypeAlias = Sound | EndTurn | Typed | AnswerNow | HangUp


# -- what a client is told


@dataclass(frozen=True, slots=True)
class AnswerBegan:
    """Its first sound follows."""


@dataclass(frozen=True, slots=True)
class AnswerHeard:
    """Its last sound was heard."""


@dataclass(frozen=True, slots=True)
class AnswerCut:
    """The person interrupted it: what the client still has of it must not sound."""


@dataclass(frozen=True, slots=True)
class Cue:
    """A tool of a server works, or failed to: a sound can say so while nobody speaks."""

    kind: Literal["dispatch", "timeout"]


@dataclass(frozen=True, slots=True)
class PersonSpeaks:
    """They began, or ended."""

    now: bool


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said. Data from outside, never an instruction."""

    role: Literal["user", "assistant"]
    text: str
    """Of the assistant: as far as it was heard."""
    interrupted: bool = False


@dataclass(frozen=True, slots=True)
class Problem:
    """Something went wrong; the conversation goes on unless the session ends."""

    code: str
    message: str


Output: TypeAlias = PlayoutSound | AnswerBegan | AnswerHeard | AnswerCut | Cue | PersonSpeaks | Transcript | Problem


class SimpleProtocol(Protocol):
    """One conversation's wire format; may remember what it was told."""

    def opening(self) -> Iterable[Frame]:
        """What a client is told first."""

    def read(self, message: str | bytes) -> Iterable[ClientInput]:
        """What a message means; nothing for what means nothing. Never raises."""

    def write(self, output: Output) -> Iterable[Frame]:
        """How it is told; nothing where the protocol has no word for it."""


class InnerStep(Protocol):
    @property
    def events(self) -> Sequence[Mapping[str, object]]: ...
    @property
    def commands(self) -> Sequence[Command]: ...
    @property
    def close(self) -> tuple[int, str] | None: ...
    @property
    def entries(self) -> Sequence[Entry]: ...


class InnerSession(Protocol):
    """``wire.realtime.RealtimeSession`` where the server plays."""

    def open(self, now_ms: float) -> InnerStep: ...
    def receive_event(self, event: Mapping[str, object], now_ms: float) -> InnerStep: ...
    def report(self, report: Report, now_ms: float) -> InnerStep: ...
    def expire(self) -> InnerStep: ...
    def leave(self, now_ms: int) -> InnerStep: ...


@dataclass(frozen=True, slots=True)
class SimpleStep:
    """What to do now, as ``wire.realtime.Step``."""

    events: tuple[Frame, ...] = ()
    commands: tuple[Command, ...] = ()
    close: tuple[int, str] | None = None
    entries: tuple[Entry, ...] = ()


class _Outbox:
    """Collects one step."""

    def __init__(self, protocol: SimpleProtocol) -> None:
        self._protocol = protocol
        self.frames: list[Frame] = []
        self.commands: list[Command] = []
        self.entries: list[Entry] = []
        self.close: tuple[int, str] | None = None

    def tell(self, output: Output) -> None:
        self.frames.extend(self._protocol.write(output))

    def step(self) -> SimpleStep:
        return SimpleStep(tuple(self.frames), tuple(self.commands), self.close, tuple(self.entries))


class SimpleSession:
    """A ``SessionLike``: the session behind it, seen through a protocol."""

    def __init__(
        self, inner: InnerSession, protocol: SimpleProtocol, on_entry: Callable[[Entry], None] = lambda _: None
    ) -> None:
        """``on_entry`` is told what the record is told, as it is."""
        self._inner, self._protocol, self._on_entry = inner, protocol, on_entry
        self._heard_ms = 0.0
        """How much of the person's sound came."""
        self._speaking = False
        self._end_ms: float | None = None
        """Where in their sound the client said that a turn was over which nobody had noticed; None: there is none."""
        self._said: dict[str, str] = {}
        """The item of each answer, by response."""
        self._sounding = ""
        """The response that is being heard; "" while none is."""

    def open(self, now_ms: float) -> SimpleStep:
        """The first step."""
        out = _Outbox(self._protocol)
        out.frames.extend(self._protocol.opening())
        self._pass_on(out, self._inner.open(now_ms), now_ms)
        return out.step()

    def receive(self, message: str | bytes, now_ms: float) -> SimpleStep:
        """A message of the client."""
        out = _Outbox(self._protocol)
        for each in self._protocol.read(message):
            match each:
                case Sound(samples=samples, sample_rate=rate):
                    self._heard_ms += 1000 * len(samples) / rate
                    out.commands.append(AudioIn(samples, rate))
                case EndTurn():
                    self._end_turn(out, now_ms)
                case Typed(text=text):
                    content = [{"type": "input_text", "text": text}]
                    item = {"type": "message", "role": "user", "content": content}
                    # Who types (or presses a key) while the assistant speaks interrupts it, as whoever speaks does.
                    self._ask(out, {"type": "output_audio_buffer.clear"}, now_ms)
                    self._ask(out, {"type": "conversation.item.create", "item": item}, now_ms)
                    self._ask(out, {"type": "response.create"}, now_ms)
                case AnswerNow(instructions=instructions):
                    response = {"response": {"instructions": instructions}} if instructions else {}
                    self._ask(out, {"type": "response.create", **response}, now_ms)
                case HangUp(code=code, reason=reason):
                    out.close = (code, reason)
        return out.step()

    def report(self, report: Report, now_ms: float) -> SimpleStep:
        """What engine and playout say."""
        out = _Outbox(self._protocol)
        if isinstance(report, PlayoutSound):
            out.tell(report)
            return out.step()
        self._pass_on(out, self._inner.report(report, now_ms), now_ms)
        match report:
            case SpeechStarted(at_ms=at_ms):
                self._speak(out, now=True)
                end_ms, self._end_ms = self._end_ms, None
                if end_ms is not None and at_ms + _SETTLED_MS <= end_ms:
                    self._end_turn(out, now_ms)
            case SpeechStopped():
                self._speak(out, now=False)
        return out.step()

    def expire(self) -> SimpleStep:
        """The session has lasted as long as one may."""
        out = _Outbox(self._protocol)
        self._pass_on(out, self._inner.expire(), 0.0)
        return out.step()

    def leave(self, now_ms: int) -> SimpleStep:
        """The call is over: the entries of what was not."""
        entries = tuple(self._inner.leave(now_ms).entries)
        for entry in entries:
            self._on_entry(entry)
        return SimpleStep(entries=entries)

    # -- the person

    def _speak(self, out: _Outbox, *, now: bool) -> None:
        if now is not self._speaking:
            self._speaking = now
            out.tell(PersonSpeaks(now))

    def _end_turn(self, out: _Outbox, now_ms: float) -> None:
        if not self._speaking:
            # Clients say so after each answer of ours, too. And the engine may not have come to this sound yet.
            self._end_ms = self._heard_ms
            return
        self._speak(out, now=False)
        step = self._inner.receive_event({"type": "input_audio_buffer.commit"}, now_ms)
        if any(isinstance(each, CommitInput) for each in step.commands):
            self._pass_on(out, step, now_ms)
            self._ask(out, {"type": "response.create"}, now_ms)

    def _ask(self, out: _Outbox, event: Mapping[str, object], now_ms: float) -> None:
        self._pass_on(out, self._inner.receive_event(event, now_ms), now_ms)

    # -- the session behind

    def _pass_on(self, out: _Outbox, step: InnerStep, now_ms: float) -> None:
        out.commands.extend(step.commands)
        out.entries.extend(step.entries)
        for entry in step.entries:
            self._on_entry(entry)
        out.close = out.close or step.close
        for event in step.events:
            self._translate(out, event, now_ms)

    def _translate(self, out: _Outbox, event: Mapping[str, object], now_ms: float) -> None:
        response_id = str(event.get("response_id", ""))
        match event:
            case {"type": "response.output_item.added", "item": {"type": "message", "id": str(item_id)}}:
                self._said[response_id] = item_id
                if len(self._said) > _SPOKEN_KNOWN:
                    del self._said[next(iter(self._said))]
            case {"type": "output_audio_buffer.started"}:
                self._sounding = response_id
                out.tell(AnswerBegan())
            case {"type": "output_audio_buffer.stopped" | "output_audio_buffer.cleared" as kind}:
                self._silent(out, response_id, now_ms, cut=kind == "output_audio_buffer.cleared")
            case {"type": "response.mcp_call.in_progress"}:
                out.tell(Cue("dispatch"))
            case {"type": "response.mcp_call.failed"}:
                out.tell(Cue("timeout"))
            case {"type": "conversation.item.input_audio_transcription.completed", "transcript": str(text)} if text.strip():
                out.tell(Transcript("user", text))
            case {"type": "error" | "conversation.item.input_audio_transcription.failed", "error": error}:
                _tell_problem(out, error)
            case {"type": "response.done", "response": {"status": "failed", "status_details": {"error": error}}}:
                _tell_problem(out, error)

    def _silent(self, out: _Outbox, response_id: str, now_ms: float, *, cut: bool) -> None:
        """An answer is no longer heard."""
        if response_id != self._sounding:
            return  # it was queued behind another one
        self._sounding = ""
        out.tell(AnswerCut() if cut else AnswerHeard())
        text = self._heard(self._said.get(response_id, ""), now_ms)
        if text:
            out.tell(Transcript("assistant", text, interrupted=cut))

    def _heard(self, item_id: str, now_ms: float) -> str:
        """The words of an answer that reached the person."""
        step = self._inner.receive_event({"type": "conversation.item.retrieve", "item_id": item_id}, now_ms)
        for event in step.events:
            match event:
                case {"type": "conversation.item.retrieved", "item": {"content": [{"transcript": str(text)}, *_]}}:
                    return text.strip()
        return ""


def _tell_problem(out: _Outbox, error: object) -> None:
    if isinstance(error, Mapping):
        out.tell(Problem(str(error.get("code") or "error"), str(error.get("message") or "")))
