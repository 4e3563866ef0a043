"""The microphone of a page in a browser."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque

import numpy as np

from voicemode.audio import AudioChunk
from voicemode.engines.microphone import CaptureClock
from voicemode.errors import NoInputDeviceError, PageLostError
from voicemode.interfaces import CapturedBlock
from voicemode.transports.browser_waits import CUT_S, OPEN_S, QUIET_S, within
from voicemode.transports.page_line import PageLine
from voicemode.wire.page_line import (
    CAPTURE_RATE,
    CloseMicrophone,
    Failed,
    Message,
    MicrophoneOpened,
    OpenMicrophone,
    SoundFrame,
)

__all__ = ["BrowserMicrophone"]

_BACKLOG_BLOCKS = 3_000
"""A minute of frames of 20 ms, as the sound card's microphone keeps."""
_BLOCKS_PER_READ = 5


class BrowserMicrophone:
    """As ``interfaces.Microphone``. When the page comes back within its grace time, it goes on listening."""

    def __init__(self, line: PageLine) -> None:
        self._line = line
        self._run = -1
        self._opened: asyncio.Future[None] | None = None
        """None while it is closed."""
        self._inbox: deque[SoundFrame] = deque(maxlen=_BACKLOG_BLOCKS)
        self._arrival = asyncio.Event()
        self._clock = CaptureClock(CAPTURE_RATE)
        self._heard_at = 0.0
        self._name = ""

    @property
    def name(self) -> str:
        return self._name or self._line.page

    async def open(self) -> None:
        """Raises NoInputDeviceError when there is none, or it is not allowed; PageLostError."""
        if self._opened is not None:
            return
        await self._line.wait_present()
        self._opened = asyncio.get_running_loop().create_future()
        self._line.microphone = self
        self._begin_run()
        await within(OPEN_S, self._opened, PageLostError(self.name, "its microphone does not open"))
        self._heard_at = time.monotonic()

    async def read(self) -> CapturedBlock | None:
        """The next 20 to 100 ms; None once it was closed. Raises PageLostError, RuntimeError when never opened."""
        if self._opened is None and self._run < 0:
            raise RuntimeError("open the microphone before reading from it")
        while self._opened is not None:
            if self._inbox:
                return self._take()
            self._arrival.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(QUIET_S / 4):
                    await self._arrival.wait()
            if not self._line.present:
                await self._line.wait_present()
                self._heard_at = time.monotonic()
            elif self._opened is not None and time.monotonic() - self._heard_at > QUIET_S + CUT_S:
                raise PageLostError(self.name, "nothing comes from its microphone")
        return None

    async def close(self) -> None:
        if self._opened is None:
            return
        opened, self._opened = self._opened, None
        opened.cancel()
        self._line.tell(CloseMicrophone(self._run))
        if self._line.microphone is self:
            self._line.microphone = None
        self._arrival.set()

    # -- Device

    def heard(self, sound: SoundFrame, at: float) -> None:
        if sound.run != self._run or self._opened is None:
            return
        samples = len(sound.samples) // 2
        self._heard_at = at
        began = sound.at_ms / 1000
        self._line.clock.learn(began + samples / CAPTURE_RATE, at)
        self._clock.arrived(sound.position, samples, self._line.clock.ours(began))
        self._inbox.append(sound)
        self._arrival.set()

    def message(self, message: Message, at: float) -> None:
        match message:
            case MicrophoneOpened(run=run, name=name) if run == self._run and self._opened is not None:
                self._name, self._heard_at = name, at
                if not self._opened.done():
                    self._opened.set_result(None)
            case Failed(problem=problem) if self._opened is not None and not self._opened.done():
                self._opened.set_exception(NoInputDeviceError(self._line.page, problem))
            case _:
                pass

    def left(self) -> None:
        self._arrival.set()

    def back(self) -> None:
        self._begin_run()

    # --

    def _begin_run(self) -> None:
        self._run = self._line.new_run()
        self._clock = CaptureClock(CAPTURE_RATE)
        self._inbox.clear()
        self._line.tell(OpenMicrophone(self._run))

    def _take(self) -> CapturedBlock:
        frames = [self._inbox.popleft() for _ in range(min(len(self._inbox), _BLOCKS_PER_READ))]
        samples = np.frombuffer(b"".join(frame.samples for frame in frames), dtype="<i2").astype(np.int16)
        return CapturedBlock(AudioChunk(samples, CAPTURE_RATE), self._clock.time_of(frames[0].position))
