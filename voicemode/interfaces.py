"""The seams: what each kind of part must do, whoever makes it.

Engines are shared by every session; what belongs to one utterance lives in the objects their methods return.
Everything asynchronous may be cancelled at any await and must then free what it holds. The seams of a continuous conversation
are in ``answers`` and ``playout``.
"""

from __future__ import annotations

from asyncio import Future
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from voicemode.audio import AudioChunk, Samples

__all__ = [
    "CapturedBlock",
    "EchoCanceller",
    "FarEndReader",
    "Microphone",
    "PartialTranscript",
    "Speaker",
    "SpeechDetector",
    "SpeechRequest",
    "StreamRequest",
    "StreamingTranscriber",
    "Synthesis",
    "Synthesizer",
    "Transcriber",
    "Transcript",
    "TranscriptStream",
    "TranscriptionRequest",
    "TurnScorer",
]


@dataclass(frozen=True, slots=True, eq=False)
class CapturedBlock:
    """What the microphone heard in one block."""

    chunk: AudioChunk
    """16 kHz mono PCM."""
    captured_at: float
    """When its first sample was in the air: seconds of ``time.monotonic()``."""


class Microphone(Protocol):
    """A source of sound. It is open between ``open`` and ``close`` and at no other time."""

    @property
    def name(self) -> str:
        """The device as people know it."""

    async def open(self) -> None:
        """Start capturing. Raises SoundError. Idempotent."""

    async def read(self) -> CapturedBlock | None:
        """The next block, in order, none skipped; None when the source has ended (a file).

        Raises DeviceLostError.
        """

    async def close(self) -> None:
        """Free the device within 300 ms. Idempotent, never raises."""


class FarEndReader(Protocol):
    """What the loudspeaker made audible and when: 16 kHz mono PCM. Instants are seconds of ``time.monotonic()``.

    It reaches a few seconds back, and as far ahead as the device has taken sound that is still to be heard.
    """

    def between(self, start: float, samples: int) -> Samples:
        """So many samples from ``start`` on, zeros where it was silent.

        Calls that follow one another, as the blocks of a microphone do, give one stream without a seam: the next sample
        follows the last one, and the difference between the two clocks is made up for by less than a sample in a
        hundred. Only from silence, or where ``start`` is far from where the last call ended, it begins anew.
        """

    @property
    def tears(self) -> int:
        """How often a sample did not follow the one before it, after a read: each time the echo may come sooner or later."""


class EchoCanceller(Protocol):
    """Takes out of the microphone's sound what came from the loudspeaker. It keeps state: one for each microphone."""

    @property
    def name(self) -> str:
        """Such as "webrtc-aec3": the result says what took the echo away."""

    @property
    def lead_s(self) -> float:
        """How far ahead of the microphone's block the far end is to be read: ``between(captured_at + lead_s, ...)``.

        An echo that comes before its cause is never found, and instants of devices are off by some 30 ms either way. With
        this lead it comes after it; how much later, from 0 to 400 ms, the canceller finds out and follows.
        """

    def process(self, near: Samples, far: Samples) -> Samples:
        """The microphone's sound without the echo; 16 kHz mono PCM of equal lengths, a multiple of 160 (10 ms).

        Raises ValueError for other lengths.
        """

    def reset(self) -> None:
        """Forget the room, as after a change of devices. Between turns it is better kept: it takes a second to learn."""


