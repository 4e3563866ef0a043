"""The microphone without the loudspeaker: takes the echo of what is being played out of each block."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.double_talk import NOBODY, Found
from voicemode.core.echo_lag import AUDIBLE_DBFS, Echo
from voicemode.core.echo_path import EchoPath
from voicemode.core.hindsight import Recalled
from voicemode.core.level import LOWEST_DBFS, levels_dbfs, rms_dbfs
from voicemode.interfaces import CapturedBlock, EchoCanceller, FarEndReader

__all__ = ["Ear", "Overheard"]

_FRAME = CAPTURE_RATE // 100
_TAIL_S = 0.5
"""How long the echo of the last sound is still taken out: the longest reverberation of a living room."""


class Overheard(NamedTuple):
    """Of one frame of 10 ms, in dBFS."""

    raw_dbfs: float
    """The microphone before echo cancellation."""
    far_end_dbfs: float
    """What was audible of the loudspeaker; -96 while it is silent."""
    echo: Echo = Echo.KNOWN
    found: Found = NOBODY
    """What speaks for somebody beside the loudspeaker, as far as the linear filter can tell."""


class Ear:
    """One per microphone. What nobody could have heard of the loudspeaker is passed on as it is."""

    def __init__(self, canceller: EchoCanceller, far_end: FarEndReader, path: EchoPath | None = None) -> None:
        """``path`` is what was learnt before, with the same ``canceller``."""
        self._canceller, self._far_end, self._tears = canceller, far_end, far_end.tears
        path = EchoPath() if path is None else path
        path.reopen()
        self._lag, self._double_talk = path.lag, path.double_talk
        self._rest: Samples = np.zeros(0, dtype=np.int16)
        self._audible_until = -1.0
        """The end of the last block in which the loudspeaker sounded."""
        self._spoken: tuple[Recalled, ...] = ()

    @property
    def pending(self) -> int:
        """Samples of earlier blocks that go before the next one: less than 10 ms."""
        return len(self._rest)

    @property
    def spoken(self) -> tuple[Recalled, ...]:
        """What of the last blocks is to be written down in the place of what was handed out, the oldest first.

        Nothing is stopped by it: a filter that is wrong must not make the assistant interrupt itself.
        """
        return self._spoken

    def hear(self, block: CapturedBlock) -> tuple[Samples, Sequence[Overheard]]:
        """Whole frames of 16 kHz mono PCM without echo, and what is known about each. Blocks come in order."""
        self._spoken = ()
        began = block.captured_at - len(self._rest) / CAPTURE_RATE
        near = np.concatenate([self._rest, block.chunk.samples])
        whole = len(near) - len(near) % _FRAME
        near, self._rest = near[:whole], near[whole:]
        if not whole:
            return near, []
        far = self._far_end.between(began + self._canceller.lead_s, whole)
        if self._far_end.tears != self._tears:
            self._tears = self._far_end.tears
            self._lag.torn()
        ahead, far = far, self._lag.align(near, far)
        ends = began + whole / CAPTURE_RATE
        placed = self._lag.placed
        if far.any() or (ahead.any() and not placed):
            self._audible_until = ends
        if ends > self._audible_until + _TAIL_S:
            self._double_talk.rest(ahead)
            return near, [Overheard(rms_dbfs(frame), LOWEST_DBFS) for frame in near.reshape(-1, _FRAME)]
        cleaned = self._canceller.process(near, far)
        sounding = near.reshape(-1, _FRAME).any(axis=1)
        if not sounding.all():
            # A canceller may put noise there; whoever looks for a muted microphone must see that it delivers nothing.
            cleaned = np.where(sounding.repeat(_FRAME), cleaned, np.int16(0))
        self._spoken = self._write_down(near, ahead, cleaned)
        if self._double_talk.torn:
            self._lag.torn()
        levels = levels_dbfs(np.concatenate((near, cleaned, far, ahead)).reshape(-1, _FRAME))
        frames = whole // _FRAME
        raw_dbfs, left_dbfs, far_dbfs, ahead_dbfs = (levels[at * frames : (at + 1) * frames] for at in range(4))
        for mine, theirs, left in zip(raw_dbfs, far_dbfs, left_dbfs, strict=True):
            if theirs > AUDIBLE_DBFS:
                self._lag.cancelled(mine - left)
        if not placed:  # it may come later than it did, and sooner
            far_dbfs = list(map(max, far_dbfs, ahead_dbfs))
        echo = Echo.LOST if self._lag.echo is Echo.KNOWN and self._double_talk.relearns else self._lag.echo
        heard = zip(raw_dbfs, far_dbfs, self._double_talk.found, strict=True)
        return cleaned, [Overheard(mine, theirs, echo, found) for mine, theirs, found in heard]

    def second_hearing(self) -> Iterator[Recalled | None]:
        """As ``DoubleTalk.second_hearing``, of what ``hear`` has handed out until now."""
        return self._double_talk.second_hearing()

    def _write_down(self, near: Samples, far: Samples, cleaned: Samples) -> tuple[Recalled, ...]:
        spoken = self._double_talk.process(near, far, cleaned, delay=self._lag.ahead, known=self._lag.placed)
        newest = () if spoken is cleaned else (Recalled(spoken, len(spoken)),)
        recalled = self._double_talk.recalled
        return newest if recalled is None else (*newest, recalled)
