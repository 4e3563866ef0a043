"""How far the echo comes behind its cause, by ear: the far end is delayed so that it is always the same.

The instants that devices tell are off by 10 to 30 ms, each time they begin anew by another amount. An echo canceller takes
that for a new room and lets the echo through for half a second or more, which sounds like somebody who interrupts. The
echo itself tells to the sample: microphone and far end are correlated, all frequencies weighing the same (GCC-PHAT, Knapp
and Carter 1976), until the peak stands clear of everything else.
"""

from __future__ import annotations

import functools
import math
from enum import Enum, auto, unique

import numpy as np
from numpy.typing import NDArray

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.level import rms_dbfs

__all__ = ["AUDIBLE_DBFS", "Echo", "EchoLag"]

_FRAME = CAPTURE_RATE // 100
_LAG = round(0.03 * CAPTURE_RATE)
"""What an echo comes behind the far end that is given out. More than the beginning of a room's answer that lies before the
loudest part, less than devices lag: then nothing has to be known ahead of time."""
_MOST_LAG = round(0.5 * CAPTURE_RATE)
"""Output and input of Bluetooth take up to 250 ms together; a sound server that ran dry some times lags twice as much."""
_WINDOW = round(0.3 * CAPTURE_RATE)
"""To find an echo anywhere: with half of it, voices with a steady pitch gave wrong peaks."""
_NEAR_WINDOW = round(0.15 * CAPTURE_RATE)
"""To find again what is near to where it was."""
_NEAR_BY = round(0.03 * CAPTURE_RATE)
"""A device that begins anew is off by so much, and less than the 42 ms after which one synthetic voice resembled itself."""
_CLEAR, _CLEAR_NEAR_BY = 15.0, 10.0
"""A peak over the root mean square of the correlation, with either window. Two human voices that have nothing to do with each
other reach 12.5 and 6.3 at most (230 windows of each); an echo 12 dB under its cause has a median of 36 and 21, and of 30 and
17 where somebody speaks as loud as it."""
_SAME = 8
"""Samples (0.5 ms) by which two measurements of one lag may differ."""
_EVERY = 5
"""Audible frames between measurements."""
_TORN_AFTER = 4
"""The same, until it counts as torn: a busy machine drops samples of either side. A person as loud as the echo hides it that
long once in 200 times, a louder one more often, but is louder than the raw echo then."""
_RARELY = 5
"""With headphones there is nothing to find, and looking everywhere costs 2 ms: after a second, every fifth time will do."""
_LOST_AFTER = 20
"""Measurements (a second of sound) that find nothing near by: then it is looked for everywhere."""
AUDIBLE_DBFS = -50.0
"""Playback that is softer says nothing about its echo."""
_PATIENCE = 80
"""Audible frames after which it is as good as it gets: with headphones there is no echo to find. Where there is one it takes 30
to 45 of them, and more on a machine so busy that it tears the sound. They do not count while the microphone is as loud as when
it heard the echo, and the canceller does nothing about it."""
_FOLLOWING = 40
"""Audible frames that a canceller needs at least to follow when the far end was moved; what it leaves before that is more."""
_MOST_FOLLOWING = 250
"""The same at most: as many as it needs to learn a room."""
_FOLLOWED_DB, _FOLLOWED = 10.0, 10
"""It has followed when it takes so much away in so many more frames than in which it does not. AEC3 takes 20 to 40 dB, and
sometimes nothing for a second after samples were lost."""
_LOUDNESS_SMOOTHING = 0.03
"""Of the powers of microphone and playback, and of what the canceller takes away, in audible frames: over 0.3 s."""
_STILL_HEARD = 0.25
"""In power, the microphone over playback, relative to what it was when the echo was found: it is as good as there still.
6 dB are left to the syllables; chosen, not swept."""
_LOW_HZ, _HIGH_HZ = 150.0, 5_000.0
"""Where voices and small loudspeakers have something to say."""


@unique
class Echo(Enum):
    """What is known about the echo at an instant."""

    KNOWN = auto()
    """It comes when the canceller expects it, or there is none."""
    LOST = auto()
    """It may have moved, has just been moved back, or is torn: what the canceller leaves says nothing, now or later."""
    UNKNOWN = auto()
    """None was found so far, and the loudspeaker begins: headphones may have been taken off meanwhile."""
    NEW = auto()
    """There was none before: the canceller learns the room."""