class Speaker(Protocol):
    """A sink for sound: gapless, and silent within one block after ``stop``.

    Positions count the sound that was queued and neither dropped nor withdrawn, in seconds.
    """

    @property
    def name(self) -> str:
        """The device as people know it."""

    @property
    def first_sound_at(self) -> float | None:
        """``time.monotonic()`` when the first sample since ``open`` was audible; None before that."""

    @property
    def audible_until(self) -> float | None:
        """``time.monotonic()`` when the last queued sample is (or was) audible; None while nothing was played."""

    @property
    def queued_s(self) -> float:
        """Seconds of the queued sound that the device has not taken yet; 0 where nothing waits, as for a file."""

    @property
    def played_s(self) -> float:
        """Seconds of the queued sound that have been audible since ``open``: the position of what is heard now.

        It stands still while paused, and goes back when ``resume`` is told to replay.
        """

    @property
    def paused(self) -> bool:
        """Whether it is silent until ``resume``, ``stop`` or ``close``."""

    @property
    def far_end(self) -> FarEndReader | None:
        """What was audible when, for an echo canceller; None where nothing is, as with a file. The same for life."""

    async def open(self) -> None:
        """Start the device. Raises SoundError. Idempotent."""

    async def play(self, chunk: AudioChunk) -> None:
        """Queue sound of any sample rate behind what is queued; waits only while more than 10 s are queued.

        Raises DeviceLostError.
        """

    async def drain(self) -> None:
        """Return when all that was queued has been audible. Raises DeviceLostError."""

    def mark(self) -> int:
        """The end of what is queued, for ``withdraw``."""

    def withdraw(self, mark: int) -> None:
        """Drop what was queued since ``mark`` was returned and has not been played; what was queued before it stays."""

    def duck(self, gain_db: float) -> None:
        """Play what follows so much louder (lower, for less than 0) within 20 ms; 0 is the full level, the most there is."""

    async def pause(self) -> None:
        """Be silent, and keep all that has not been audible; ``played_s`` is final when this returns. Idempotent.

        Meanwhile ``play`` queues, ``drain`` waits, and ``audible_until`` tells when it would end if it went on now.
        Raises DeviceLostError.
        """

    async def resume(self, at_played_s: float | None = None) -> None:
        """Go on with the first sample that was not audible, or replay from an earlier position, at most 3 s back.

        A position that is too far back, or was never heard, is moved to the nearest there is. Without a pause it does
        nothing. Raises DeviceLostError.
        """

    def stop(self) -> None:
        """Drop what is queued; silent within one block. Ends a pause and a ``duck``. Idempotent."""

    async def close(self) -> None:
        """Free the device within 300 ms, dropping what is queued. Idempotent, never raises."""


class SpeechDetector(Protocol):
    """Tells speech from everything else, frame by frame."""

    @property
    def name(self) -> str:
        """Either "silero" or "webrtcvad": the result says which one listened."""

    @property
    def frame_samples(self) -> int:
        """Samples of 16 kHz mono PCM per frame: 512 (32 ms) for Silero, 480 (30 ms) for webrtcvad."""

    def probability(self, frame: Samples) -> float:
        """How likely the frame is speech, 0 to 1. ``frame`` has exactly ``frame_samples`` samples."""

    def reset(self) -> None:
        """Forget the past; call before each utterance."""


@dataclass(frozen=True, slots=True)
class SpeechRequest:
    """One piece of text to be spoken."""

    text: str
    """Speakable text, not empty, without markup."""
    voice: str | None = None
    """The engine's name of a voice; None lets it choose."""
    speed: float = 1.0
    """0.25 to 4.0, as in the OpenAI audio API; 1.0 is the voice's own."""
    language: str | None = None
    """BCP 47, such as "en" or "pt-BR"; None is the voice's own."""
    previous: str = ""
    """Who spoke the piece before, and keeps the word while it works: a voice must not change in mid-message."""
    spare_s: float = 0.0
    """How long the listener hears what is queued already, and so does not notice a late engine."""
    on_remote: Callable[[str], None] | None = field(default=None, compare=False, repr=False)
    """Told the name of each endpoint outside this machine that may have got the text, whether it served or not."""


class Synthesis(Protocol):
    """Speech on its way."""

    @property
    def engine(self) -> str:
        """Which endpoint or engine speaks; valid once the first chunk is there."""

    @property
    def failed(self) -> tuple[str, ...]:
        """Endpoints that were tried before, each with its reason; valid once the first chunk is there."""

    def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """Chunks in order, as they arrive. Raises any VoicemodeError about engines."""

    async def aclose(self) -> None:
        """Stop the engine and free the connection. Idempotent."""


class Synthesizer(Protocol):
    """Text to speech."""

    @property
    def name(self) -> str:
        """An endpoint's address, or "builtin:espeak-ng"."""

    def synthesize(self, request: SpeechRequest) -> Synthesis:
        """Begin to speak. Nothing happens until the result is iterated."""

    async def aclose(self) -> None:
        """Free connections and processes. Idempotent."""


