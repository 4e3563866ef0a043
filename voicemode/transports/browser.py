"""The loudspeaker of a page in a browser, which a turn drives as it does a sound card's.

The browser takes the echo of what it plays out of what it hears.
"""

from __future__ import annotations

import asyncio
import time

import numpy as np

from voicemode.audio import AudioChunk, Samples
from voicemode.core.far_end import FarEnd
from voicemode.core.remote_playout import RemotePlayout
from voicemode.core.resample import StreamResampler
from voicemode.errors import NoOutputDeviceError, PageLostError
from voicemode.transports.browser_waits import CUT_S, OPEN_S, QUIET_S, within
from voicemode.transports.page_line import PageLine
from voicemode.wire.page_line import (
    PLAY_RATE,
    CloseSpeaker,
    Complete,
    Cut,
    Duck,
    Failed,
    Kind,
    Message,
    OpenSpeaker,
    Played,
    SoundFrame,
    SpeakerOpened,
    WasCut,
)

__all__ = ["BrowserEchoCanceller", "BrowserSpeaker"]

_QUEUE_S = 10.0
_POLL_S = 0.05
_DRAIN_GRACE_S = 3.0
_BLOCK = PLAY_RATE // 25
"""40 ms: one frame."""


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
        await within(OPEN_S, self._opened, PageLostError(self.name, "it does not play"))
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
                await within(CUT_S, self._cut, PageLostError(self.name, "it does not answer"))
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
        if due and self._completed >= self._playout.sent and time.monotonic() - self._told_at > QUIET_S:
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