class EchoLag:
    """Delays the far end. 16 kHz mono PCM; one object for each microphone."""

    def __init__(self) -> None:
        self._near_end: Samples = np.zeros(_WINDOW, dtype=np.int16)
        self._far: Samples = np.zeros(_WINDOW + _MOST_LAG, dtype=np.int16)
        """The last samples of each; both end at the same instant."""
        self._lag: int | None = None
        """Of the echo behind the far end, in samples; None where it is not known."""
        self._last: float | None = None
        """What the last measurement found; None where it found nothing."""
        self._newest = 0.0
        """The last that two measurements agreed on; it means nothing where the lag is not known."""
        self._delay = 0
        """Samples by which the far end is delayed."""
        self._audible = 0
        """Frames with playback since the last measurement."""
        self._misses = 0
        """Measurements in a row that did not find the echo where it was."""
        self._unproven = _PATIENCE
        """Frames with playback until no lag is to be trusted as well, where none is known; 0 when it was measured."""
        self._fruitless = 0
        """Measurements in a row that found no echo anywhere."""
        self._hint: int | None = None
        """Where it was before the devices were opened anew; None once it was found, or where it was not known."""
        self._following = 0
        """Frames with playback until the canceller must have followed the last move."""
        self._followed = 0
        """In how many more of them it took the echo away than not."""
        self._new = False
        """Was no echo known before that move?"""
        self._near_power = self._far_power = 0.0
        """Of lately, while something played."""
        self._loudness = math.inf
        """The one over the other, when the echo was found last; infinite before that."""
        self._cancelled_db = 0.0
        """By how much the canceller made the microphone softer lately."""

    @property
    def echo(self) -> Echo:
        """Now: after the last frame that was aligned."""
        if self._following:
            return Echo.NEW if self._new else Echo.LOST
        if self._unproven:
            return Echo.UNKNOWN if self._lag is None else Echo.LOST
        return Echo.LOST if self._misses >= _TORN_AFTER else Echo.KNOWN

    @property
    def placed(self) -> bool:
        """Is there no reason to believe that the echo is elsewhere than where it was found, or where none was found before?

        Somebody who is louder may hide it, and a canceller may not have followed its last move yet.
        """
        return not self._unproven

    @property
    def absent(self) -> bool:
        """Was no echo found though it was looked for long enough? So it is with headphones."""
        return self._lag is None and not self._unproven

    @property
    def delay_s(self) -> float:
        """By how much the far end is delayed now."""
        return self._delay / CAPTURE_RATE

    @property
    def ahead(self) -> float | None:
        """By how many samples the far end as it comes in is earlier than 30 ms before its echo; None where none was found.

        Between samples too. By the newest measurement: the far end that is given out is moved only where that differs by more
        than half a ms, and never to an earlier time than it came in.
        """
        return None if self._lag is None else self._newest - _LAG

    def reopen(self) -> None:
        """Loudspeaker or microphone begin anew: the echo is likely to come a little sooner or later than before."""
        self._far = np.zeros_like(self._far)
        self._hint, self._lag = self._hint if self._lag is None else self._lag, None
        self._misses = self._following = 0
        self.torn()

    def torn(self) -> None:
        """The samples of one side do not follow the earlier ones: the lag may have changed."""
        self._unproven = _PATIENCE
        self._last, self._fruitless = None, 0
        self._near_end = np.zeros_like(self._near_end)  # what was heard before would speak for the old lag

    def cancelled(self, by_db: float) -> None:
        """By so much the canceller has made the microphone softer in a frame with playback."""
        self._cancelled_db += _LOUDNESS_SMOOTHING * (by_db - self._cancelled_db)
        if self._following and not self._new and self._following <= _MOST_FOLLOWING - _FOLLOWING:
            self._followed = max(self._followed + (1 if by_db >= _FOLLOWED_DB else -1), 0)
            self._following = self._following if self._followed < _FOLLOWED else 0

    def align(self, near: Samples, far: Samples) -> Samples:
        """The far end, delayed. Both have the same whole number of frames of 10 ms."""
        aligned: Samples = np.empty_like(far)
        for at in range(0, len(far), _FRAME):
            frame = slice(at, at + _FRAME)
            _append(self._near_end, near[frame])
            _append(self._far, far[frame])
            end = len(self._far) - self._delay
            aligned[frame] = self._far[end - _FRAME : end]
            if rms_dbfs(far[frame]) > AUDIBLE_DBFS:
                self._near_power += _LOUDNESS_SMOOTHING * (_power(near[frame]) - self._near_power)
                self._far_power += _LOUDNESS_SMOOTHING * (_power(far[frame]) - self._far_power)
                self._count()
        return aligned

    @property
    def _is_still_heard(self) -> bool:
        """Is the microphone as loud as where the echo was found, and remains so? Then it is where nobody looks for it."""
        loud = self._near_power >= _STILL_HEARD * self._loudness * self._far_power
        return loud and self._cancelled_db < _FOLLOWED_DB

    def _count(self) -> None:
        self._audible += 1
        if self._lag is None and not self._is_still_heard:  # there may be none any more
            self._unproven = max(self._unproven - 1, 0)
        self._following = max(self._following - 1, 0)
        if self._audible >= _EVERY:
            self._audible = 0
            self._measure()

    def _measure(self) -> None:
        found = self._find() if self._lag is None else self._find_near(self._lag)
        same = found is not None and self._last is not None and abs(found - self._last) <= _SAME
        self._last = found
        if found is None or not same:
            return
        self._newest = found
        if self._lag is None or abs(found - self._lag) > _SAME:
            self._new = self._lag is None and (self._hint is None or abs(found - self._hint) > 2 * _NEAR_BY)
            self._lag, self._delay = round(found), max(round(found) - _LAG, 0)
            self._following, self._followed = _FOLLOWING if self._new else _MOST_FOLLOWING, 0
        self._unproven, self._hint = 0, None
        self._loudness = self._near_power / self._far_power

    def _find(self) -> float | None:
        found = None if self._hint is None else self._near(self._hint)
        if found is not None:
            return found
        self._fruitless += 1
        if self._fruitless > _LOST_AFTER and self._fruitless % _RARELY:
            return None
        found = _peak(self._near_end, self._far, _CLEAR)
        if found is not None:
            self._fruitless = 0
        return found

    def _find_near(self, lag: int) -> float | None:
        found = self._near(lag)
        self._misses = self._misses + 1 if found is None else 0
        if self._misses >= _LOST_AFTER:
            self._lag, self._misses, self._unproven = None, 0, _PATIENCE
        return found

    def _near(self, lag: int) -> float | None:
        lowest, highest = max(lag - _NEAR_BY, 0), min(lag + _NEAR_BY, _MOST_LAG)
        # No more of the far end than can be in the window: louder sounds before and after would hide a soft one.
        far = self._far[-_NEAR_WINDOW - highest : len(self._far) - lowest]
        found = _peak(self._near_end[-_NEAR_WINDOW:], far, _CLEAR_NEAR_BY)
        return None if found is None else lowest + found


