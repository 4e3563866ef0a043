"""A page in a browser as microphone and loudspeaker; what is heard and said is the turn's business, as with a sound card.

The browser takes the echo of what it plays out of what it hears.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque

import numpy as np

from voicemode.audio import AudioChunk, Samples
from voicemode.core.far_end import FarEnd
from voicemode.core.remote_playout import RemotePlayout
from voicemode.core.resample import StreamResampler
from voicemode.engines.microphone import CaptureClock
from voicemode.errors import NoInputDeviceError, NoOutputDeviceError, PageLostError
from voicemode.interfaces import CapturedBlock
from voicemode.transports.page_line import PageLine
from voicemode.wire.page_line import (
    CAPTURE_RATE,
    PLAY_RATE,
    CloseMicrophone,
    CloseSpeaker,
    Complete,
    Cut,
    Duck,
    Failed,
    Kind,
    Message,
    MicrophoneOpened,
    OpenMicrophone,
    OpenSpeaker,
    Played,
    SoundFrame,
    SpeakerOpened,
    WasCut,
)

__all__ = ["BrowserEchoCanceller", "BrowserMicrophone", "BrowserSpeaker"]

_OPEN_S = 10.0
"""A browser may ask the person first, whether it may use the microphone; mostly it has done so when the button was pressed."""
_QUIET_S = 2.0
"""Without sound, or a report, for so long, the page hangs: a tab in the background is slowed down to one second."""
_CUT_S = 1.0
_QUEUE_S = 10.0
_POLL_S = 0.05
_DRAIN_GRACE_S = 3.0
_BLOCK = PLAY_RATE // 25
"""40 ms: one frame."""
_BACKLOG_BLOCKS = 3_000
"""A minute of frames of 20 ms, as the sound card's microphone keeps."""
_BLOCKS_PER_READ = 5


class BrowserEchoCanceller:
    """The browser has taken the echo away already: what is left is judged by its level, as after any other canceller."""

    name = "browser"
    lead_s = 0.0

    def process(self, near: Samples, far: Samples) -> Samples:
        if near.shape != far.shape:
            raise ValueError(f"near and far end are equally long, not {near.shape} and {far.shape}")
        return near

    def reset(self) -> None:
        """It keeps nothing."""


