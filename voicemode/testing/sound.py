"""Fakes of what hears and is heard, and a sound for them."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Sequence

import numpy as np

from voicemode.audio import CAPTURE_RATE, FULL_SCALE, AudioChunk, Samples
from voicemode.errors import DeviceLostError, SoundError
from voicemode.interfaces import CapturedBlock, FarEndReader

__all__ = ["FakeDetector", "FakeEchoCanceller", "FakeMicrophone", "FakeSpeaker", "tone"]


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
    """Plays at once and records the chunks; what comes while it is paused waits in ``waiting``.

    ``fail_after_s`` loses the device when so many seconds were played.
    """

    def __init__(
        self,
        *,
        open_error: SoundError | None = None,
        fail_after_s: float = math.inf,
        far_end: FarEndReader | None = None,
    ) -> None:
        self.open_error = open_error
        self.fail_after_s = fail_after_s
        self.far_end = far_end
        self.is_open = False
        self.chunks: list[AudioChunk] = []
        """All that was played and not withdrawn, in order."""
        self.withdrawn: list[AudioChunk] = []
        """All that was withdrawn."""
        self.stopped = 0
        """How often it was stopped."""
        self.drained = 0
        """How often it was drained."""
        self.waiting: list[AudioChunk] = []
        """What was queued during the pause."""
        self.ducked: list[float] = []
        """The gains that were asked for, dB."""
        self.pauses = 0
        """How often it was paused while it was not."""
        self.resumed_at: list[float | None] = []
        """Where each ``resume`` that ended a pause was to go on."""
        self._running = asyncio.Event()
        self._running.set()
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
        return sum(chunk.seconds for chunk in self.waiting)

    @property
    def played_s(self) -> float:
        return sum(chunk.seconds for chunk in self.chunks)

    @property
    def paused(self) -> bool:
        return not self._running.is_set()

    async def open(self) -> None:
        if self.open_error is not None:
            raise self.open_error
        self.is_open = True

    async def play(self, chunk: AudioChunk) -> None:
        if not self.is_open:
            raise RuntimeError("open the loudspeaker before playing")
        if self.played_s + chunk.seconds > self.fail_after_s:
            raise DeviceLostError(self.name)
        if self.paused:
            self.waiting.append(chunk)
            return
        self.chunks.append(chunk)
        self._audible_until = time.monotonic()
        if self._first_sound_at is None:
            self._first_sound_at = self._audible_until

    async def drain(self) -> None:
        await self._running.wait()
        self.drained += 1

    def mark(self) -> int:
        return len(self.chunks) + len(self.waiting)

    def withdraw(self, mark: int) -> None:
        queued = [*self.chunks, *self.waiting]
        self.withdrawn += queued[mark:]
        self.waiting = queued[len(self.chunks) : mark]
        del self.chunks[mark:]

    def duck(self, gain_db: float) -> None:
        self.ducked.append(gain_db)

    async def pause(self) -> None:
        if not self.paused:
            self.pauses += 1
            self._running.clear()

    async def resume(self, at_played_s: float | None = None) -> None:
        if not self.paused:
            return
        self.resumed_at.append(at_played_s)
        self._running.set()
        waiting, self.waiting = self.waiting, []
        for chunk in waiting:
            await self.play(chunk)

    def stop(self) -> None:
        self.stopped += 1
        self.waiting.clear()
        self._running.set()

    async def close(self) -> None:
        self.is_open = False


class FakeEchoCanceller:
    """Takes ``echo_gain`` times the far end out of the near end, which is all there is to do in a room without delay."""

    def __init__(self, *, echo_gain: float = 1.0, lead_s: float = 0.0) -> None:
        self.echo_gain = echo_gain
        self.lead_s = lead_s
        self.heard: list[tuple[Samples, Samples]] = []
        """Near end and far end of each call since the last reset."""

    @property
    def name(self) -> str:
        return "fake"

    def process(self, near: Samples, far: Samples) -> Samples:
        if near.shape != far.shape or len(near) % 160:
            raise ValueError(f"near and far end have equal multiples of 160 samples, not {near.shape} and {far.shape}")
        self.heard.append((near, far))
        cleaned = near - self.echo_gain * far.astype(np.float64)
        return np.clip(np.rint(cleaned), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)

    def reset(self) -> None:
        self.heard.clear()


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