def _append(past: Samples, frame: Samples) -> None:
    past[:-_FRAME] = past[_FRAME:]
    past[-_FRAME:] = frame


def _power(frame: Samples) -> float:
    wide = frame.astype(np.float32)
    return float(wide @ wide)


def _peak(near: Samples, far: Samples, clear: float) -> float | None:
    """The lag, between samples too, at which near resembles far most; None where nothing stands out so clearly.

    ``far`` is longer than ``near`` by the largest lag there is; the smallest is 0, and then they end together.
    """
    most = len(far) - len(near)
    size = 1 << (len(far) - 1).bit_length()  # what wraps around lies outside of the lags that are looked at
    voices = slice(math.floor(_LOW_HZ * size / CAPTURE_RATE) + 1, math.ceil(_HIGH_HZ * size / CAPTURE_RATE))
    cross = np.conj(np.fft.rfft(far.astype(np.float32), size)) * np.fft.rfft(near * _hann(len(near)), size)
    strength = np.sqrt(cross.real**2 + cross.imag**2)
    strongest = strength.max()
    if not strongest:
        return None
    white = np.zeros_like(cross)
    # What is a thousand times fainter than the strongest is rounding, not sound.
    white[voices] = cross[voices] / (strength[voices] + np.float32(1e-3) * strongest)
    likeness = np.fft.irfft(white, size)
    at_lag = np.append(likeness[size - most :], likeness[0])
    best = int(np.argmax(at_lag))
    if at_lag[best] < clear * math.sqrt(float(likeness @ likeness) / size):
        return None
    return best + _between(at_lag[best - 1 : best + 2])


def _between(around: NDArray[np.float32]) -> float:
    """Where a peak lies beside the middle of three samples, by the parabola through them; 0 at an end of what was looked at."""
    if len(around) < 3:
        return 0.0
    before, peak, after = map(float, around)
    return (before - after) / (2 * (before - 2 * peak + after))


@functools.cache
def _hann(samples: int) -> NDArray[np.float32]:
    return np.hanning(samples).astype(np.float32)