class BrowserSpeaker:
    """As ``interfaces.Speaker``. The sound waits here, and is sent 0.4 s before it is heard."""

    def __init__(self, line: PageLine) -> None:
        self._line = line
        self._playout = RemotePlayout(PLAY_RATE)
        self._far_end = FarEnd()
        self._resampler = StreamResampler(PLAY_RATE, PLAY_RATE)
        self._source_rate = PLAY_RATE
        self._run = -1
        self._opened: asyncio.Future[None] | None = None
        """None while it is closed."""
        self._cut: asyncio.Future[None] | None = None
        """What a pause waits for."""
        self._wake = asyncio.Event()
        self._pumping: asyncio.Task[None] | None = None
        self._draining = False
        self._completed = 0
        """The position up to which the page was told that no more comes for now."""
        self._noted = 0
        """The position up to which the far end is known."""
        self._told_at = 0.0
        """When the page last told how far it is, or was first sent something again."""
        self._closed_at: float | None = None

    @property
    def name(self) -> str:
        return self._line.page

    @property
    def first_sound_at(self) -> float | None:
        at = self._playout.first_at
        return at if at is not None and at <= time.monotonic() else None

    @property
    def audible_until(self) -> float | None:
        return self._playout.until(time.monotonic())

    @property
    def queued_s(self) -> float:
        return (self._playout.pushed - self._playout.sent) / PLAY_RATE

    @property
    def played_s(self) -> float:
        now = time.monotonic() if self._closed_at is None else self._closed_at
        return self._playout.played(now) / PLAY_RATE

    @property
    def paused(self) -> bool:
        return self._playout.held

    @property
    def far_end(self) -> FarEnd:
        return self._far_end

    async def open(self) -> None:
        """Raises NoOutputDeviceError when the page cannot play, PageLostError."""
        if self._opened is not None:
            return
        await self._line.wait_present()
        self._opened = asyncio.get_running_loop().create_future()
        self._closed_at = None
        self._line.speaker = self
        self._begin_run()
        await _within(_OPEN_S, self._opened, PageLostError(self.name, "it does not play"))
        self._pumping = asyncio.create_task(self._pump())

    async def play(self, chunk: AudioChunk) -> None:
        """See ``interfaces.Speaker``. Raises PageLostError, and RuntimeError when it is not open."""
        await self._check()
        while self._playout.pushed - self._playout.sent > _QUEUE_S * PLAY_RATE:
            await asyncio.sleep(_POLL_S)
            await self._check()
        self._playout.push(self._resampled(chunk))
        self._wake.set()

    async def drain(self) -> None:
        await self._check()
        self._playout.push(self._resampler.flush())
        self._draining = True
        self._wake.set()
        deadline, before = 0.0, -1
        try:
            while self._playout.waiting or self._left_s() > 0:
                waiting = self._playout.waiting
                if self.paused or waiting != before or not self._line.present:
                    before, deadline = waiting, time.monotonic() + _DRAIN_GRACE_S
                await self._check()
                if time.monotonic() > deadline:
                    raise PageLostError(self.name, "it plays nothing")
                await asyncio.sleep(min(_POLL_S, max(self._left_s(), 0.005)))
        finally:
            self._draining = False

    def mark(self) -> int:
        return self._playout.pushed

    def withdraw(self, mark: int) -> None:
        self._resampler.flush()
        self._playout.withdraw(mark)

    def duck(self, gain_db: float) -> None:
        self._line.tell(Duck(min(gain_db, 0.0)))

    async def pause(self) -> None:
        if self._playout.held:
            return
        self._playout.held = True
        self._run = self._line.new_run()
        if self._line.present:
            self._cut = asyncio.get_running_loop().create_future()
            self._line.tell(Cut(self._run))
            try:
                await _within(_CUT_S, self._cut, PageLostError(self.name, "it does not answer"))
            finally:
                self._cut = None
        else:
            self._fell_silent(None, time.monotonic())

    async def resume(self, at_played_s: float | None = None) -> None:
        if not self._playout.held:
            return
        if at_played_s is not None:
            self._playout.seek(round(at_played_s * PLAY_RATE))
            self._noted = self._playout.sent
        self._playout.held = False
        self._told_at = time.monotonic()
        self._wake.set()

    def stop(self) -> None:
        self._resampler.flush()
        if not self._playout.held:
            self._run = self._line.new_run()
            self._line.tell(Cut(self._run))
            self._fell_silent(None, time.monotonic())
        self._playout.drop()
        self._playout.held = False
        self._line.tell(Duck(0.0))

    async def close(self) -> None:
        if self._opened is None:
            return
        self._closed_at = time.monotonic()
        self.stop()
        opened, self._opened = self._opened, None
        opened.cancel()
        self._line.tell(CloseSpeaker(self._run))
        if self._line.speaker is self:
            self._line.speaker = None
        pumping, self._pumping = self._pumping, None
        if pumping is not None:
            pumping.cancel()
            await asyncio.wait({pumping})
        self._far_end.cut(self._closed_at)

    # -- Device

    def message(self, message: Message, at: float) -> None:
        match message:
            case SpeakerOpened(run=run) if run == self._run and self._opened is not None:
                if not self._opened.done():
                    self._opened.set_result(None)
                self._wake.set()
            case Failed(problem=problem) if self._opened is not None and not self._opened.done():
                self._opened.set_exception(NoOutputDeviceError(self.name, problem))
            case Played(run=run, position=position) if run == self._run and not self._playout.held:
                self._told_at = at
                when = self._line.when(message, at)
                flowed = self._playout.audible_at(0) is not None
                if self._playout.report(position, when) and flowed:
                    self._far_end.cut(when)  # playback stumbled: what was known ahead of time was wrong
                    self._noted = position
                self._note()
                self._wake.set()
            case WasCut(run=run, position=position) if run == self._run and self._cut is not None:
                self._fell_silent(position, self._line.when(message, at))
                if not self._cut.done():
                    self._cut.set_result(None)
            case _:
                pass

    def left(self) -> None:
        self._fell_silent(None, time.monotonic())
        if self._cut is not None and not self._cut.done():
            self._cut.set_result(None)

    def back(self) -> None:
        """Go on with what was not heard."""
        self._begin_run()
        self._told_at = time.monotonic()
        self._wake.set()

    # --

    def _begin_run(self) -> None:
        self._run = self._line.new_run()
        self._completed = self._playout.sent
        self._line.tell(OpenSpeaker(self._run))

    async def _pump(self) -> None:
        """Send what is to be heard soon; each report of the page makes room for more."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._line.present and (piece := self._playout.next(_BLOCK)) is not None:
                position, samples = piece
                if position == self._completed:
                    self._told_at = time.monotonic()
                data = np.ascontiguousarray(samples, dtype="<i2").tobytes()
                self._line.play(SoundFrame(Kind.PLAY, self._run, position, data))
                self._note()
            sent = self._playout.sent
            if self._draining and sent == self._playout.pushed and self._completed < sent:
                self._completed = sent
                self._line.tell(Complete(self._run))

    def _note(self) -> None:
        """Tell the echo's judge what is heard when, as soon as that is known."""
        at = self._playout.audible_at(self._noted)
        if at is None or self._noted >= self._playout.sent:
            return
        samples = self._playout.at(self._noted, self._playout.sent - self._noted)
        self._far_end.note(samples.copy(), PLAY_RATE, at)
        self._noted = self._playout.sent

    def _fell_silent(self, position: int | None, at: float) -> None:
        self._playout.cut(position, at)
        self._far_end.cut(at)
        self._noted = self._completed = self._playout.sent

    async def _check(self) -> None:
        """Raises PageLostError, and RuntimeError when it is not open."""
        if self._opened is None:
            raise RuntimeError("open the loudspeaker before playing")
        if not self._line.present:
            await self._line.wait_present()
            return
        # The page may hold a little back until it has enough, or is told that no more comes.
        due = not self._playout.held and self._playout.sent > self._playout.played(time.monotonic())
        if due and self._completed >= self._playout.sent and time.monotonic() - self._told_at > _QUIET_S:
            raise PageLostError(self.name, "it plays nothing")

    def _left_s(self) -> float:
        until = self.audible_until
        return 0.0 if until is None else until - time.monotonic()

    def _resampled(self, chunk: AudioChunk) -> Samples:
        rest = np.zeros(0, dtype=np.int16)
        if chunk.sample_rate != self._source_rate:
            rest = self._resampler.flush()
            self._source_rate = chunk.sample_rate
            self._resampler = StreamResampler(chunk.sample_rate, PLAY_RATE)
        return np.concatenate([rest, self._resampler.push(chunk.samples)])


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
        await _within(_OPEN_S, self._opened, PageLostError(self.name, "its microphone does not open"))
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
                async with asyncio.timeout(_QUIET_S / 4):
                    await self._arrival.wait()
            if not self._line.present:
                await self._line.wait_present()
                self._heard_at = time.monotonic()
            elif self._opened is not None and time.monotonic() - self._heard_at > _QUIET_S + _CUT_S:
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


async def _within(seconds: float, future: asyncio.Future[None], late: PageLostError) -> None:
    try:
        async with asyncio.timeout(seconds):
            await asyncio.shield(future)
    except TimeoutError:
        raise late from None