@dataclass(frozen=True, slots=True, eq=False)
class TranscriptionRequest:
    """One utterance to be written down."""

    audio: AudioChunk
    """16 kHz mono PCM."""
    language: str | None = None
    """BCP 47; None lets the engine detect it."""
    options: tuple[str, ...] = ()
    """The answers that are expected, if they are known: a grammar for engines that take one, a hint for the others."""
    on_remote: Callable[[str], None] | None = field(default=None, repr=False)
    """As ``SpeechRequest.on_remote``, of the sound."""
    on_failed: Callable[[str], None] | None = field(default=None, repr=False)
    """Is told of each endpoint that was tried and failed, with its reason, at once: nobody may wait for the transcript."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said, as an engine understood it. It is data from outside, never an instruction."""

    text: str
    """Stripped; empty when the engine heard no words."""
    engine: str
    """An endpoint's address, or "builtin:pocketsphinx"."""
    confidence: str = "unknown"
    """One of "unknown", "low" (one word in three may be wrong), "grammar" (one of the expected answers) or "good"."""
    failed: tuple[str, ...] = ()
    """Endpoints that were tried before, each with its reason."""


class Transcriber(Protocol):
    """Speech to text."""

    @property
    def name(self) -> str:
        """An endpoint's address, or "builtin:pocketsphinx"."""

    async def prepare(self, options: Sequence[str] = ()) -> None:
        """Get ready while the person still speaks: connect, or load the model. Never raises; optional to call."""

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Write it down. Raises EndpointError, EngineError, LanguageError, SpeechFailedError."""

    async def aclose(self) -> None:
        """Free connections and processes. Idempotent."""


@dataclass(frozen=True, slots=True)
class PartialTranscript:
    """What was understood of an utterance that is still being spoken. Data from outside, never an instruction."""

    settled: str
    """Never taken back: the next one begins with it."""
    tail: str
    """How it goes on so far, white space included; may come out otherwise."""
    until_s: float
    """Seconds of the stream's sound that this was made of."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """An utterance that is to be written down while it is spoken."""

    on_partial: Callable[[PartialTranscript], None] = field(compare=False, repr=False)
    """Told as words are understood. Must return at once."""
    language: str | None = None
    """BCP 47; None lets the engine detect it."""
    on_remote: Callable[[str], None] | None = field(default=None, compare=False, repr=False)
    """As ``SpeechRequest.on_remote``, of the sound."""


class TranscriptStream(Protocol):
    """One utterance on its way to an engine. Nothing here waits for the network; a failure is ``flush``'s to tell."""

    @property
    def name(self) -> str:
        """The endpoint's address."""

    def feed(self, samples: Samples) -> None:
        """The next sound: 16 kHz mono PCM."""

    def flush(self) -> Future[Transcript]:
        """The words of all that was fed before this call, as exact as ``transcribe``; more may be fed after it.

        It may be cancelled, and fails with EndpointError.
        """

    def outrun(self) -> None:
        """``transcribe`` had the same words sooner, although it was asked later."""

    async def aclose(self) -> None:
        """Free the connection. Idempotent, never raises."""


@runtime_checkable
class StreamingTranscriber(Protocol):
    """A Transcriber that can also listen while somebody speaks. Optional: nobody needs it to be understood."""

    def stream(self, request: StreamRequest) -> TranscriptStream | None:
        """Begin one; None where there is none to be had now. Returns at once, and never raises."""


class TurnScorer(Protocol):
    """Judges from the sound whether somebody has finished or only pauses. A hint, never the judge."""

    @property
    def name(self) -> str:
        """Either "smart-turn-v3" or "prosody": the one that was chosen."""

    @property
    def used(self) -> str:
        """Which one scores now: ``name``, or "prosody" while that has trouble. The result names it."""

    @property
    def problem(self) -> str:
        """Why ``used`` is not ``name``, without the remedy; empty while it is."""

    async def prepare(self) -> None:
        """Get ready while the assistant speaks, and give the chosen one another chance. Never raises; optional to call."""

    async def score(self, utterance: AudioChunk) -> float:
        """How likely the person has finished, 0 to 1. Answers within 1.1 s, and never raises an error of an engine.

        ``utterance``: 16 kHz mono PCM of this turn so far, with speech in it, and the silence behind it; the last 8 s count.
        """

    async def aclose(self) -> None:
        """Free processes. Idempotent."""
