"""The microphone: PortAudio's callback on one side, 16 kHz mono blocks with their time on the other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.resample import StreamResampler
from voicemode.engines.portaudio import in_sound_thread
from voicemode.engines.streams import BLOCK_S, DeviceStream, StreamCallback, open_stream
from voicemode.errors import SoundError
from voicemode.interfaces import CapturedBlock

__all__ = ["CaptureClock", "SoundDeviceMicrophone"]

_OPEN_S = 5.0
_CLOSE_S = 0.25
_FIRST_BLOCK_S = 3.0
"""A Bluetooth headset changes its profile first."""
_QUIET_S = 1.0
"""Without a callback for this long, the device is gone whatever it claims."""
_BACKLOG_BLOCKS = round(60 / BLOCK_S)
_BLOCKS_PER_READ = 10

_log = logging.getLogger(__name__)


class CaptureClock:
    """Tells when each sample was in the air, from arrivals that jitter.

    A block can be late but not early, so the earliest arrival sets the time; it may creep by ``_CREEP``, which is more
    than any sound card's clock is off. When samples were lost, all later blocks are late, and the clock follows.
    """

    _CREEP = 0.002
    _LOST_S = 0.25
    _LOST_BLOCKS = 25

    def __init__(self, sample_rate: int) -> None:
        self._rate = sample_rate
        self._started_at: float | None = None
        """When sample 0 was in the air; None before the first block."""
        self._late: list[float] = []
        self._told = 0.0

    def arrived(self, first_sample: int, samples: int, in_air_at: float) -> None:
        """A block's first sample has this index and was in the air at ``in_air_at`` or before."""
        start = in_air_at - first_sample / self._rate
        if self._started_at is None:
            self._started_at = start
        self._started_at = min(self._started_at + self._CREEP * samples / self._rate, start)
        self._late = [*self._late, start] if start - self._started_at > self._LOST_S else []
        if len(self._late) >= self._LOST_BLOCKS:
            self._started_at, self._late = min(self._late), []

    def time_of(self, sample: float) -> float:
        """``time.monotonic()`` when the sample was in the air; never before one that was told earlier."""
        if self._started_at is None:
            raise ValueError("no block has arrived yet")
        self._told = max(self._told, self._started_at + sample / self._rate)
        return self._told


class SoundDeviceMicrophone:
    """A microphone of this machine, as ``interfaces.Microphone``. One reader at a time."""

    def __init__(self, device: str = "") -> None:
        """``device``: name, part of a name, or index; "" is the default."""
        self._wanted = device
        self._stream: DeviceStream | None = None
        self._inbox: deque[tuple[float, bytes]] = deque(maxlen=_BACKLOG_BLOCKS)
        """When the block's first sample was in the air as far as the device knows, and its PCM."""
        self._arrival = asyncio.Event()
        self._resampler = StreamResampler(CAPTURE_RATE, CAPTURE_RATE)
        self._clock = CaptureClock(CAPTURE_RATE)
        self._samples_in = 0
        self._samples_out = 0
        self._dropped = 0
        self._overflows = 0

    @property
    def name(self) -> str:
        return self._stream.device.name if self._stream is not None else self._wanted or "default"

    @property
    def overflows(self) -> int:
        """How often samples were lost since ``open``: the device's buffer ran over, or nobody read for 60 s."""
        return self._overflows + self._dropped

    async def open(self) -> None:
        if self._stream is not None:
            if not self._stream.ended:
                return
            await self.close()
        self._inbox.clear()
        self._arrival.clear()
        self._samples_in = self._samples_out = self._dropped = self._overflows = 0
        loop = asyncio.get_running_loop()
        stream = await in_sound_thread(
            lambda: open_stream("input", self._wanted, lambda stream: self._callback(stream, loop)),
            deadline_s=_OPEN_S,
            undo=DeviceStream.close,
            device=self._wanted,
        )
        self._resampler = StreamResampler(stream.format.sample_rate, CAPTURE_RATE)
        self._clock = CaptureClock(stream.format.sample_rate)
        self._stream = stream

    async def read(self) -> CapturedBlock | None:
        """The next 10 to 100 ms; None once it was closed. Raises DeviceLostError, RuntimeError when never opened."""
        stream = self._stream
        if stream is None:
            raise RuntimeError("open the microphone before reading from it")
        while self._stream is stream:
            if not self._inbox:
                await self._wait(stream)
                continue
            block = self._take(stream)
            if len(block.chunk.samples):
                return block
        return None

    async def close(self) -> None:
        stream, self._stream = self._stream, None
        self._arrival.set()
        if stream is None:
            return
        try:
            await in_sound_thread(stream.close, deadline_s=_CLOSE_S, device=stream.device.name)
        except SoundError as error:
            _log.warning("The microphone did not close cleanly: %s", error)

    async def _wait(self, stream: DeviceStream) -> None:
        """Return when there may be something to read. Raises DeviceLostError."""
        stream.check(_QUIET_S if self._samples_in else _FIRST_BLOCK_S)
        self._arrival.clear()
        if self._inbox or stream.ended:  # it came between the check and the clear
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_QUIET_S / 4):
                await self._arrival.wait()

    def _take(self, stream: DeviceStream) -> CapturedBlock:
        """What has arrived, up to 100 ms, at 16 kHz; a backlog is read faster than it was made."""
        blocks: list[Samples] = []
        while self._inbox and len(blocks) < _BLOCKS_PER_READ:
            in_air_at, pcm = self._inbox.popleft()
            samples = _mono(pcm, stream.format.channels)
            self._clock.arrived(self._samples_in, len(samples), in_air_at)
            self._samples_in += len(samples)
            blocks.append(samples)
        resampled = self._resampler.push(np.concatenate(blocks))
        captured_at = self._clock.time_of(self._samples_out * stream.format.sample_rate / CAPTURE_RATE)
        self._samples_out += len(resampled)
        return CapturedBlock(AudioChunk(resampled, CAPTURE_RATE), captured_at)

    def _callback(self, stream: DeviceStream, loop: asyncio.AbstractEventLoop) -> StreamCallback:
        """PortAudio's thread: one copy, one append, one wake."""
        inbox, wake = self._inbox, _waker(loop, self._arrival)
        stream.on_end = wake

        def arrived(buffer: Any, frames: int, times: Any, status: Any) -> None:
            now = time.monotonic()
            stream.heard_from_at = now
            if status.input_overflow:
                self._overflows += 1
            if len(inbox) == _BACKLOG_BLOCKS:
                self._dropped += 1
            age = times.currentTime - times.inputBufferAdcTime
            if not 0.0 < age < _QUIET_S:  # some hosts leave these times empty
                age = frames / stream.format.sample_rate + stream.latency_s
            inbox.append((now - age, bytes(buffer)))
            wake()

        return arrived


def _waker(loop: asyncio.AbstractEventLoop, event: asyncio.Event) -> Callable[[], None]:
    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop has closed; nobody reads any more
            loop.call_soon_threadsafe(event.set)

    return wake


def _mono(pcm: bytes, channels: int) -> Samples:
    samples: Samples = np.frombuffer(pcm, dtype=np.int16)
    if channels > 1:
        samples = samples.reshape(-1, channels).mean(axis=1).astype(np.int16)
    return samples
