"""The loudspeaker: chunks of any rate on one side, PortAudio's callback on the other.

The stream runs from ``open`` on, so that the device is awake when the first chunk comes. Its buffer of some 40 ms would
delay that chunk; where a restart takes a millisecond (ALSA), the silence in the buffer is thrown away instead.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from voicemode.audio import AudioChunk, Samples
from voicemode.core.far_end import FarEnd
from voicemode.core.resample import StreamResampler
from voicemode.engines.playback_queue import PlaybackQueue
from voicemode.engines.portaudio import in_sound_thread
from voicemode.engines.streams import BLOCK_S, DeviceStream, StreamCallback, open_stream
from voicemode.errors import DeviceLostError, SoundError

__all__ = ["SoundDeviceSpeaker"]

_log = logging.getLogger(__name__)

_OPEN_S = 5.0
_CLOSE_S = 0.25
_RESTART_S = 2.0
_QUIET_S = 2.0
"""Without a callback for this long, the device is gone. An idle null sink pauses for 0.3 s, Bluetooth for longer."""
_QUEUE_S = 10.0
_POLL_S = 0.05
_DRAIN_GRACE_S = 2.0
_FALLING_SILENT_S = 0.5
"""More than the buffer of any device that is worth waiting for; one that does not ask for sound meanwhile is hung."""

# An engine at 1.2 x real time sends 100 ms of sound every 83 ms. The resampler keeps 10 ms, the device buffer takes 60
# ahead: playing at once, the second chunk would be late. With this much queued it is not; nor if we wait for two chunks
# (60 ms was too little on two busy cores: 2 of 5 messages broke off).
_ENOUGH_S = 0.15
_HOLD_S = 0.12
_HOLD_AFTER_UNDERRUN_S = 0.2


class SoundDeviceSpeaker:
    """A loudspeaker of this machine, as ``interfaces.Speaker``."""

    def __init__(self, device: str = "") -> None:
        """``device``: name, part of a name, or index; "" is the default."""
        self._wanted = device
        self._stream: DeviceStream | None = None
        self._queue = PlaybackQueue(48_000)
        self._resampler = StreamResampler(48_000, 48_000)
        self._source_rate = 48_000
        self._complete = True
        """Whether all that was queued has been heard or dropped: running dry then is no underrun."""
        self._underruns = 0
        self._missed_blocks = 0
        self._closed_at: float | None = None
        """When what was in the device's buffer was thrown away; None while it is open."""
        self._far_end = FarEnd()
        self._beginning = asyncio.Lock()
        self._holding: asyncio.Task[None] | None = None
        """Waits for more sound before a short piece is played; None when nothing is held."""

    @property
    def name(self) -> str:
        return self._stream.device.name if self._stream is not None else self._wanted or "default"

    @property
    def underruns(self) -> int:
        """How often sound broke off since ``open`` because the next chunk was late."""
        return self._underruns

    @property
    def missed_blocks(self) -> int:
        """How often the device ran empty since ``open`` because this machine was too busy to fill it in time."""
        return self._missed_blocks

    @property
    def first_sound_at(self) -> float | None:
        at = self._queue.first_audible_at
        return at if at is not None and at <= time.monotonic() else None

    @property
    def audible_until(self) -> float | None:
        queue = self._queue
        waiting = self.queued_s
        if waiting and self._stream is not None:
            return max(time.monotonic(), queue.audible_until or 0.0) + waiting
        return queue.audible_until

    @property
    def queued_s(self) -> float:
        return self._queue.queued / self._queue.sample_rate

    @property
    def played_s(self) -> float:
        now = time.monotonic() if self._closed_at is None else self._closed_at
        return self._queue.played(now) / self._queue.sample_rate

    @property
    def paused(self) -> bool:
        return self._queue.held

    @property
    def far_end(self) -> FarEnd:
        return self._far_end

    async def open(self) -> None:
        if self._stream is not None:
            if not self._stream.ended:
                return
            await self.close()
        self._complete, self._closed_at = True, None
        self._underruns = self._missed_blocks = 0
        self._stream = await in_sound_thread(
            lambda: open_stream("output", self._wanted, self._callback),
            deadline_s=_OPEN_S,
            undo=DeviceStream.close,
            device=self._wanted,
        )

    async def play(self, chunk: AudioChunk) -> None:
        """Queue sound; see ``interfaces.Speaker``. Raises RuntimeError when it is not open."""
        stream = self._opened()
        while self._queue.queued > _QUEUE_S * self._queue.sample_rate:
            stream.check(_QUIET_S)
            await asyncio.sleep(_POLL_S)
        stream.check(_QUIET_S)
        samples = self._resampled(chunk)
        if not len(samples):
            return
        was_dry = self._queue.dry
        self._queue.push(samples)
        if was_dry:
            await self._hold_or_begin(stream)
        self._complete = False

    async def drain(self) -> None:
        stream = self._opened()
        tail = self._resampler.flush()
        if len(tail):
            self._queue.push(tail)
        if self._queue.dry and self._queue.queued:
            await self._begin(stream)
        before, deadline = (-1, -1), 0.0
        while (left := self._left_s()) > 0:
            state = self._queue.pushed, self._queue.queued
            if self.paused or state != before:  # more came while we wait, or the device took some: a busy one may be slow
                before, deadline = state, time.monotonic() + left + _DRAIN_GRACE_S
            stream.check(_QUIET_S)
            if time.monotonic() > deadline:
                raise DeviceLostError(stream.device.name, "it takes no sound")
            await asyncio.sleep(min(left, _POLL_S))
        self._complete = True

    def mark(self) -> int:
        return self._queue.pushed

    def withdraw(self, mark: int) -> None:
        self._resampler.flush()
        self._queue.withdraw(mark)

    def duck(self, gain_db: float) -> None:
        self._queue.gain = min(10 ** (gain_db / 20), 1.0)

    async def pause(self) -> None:
        """See ``interfaces.Speaker``. Raises RuntimeError when it is not open."""
        stream = self._opened()
        async with self._beginning:
            if self.paused:
                return
            self._queue.hold()
            if self._queue.quiet and (self._queue.audible_until or 0.0) <= time.monotonic():
                return
            if stream.restarts_at_once:
                await self._restart(stream, self._take_back)
            else:
                await self._fall_silent(stream)

    async def resume(self, at_played_s: float | None = None) -> None:
        """See ``interfaces.Speaker``. Raises RuntimeError when it is not open."""
        stream = self._opened()
        async with self._beginning:
            queue = self._queue
            if not self.paused:
                return
            if at_played_s is not None:
                queue.seek(round(at_played_s * queue.sample_rate))
            if queue.queued and stream.restarts_at_once:
                await self._restart(stream, lambda _: queue.go_on())
            queue.go_on()

    def stop(self) -> None:
        self._release_hold()
        self._resampler.flush()
        self._queue.cut()
        self._queue.gain = 1.0
        self._complete = True

    async def close(self) -> None:
        self.stop()
        stream, self._stream = self._stream, None
        if stream is None:
            return
        self._closed_at = time.monotonic()
        try:
            await in_sound_thread(stream.close, deadline_s=_CLOSE_S, device=stream.device.name)
        except SoundError as error:
            _log.warning("The loudspeaker did not close cleanly: %s", error)
        self._far_end.cut(self._closed_at)

    def _opened(self) -> DeviceStream:
        if self._stream is None:
            raise RuntimeError("open the loudspeaker before playing")
        return self._stream

    def _left_s(self) -> float:
        """Seconds until all that is queued has been audible."""
        until = self.audible_until
        return 0.0 if until is None else until - time.monotonic()

    def _resampled(self, chunk: AudioChunk) -> Samples:
        """At the device's rate; the filter's state runs through chunks of one rate, so they join without a seam."""
        rest = np.zeros(0, dtype=np.int16)
        if chunk.sample_rate != self._source_rate:
            rest = self._resampler.flush()
            self._source_rate = chunk.sample_rate
            self._resampler = StreamResampler(chunk.sample_rate, self._queue.sample_rate)
        return np.concatenate([rest, self._resampler.push(chunk.samples)])

    async def _hold_or_begin(self, stream: DeviceStream) -> None:
        """Sound came while silence plays: start when there is enough of it, or when no more came for a while."""
        held_back = self._holding is not None or self._beginning.locked() or self._queue.first_audible_at is None
        late = not self._complete and not held_back
        if late:
            self._underruns += 1
        if self._queue.queued >= _ENOUGH_S * self._queue.sample_rate:
            await self._begin(stream)
        elif self._holding is None:
            hold_s = _HOLD_AFTER_UNDERRUN_S if late else _HOLD_S
            self._holding = asyncio.create_task(self._begin_later(stream, hold_s))

    async def _begin_later(self, stream: DeviceStream, hold_s: float) -> None:
        await asyncio.sleep(hold_s)
        self._holding = None
        try:
            await self._begin(stream)
        except SoundError as error:  # the next play or drain finds the stream ended and raises
            _log.info("The loudspeaker went away: %s", error)

    def _release_hold(self) -> None:
        holding, self._holding = self._holding, None
        if holding is not None:
            holding.cancel()

    async def _restart(self, stream: DeviceStream, prepare: Callable[[float], None]) -> None:
        """Throw away what the device has; ``prepare`` gets the instant at which it fell silent. Raises SoundError."""

        def stopped() -> None:
            now = time.monotonic()
            self._far_end.cut(now)
            prepare(now)

        await in_sound_thread(lambda: stream.restart(stopped), deadline_s=_RESTART_S, device=stream.device.name)

    def _take_back(self, silent_at: float) -> None:
        self._queue.seek(self._queue.played(silent_at), silent_at)

    async def _fall_silent(self, stream: DeviceStream) -> None:
        """Wait until the device has played what it has. Raises DeviceLostError."""
        deadline = time.monotonic() + _FALLING_SILENT_S
        while not self._queue.quiet or (self._queue.audible_until or 0.0) > time.monotonic():
            if not self.paused:  # stopped meanwhile
                return
            if time.monotonic() > deadline:
                raise DeviceLostError(stream.device.name, "it takes no sound")
            await asyncio.sleep(BLOCK_S)

    async def _begin(self, stream: DeviceStream) -> None:
        """Play what is queued. Raises DeviceLostError."""
        self._release_hold()
        async with self._beginning:
            heard = self._queue.audible_until is None or self._queue.audible_until < time.monotonic()
            if self._queue.dry and heard and stream.restarts_at_once and not self.paused:
                await self._restart(stream, lambda _: self._queue.release())
            else:
                self._queue.release()

    def _callback(self, stream: DeviceStream) -> StreamCallback:
        """PortAudio's thread: copy one block."""
        rate, channels = stream.format.sample_rate, stream.format.channels
        queue, far_end = PlaybackQueue(rate), self._far_end
        self._queue = queue
        self._source_rate = rate
        self._resampler = StreamResampler(rate, rate)

        def wanted(buffer: Any, frames: int, times: Any, status: Any) -> None:
            now = time.monotonic()
            stream.heard_from_at = now
            if status.output_underflow:
                self._missed_blocks += 1
            ahead = times.outputBufferDacTime - times.currentTime
            if not 0.0 < ahead < 1.0:  # some hosts leave these times empty
                ahead = stream.latency_s
            block = np.frombuffer(buffer, dtype=np.int16).reshape(frames, channels)
            queue.fill(block, now + ahead)
            far_end.note(block[:, 0].copy(), rate, now + ahead)

        return wanted
