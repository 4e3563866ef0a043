"""Which of the person's sound the upstream gets: all of it where it finds the turns, else those stretches that we found."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import numpy as np

from voicemode.audio import Samples
from voicemode.core.resample import StreamResampler
from voicemode.dialogue import AudioIn
from voicemode.wire.upstream.client_events import RATE

__all__ = ["Uplink"]

_BACK_S = 6.0
"""As far back as a turn may be found to have begun: five seconds of prefix at most, and one of a busy machine."""
_AHEAD_S = 130.0
"""More of it may wait for our ear only where a client sends faster than real time; then it is sent without our ear."""


class Uplink:
    """Of one session. Positions are samples of 24 kHz since its beginning."""

    def __init__(self, send: Callable[[Samples], None], heard_s: Callable[[], float]) -> None:
        """``heard_s``: up to where our ear has heard. Sound that it has not may belong to another turn."""
        self._send, self._heard_s = send, heard_s
        self._kept: deque[Samples] = deque()
        self._first = 0
        """The position of what is kept."""
        self._end = 0
        self._sent = 0
        """What lies before this was sent, or will not be."""
        self._resampler: StreamResampler | None = None
        self._rate = RATE
        self._ended = 0
        """Turns that we found the end of, and that nobody committed yet."""
        self.whole = False
        """Is all of it wanted?"""
        self.speaking = False

    def push(self, audio: AudioIn) -> None:
        """The next sound of the person."""
        samples = self._converted(audio)
        self._kept.append(samples)
        self._end += len(samples)
        if self.whole:
            self._send_until(self._end)
        elif self.speaking:
            self._send_until(min(round(self._heard_s() * RATE), self._end))
        self._forget()

    def speech_began(self, at_ms: int) -> None:
        if not self.whole:
            self.speaking = True
            self._sent = max(self._sent, at_ms * RATE // 1000, self._first)
            self._send_until(min(round(self._heard_s() * RATE), self._end))

    def speech_ended(self, at_ms: int) -> None:
        self._ended += 1
        if not self.whole:
            self._send_until(min(at_ms * RATE // 1000, self._end))
            self.speaking = False

    def commit(self) -> None:
        """A turn ends: there where we found it to end, or with all that came."""
        if self._ended:
            self._ended -= 1
        else:
            self._send_until(self._end)
            self.speaking = False

    def clear(self) -> None:
        self._sent, self.speaking = self._end, False

    def _converted(self, audio: AudioIn) -> Samples:
        if audio.sample_rate == RATE:
            return audio.samples
        if self._resampler is None or audio.sample_rate != self._rate:
            self._resampler, self._rate = StreamResampler(audio.sample_rate, RATE), audio.sample_rate
        return self._resampler.push(audio.samples)

    def _send_until(self, position: int) -> None:
        if position <= self._sent:
            return
        at = self._first
        wanted: list[Samples] = []
        for samples in self._kept:
            begin, end = max(self._sent - at, 0), min(position - at, len(samples))
            if begin < end:
                wanted.append(samples[begin:end])
            at += len(samples)
        self._sent = position
        if wanted:
            self._send(wanted[0] if len(wanted) == 1 else np.concatenate(wanted))

    def _forget(self) -> None:
        if self.whole:
            until = self._sent
        else:
            behind = self._sent if self.speaking else min(round(self._heard_s() * RATE), self._end) - round(_BACK_S * RATE)
            until = max(behind, self._end - round(_AHEAD_S * RATE))
        while self._kept and self._first + len(self._kept[0]) <= until:
            self._first += len(self._kept.popleft())
