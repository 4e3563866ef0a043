"""Fakes for those who write against ``interfaces``: no device, no model, no network, no waiting unless asked for.

Each records what was done to it in public fields, and fails when it is told to.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Iterable, Sequence

import numpy as np

from voicemode.audio import CAPTURE_RATE, FULL_SCALE, AudioChunk, Samples
from voicemode.errors import DeviceLostError, EndpointError, SoundError, VoicemodeError
from voicemode.interfaces import CapturedBlock, ChatRequest, SpeechRequest, Transcript, TranscriptionRequest

__all__ = [
    "FakeAnswer",
    "FakeDetector",
    "FakeMicrophone",
    "FakeResponder",
    "FakeSpeaker",
    "FakeSynthesis",
    "FakeSynthesizer",
    "FakeTranscriber",
    "tone",
]

_ENGINE_RATE = 24_000


def tone(seconds: float, sample_rate: int = CAPTURE_RATE, *, hertz: float = 440.0, dbfs: float = -12.0) -> Samples:
    """A sine whose peak is at ``dbfs``."""
    time_s = np.arange(round(seconds * sample_rate)) / sample_rate
    peak = (FULL_SCALE - 1) * 10 ** (dbfs / 20)
    return np.rint(peak * np.sin(2 * math.pi * hertz * time_s)).astype(np.int16)


class FakeMicrophone:
    """Hears ``samples`` (16 kHz mono) in blocks, then ends, or raises ``error`` there.

    Time is audio time: block n was captured n blocks after ``open``. ``realtime`` delivers no faster than that.
    """

    def __init__(
        self,
        samples: Samples,
        *,
        block_samples: int = 320,
        realtime: bool = False,
        open_error: SoundError | None = None,
        error: DeviceLostError | None = None,
    ) -> None:
        self.samples = samples
        self.block_samples = block_samples
        self.realtime = realtime
        self.open_error = open_error
        self.error = error
        self.is_open = False
        self.opened = 0
        """How often it was opened."""
        self.opened_at = 0.0
        """``time.monotonic()`` of the last time: when sample 0 is in the air."""
        self._position = 0

    @property
    def name(self) -> str:
        return "fake microphone"

    async def open(self) -> None:
        if self.open_error is not None:
            raise self.open_error
        if not self.is_open:
            self.is_open, self.opened_at = True, time.monotonic()
            self.opened += 1

    async def read(self) -> CapturedBlock | None:
        if not self.is_open:
            raise RuntimeError("open the microphone before reading from it")
        block = self.samples[self._position : self._position + self.block_samples]
        captured_at = self.opened_at + self._position / CAPTURE_RATE
        due = captured_at + len(block) / CAPTURE_RATE
        await asyncio.sleep(max(0.0, due - time.monotonic()) if self.realtime else 0)
        if not len(block):
            if self.error is not None:
                raise self.error
            return None
        self._position += len(block)
        return CapturedBlock(AudioChunk(block, CAPTURE_RATE), captured_at)

    async def close(self) -> None:
        self.is_open = False


class FakeSpeaker:
    """Plays at once and records the chunks. ``fail_after_s`` loses the device when so many seconds were played."""

    def __init__(self, *, open_error: SoundError | None = None, fail_after_s: float = math.inf) -> None:
        self.open_error = open_error
        self.fail_after_s = fail_after_s
        self.is_open = False
        self.chunks: list[AudioChunk] = []
        """All that was played and not withdrawn, in order."""
        self.withdrawn: list[AudioChunk] = []
        """All that was withdrawn."""
        self.stopped = 0
        """How often it was stopped."""
        self.drained = 0
        """How often it was drained."""
        self._first_sound_at: float | None = None
        self._audible_until: float | None = None

    @property
    def name(self) -> str:
        return "fake loudspeaker"

    @property
    def first_sound_at(self) -> float | None:
        return self._first_sound_at

    @property
    def audible_until(self) -> float | None:
        return self._audible_until

    @property
    def queued_s(self) -> float:
        return 0.0

    @property
    def played_s(self) -> float:
        return sum(chunk.seconds for chunk in self.chunks)

    async def open(self) -> None:
        if self.open_error is not None:
            raise self.open_error
        self.is_open = True

    async def play(self, chunk: AudioChunk) -> None:
        if not self.is_open:
            raise RuntimeError("open the loudspeaker before playing")
        if self.played_s + chunk.seconds > self.fail_after_s:
            raise DeviceLostError(self.name)
        self.chunks.append(chunk)
        self._audible_until = time.monotonic()
        if self._first_sound_at is None:
            self._first_sound_at = self._audible_until

    async def drain(self) -> None:
        self.drained += 1

    def mark(self) -> int:
        return len(self.chunks)

    def withdraw(self, mark: int) -> None:
        self.withdrawn += self.chunks[mark:]
        del self.chunks[mark:]

    def stop(self) -> None:
        self.stopped += 1

    async def close(self) -> None:
        self.is_open = False


class FakeDetector:
    """Gives ``probabilities`` one by one, then the last one for ever; without them, loud is speech."""

    def __init__(self, probabilities: Sequence[float] = (), *, threshold_dbfs: float = -45.0, frame_samples: int = 512) -> None:
        self.probabilities = tuple(probabilities)
        self.threshold_dbfs = threshold_dbfs
        self.frames: list[Samples] = []
        """All that was asked about since the last reset."""
        self._frame_samples = frame_samples

    @property
    def name(self) -> str:
        return "fake"

    @property
    def frame_samples(self) -> int:
        return self._frame_samples

    def probability(self, frame: Samples) -> float:
        if frame.shape != (self._frame_samples,):
            raise ValueError(f"a frame has {self._frame_samples} samples, not {frame.shape}")
        self.frames.append(frame)
        if self.probabilities:
            return self.probabilities[min(len(self.frames), len(self.probabilities)) - 1]
        rms = float(np.sqrt(np.mean(frame.astype(np.float64) ** 2)))
        return float(rms > FULL_SCALE * 10 ** (self.threshold_dbfs / 20))

    def reset(self) -> None:
        self.frames.clear()


class FakeSynthesizer:
    """Speaks a tone of 24 kHz, ``seconds_per_character`` long for each character of the text.

    ``fail_after`` chunks it raises ``error``. ``first_chunk_s`` is how long it thinks before it speaks.
    """

    def __init__(
        self,
        *,
        seconds_per_character: float = 0.06,
        chunk_s: float = 0.1,
        first_chunk_s: float = 0.0,
        fail_after: int | None = None,
        error: VoicemodeError | None = None,
    ) -> None:
        self.seconds_per_character = seconds_per_character
        self.chunk_s = chunk_s
        self.first_chunk_s = first_chunk_s
        self.fail_after = fail_after
        self.error = error or EndpointError("fake", "told to fail")
        self.requests: list[SpeechRequest] = []
        self.syntheses: list[FakeSynthesis] = []
        self.closed = False

    @property
    def name(self) -> str:
        return "fake"

    def synthesize(self, request: SpeechRequest) -> FakeSynthesis:
        self.requests.append(request)
        self.syntheses.append(FakeSynthesis(self, request))
        return self.syntheses[-1]

    async def aclose(self) -> None:
        self.closed = True


class FakeSynthesis:
    """One request to a FakeSynthesizer."""

    def __init__(self, owner: FakeSynthesizer, request: SpeechRequest) -> None:
        self.owner = owner
        self.request = request
        self.given = 0
        """Chunks handed out."""
        self.closed = False

    @property
    def engine(self) -> str:
        return self.owner.name

    @property
    def failed(self) -> tuple[str, ...]:
        return ()

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        owner = self.owner
        samples = tone(len(self.request.text) * owner.seconds_per_character, _ENGINE_RATE)
        step = max(1, round(owner.chunk_s * _ENGINE_RATE))
        await asyncio.sleep(owner.first_chunk_s)
        for start in range(0, len(samples), step):
            if self.given == owner.fail_after:
                raise owner.error
            if self.closed:
                return
            self.given += 1
            yield AudioChunk(samples[start : start + step], _ENGINE_RATE)

    async def aclose(self) -> None:
        self.closed = True


class FakeTranscriber:
    """Answers each request with the next of ``answers``: words, or an error to raise; the last one repeats."""

    def __init__(self, answers: Iterable[str | VoicemodeError] = ("hello",), *, delay_s: float = 0.0) -> None:
        self.answers = list(answers)
        self.delay_s = delay_s
        self.requests: list[TranscriptionRequest] = []
        self.prepared: list[tuple[str, ...]] = []
        """The options of each ``prepare``."""
        self.closed = False

    @property
    def name(self) -> str:
        return "fake"

    async def prepare(self, options: Sequence[str] = ()) -> None:
        self.prepared.append(tuple(options))

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        self.requests.append(request)
        answer = self.answers[min(len(self.requests), len(self.answers)) - 1]
        await asyncio.sleep(self.delay_s)
        if isinstance(answer, VoicemodeError):
            raise answer
        return Transcript(answer, self.name)

    async def aclose(self) -> None:
        self.closed = True


class FakeResponder:
    """Answers each request with ``answer`` in pieces of ``piece_chars``; after ``fail_after`` pieces it raises ``error``.

    Of a request with a partial answer that ``answer`` begins with, it gives the rest; ``repeats`` makes it say all again.
    ``first_piece_s`` is how long it thinks before it speaks.
    """

    def __init__(
        self,
        answer: str = "Good morning. How are you?",
        *,
        name: str = "fake",
        piece_chars: int = 4,
        first_piece_s: float = 0.0,
        fail_after: int | None = None,
        error: VoicemodeError | None = None,
        repeats: bool = False,
    ) -> None:
        self.answer = answer
        self.piece_chars = piece_chars
        self.first_piece_s = first_piece_s
        self.fail_after = fail_after
        self.error = error or EndpointError(name, "told to fail")
        self.repeats = repeats
        self.requests: list[ChatRequest] = []
        self.answers: list[FakeAnswer] = []
        self.closed = False
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def respond(self, request: ChatRequest) -> FakeAnswer:
        self.requests.append(request)
        self.answers.append(FakeAnswer(self, request))
        return self.answers[-1]

    async def aclose(self) -> None:
        self.closed = True


class FakeAnswer:
    """One request to a FakeResponder."""

    def __init__(self, owner: FakeResponder, request: ChatRequest) -> None:
        self.owner = owner
        self.request = request
        self.given = 0
        """Pieces handed out."""
        self.closed = False
        self._finish_reason = ""

    @property
    def engine(self) -> str:
        return self.owner.name

    @property
    def engines(self) -> tuple[str, ...]:
        return (self.engine,)

    @property
    def failed(self) -> tuple[str, ...]:
        return ()

    @property
    def finish_reason(self) -> str:
        return self._finish_reason

    async def __aiter__(self) -> AsyncIterator[str]:
        owner = self.owner
        text = owner.answer if owner.repeats else owner.answer.removeprefix(self.request.partial)
        await asyncio.sleep(owner.first_piece_s)
        for start in range(0, len(text), owner.piece_chars):
            if self.given == owner.fail_after:
                raise owner.error
            if self.closed:
                return
            self.given += 1
            yield text[start : start + owner.piece_chars]
        if self.given == owner.fail_after:
            raise owner.error
        self._finish_reason = "stop"

    async def aclose(self) -> None:
        self.closed = True
