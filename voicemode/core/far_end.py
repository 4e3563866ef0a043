"""What was audible when: the loudspeaker's sound on the clock of the microphone, for an echo canceller.

Two clocks meet here. The device takes samples one after the other and says of each block when it will be heard, which
jitters by milliseconds; the microphone says when its blocks were in the air, which jitters too. Laying out sound by such
instants would tear it at every block, and an echo canceller takes a tear for a new room. So samples are counted, on both
sides: each block follows the one before it, and the instants only tell, averaged, how far the count is off. Where that is
more than the canceller bears, it is made up for by playing a block one sample longer or shorter than it is, which nobody
hears and the canceller follows; and at once where there is silence. An instant is believed as it stands only where sound
begins, or when it is far off for long: then samples were lost.
"""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple

import numpy as np

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.resample import StreamResampler

__all__ = ["FarEnd"]

_KEPT = 1 << 16
"""Samples: 4 s. An echo comes within half a second, and a microphone that hangs is read within three."""
_INBOX_BLOCKS = 1_024
"""10 s of blocks when nobody reads: then the oldest are let go, which is noticed before the last 4 s begin."""
_FAR_OFF_S = 0.05
"""More than instants jitter: samples were lost, or the other side began anew."""
_FAR_OFF_BLOCKS = 10
_SETTLING_S = 0.2
"""How long after its start a device may ask for blocks ahead of time and date them too late; the earliest date counts."""
_AVERAGED_BLOCKS = 50
"""Blocks of 10 ms: a clock that is off by 100 ppm is off by 0.05 ms meanwhile."""
_OFF = 480
"""Samples (30 ms) by which a count may be off before it is corrected. Instants wander by 10 ms within seconds on a busy
machine, and a correction that follows them is a new room to the canceller: at the virtual sound card the echo came through
30 dB louder after most silences, where the true delay was the same to the sample. The canceller's lead is larger than this."""
_LATE_BLOCKS = 5
"""Reads that lacked sound until it is a delay and no stumble: a busy machine leaves a device alone for two or three blocks. To
follow each stumble moves the far end against the echo by 20 to 40 ms, which a canceller takes a second to find again."""
_PUNCTUAL = 0.2
"""What a read that lacked nothing takes back of them."""
_PERIOD = 4 * CAPTURE_RATE // 100
"""Samples (40 ms) that are read at most until a device asks again: it may take four blocks at once. Else it stumbles."""
_SPARE = CAPTURE_RATE // 200
"""Samples (5 ms) that what is read is later than it need be: blocks come when the machine lets them."""
_PUNCTUAL_FOR = 2 * CAPTURE_RATE
"""Samples (2 s) that are read until a delay is taken back that was not needed meanwhile. It eats up the lead of the canceller:
where the dates were off as well, a microphone heard the echo before its cause."""
_TO_SPARE = CAPTURE_RATE // 100
"""Samples (10 ms) that are there beyond what is read, without the delay, where there is no need for it."""
_EARLY = 16
"""Samples (1 ms) by which a date must be earlier than the count, while a device settles, to be the better one."""
_STEP = CAPTURE_RATE // 100
"""One sample more or less for so many: 6,000 ppm, sixty times what sound cards are off by."""


class _Note(NamedTuple):
    """What the callback left."""

    samples: Samples | None
    """None: what would be heard from ``at`` on was thrown away."""
    sample_rate: int
    at: float
    """When the first of them is audible."""


class _Offset:
    """How far a count of samples is off, from instants that jitter."""

    def __init__(self) -> None:
        self.mean = 0.0
        """Samples; > 0 when the count is behind."""
        self._far = 0
        """How many instants in a row were far off."""

    def lost(self, off: float) -> bool:
        """Take one more instant; whether the count is of no use any more."""
        self._far = self._far + 1 if abs(off) > _FAR_OFF_S * CAPTURE_RATE else 0
        if not self._far:
            self.mean += (off - self.mean) / _AVERAGED_BLOCKS
        return self._far >= _FAR_OFF_BLOCKS

    def moved(self, samples: int) -> None:
        """The count was put forward by so many."""
        self.mean -= samples


class _Run:
    """Blocks that follow one another without a gap."""

    def __init__(self, sample_rate: int, began_at: float) -> None:
        self.sample_rate = sample_rate
        self.began_at = began_at
        self.resampler = StreamResampler(sample_rate, CAPTURE_RATE)
        self.offset = _Offset()
        self.position = began_at * CAPTURE_RATE
        """When the next block is audible, by the count."""


class FarEnd:
    """The last seconds that were audible, as ``interfaces.FarEndReader``, from what the device's callback notes.

    ``note`` and ``cut`` are the callback's, everything else is the reader's; neither waits for the other.
    """

    def __init__(self) -> None:
        # -- written by the callback
        self._inbox: deque[_Note] = deque(maxlen=_INBOX_BLOCKS)
        # -- the reader's
        self._ring: Samples = np.zeros(_KEPT, dtype=np.int16)
        """The sample heard at t seconds has the number t * 16,000, and lies there modulo ``_KEPT``."""
        self._end = 0
        """One after the last sample in the ring."""
        self._run: _Run | None = None
        """What is being noted; None before the first note and after a cut."""
        self._next: int | None = None
        """The sample after the last one that was read; None before that."""
        self._reading = _Offset()
        self._late = 0
        """Samples by which what is read lags behind what was asked for, because it comes too late."""
        self._lacking = 0.0
        """How many reads lacked sound lately."""
        self._least = 0
        """Samples that each of them lacked; it means nothing while there are none."""
        self._unneeded = 0
        """Samples that were read in a row although, without the delay, as many as ``_TO_SPARE`` would have been there."""
        self._waited = 0
        """Samples that were read since the device asked last."""
        self._tears = 0

    @property
    def tears(self) -> int:
        """As ``interfaces.FarEndReader.tears``."""
        return self._tears

    # -- the callback's side

    def note(self, samples: Samples, sample_rate: int, audible_at: float) -> None:
        """The device took so many samples, silence included; the first will be audible at ``audible_at``.

        ``samples`` must be the caller's no more.
        """
        self._inbox.append(_Note(samples, sample_rate, audible_at))

    def cut(self, at: float) -> None:
        """The device threw away what it had and fell silent at an instant. Called while it is stopped."""
        self._inbox.append(_Note(None, 0, at))

    # -- the reader's side

    def between(self, start: float, samples: int) -> Samples:
        """As ``interfaces.FarEndReader.between``."""
        grew = self._collect()
        wanted = round(start * CAPTURE_RATE) - self._late
        if self._next is None or self._reading.lost(wanted - self._next) or self._is_silent_around(wanted, samples):
            self._next, self._reading = wanted, _Offset()
            self._tears += 1
        self._waited = samples if grew else self._waited + samples
        if self._lacks_again(self._next + samples - self._end):
            # The device is asked so late that its sound is not here yet. So far, these were gaps; from now on it is a delay.
            self._late += self._least + _SPARE
            self._next -= self._least + _SPARE
            self._tears += 1
        self._unneeded = self._unneeded + samples if self._end - self._next - samples >= self._late + _TO_SPARE else 0
        if self._late and self._unneeded > _PUNCTUAL_FOR:
            self._next += self._late
            self._late = self._unneeded = 0
            self._tears += 1
        step = _correction(self._reading.mean, samples)
        self._reading.moved(step)
        read = self._read(self._next, samples + step)
        self._next += samples + step
        return read if not step else _stretched(read, samples)

    def heard(self, start: float, end: float) -> Samples:
        """What is known to be audible between two instants, at most 4 s: to look at. It changes nothing that is read."""
        self._collect()
        first = round(start * CAPTURE_RATE)
        return self._read(first, min(max(round(end * CAPTURE_RATE) - first, 0), _KEPT))

    def _is_silent_around(self, wanted: int, samples: int) -> bool:
        """Whether a jump from the next sample to ``wanted`` is a jump from silence to silence."""
        assert self._next is not None  # noqa: S101 - the caller has just seen to it
        if abs(self._reading.mean) < _OFF:
            return False
        first = max(min(wanted, self._next) - samples, self._end - _KEPT)
        return not self._read(first, min(max(wanted, self._next) + samples - first, _KEPT)).any()

    def _lacks_again(self, missing: int) -> bool:
        """Whether sound is missing that has been missing again and again, although the device asks as it always does."""
        if not 0 < missing <= _FAR_OFF_S * 2 * CAPTURE_RATE:
            self._lacking = max(self._lacking - _PUNCTUAL, 0.0)
            return False
        if self._waited > _PERIOD:
            return False
        self._least = missing if not self._lacking else min(missing, self._least)
        self._lacking += 1
        if self._lacking < _LATE_BLOCKS:
            return False
        self._lacking = 0.0
        return True

    def _read(self, first: int, count: int) -> Samples:
        out = np.zeros(max(count, 0), dtype=np.int16)
        begin, end = max(first, self._end - _KEPT), min(first + count, self._end)
        if begin < end:
            out[begin - first : end - first] = np.concatenate([self._ring[place] for place in _places(begin, end)])
        return out

    # -- what was noted, put into the ring

    def _collect(self) -> bool:
        """Whether there was anything new."""
        notes: list[_Note] = []
        while self._inbox:
            notes.append(self._inbox.popleft())
        for index, note in enumerate(notes):
            if note.samples is None:
                self._finish()
                self._move_end(min(self._end, math.ceil(note.at * CAPTURE_RATE)))
                continue
            if self._run is None or note.sample_rate != self._run.sample_rate:
                self._finish()
                self._begin(notes[index:])
            self._append(note.samples, note.at)
        return bool(notes)

    def _begin(self, notes: list[_Note]) -> None:
        """A run begins with the first of the notes; the earliest date that they give it is the best."""
        rate, at, ahead_s = notes[0].sample_rate, notes[0].at, 0.0
        for note in notes:
            if note.samples is None or note.sample_rate != rate:
                break
            at = min(at, note.at - ahead_s)
            ahead_s += len(note.samples) / rate
        self._run = _Run(rate, at)
        self._lacking = 0.0
        self._tears += 1
        self._move_end(round(at * CAPTURE_RATE))

    def _finish(self) -> None:
        """The run ends; what its filter still holds is a part of it."""
        if self._run is not None:
            self._write(self._run.resampler.flush())
            self._run = None

    def _append(self, samples: Samples, at: float) -> None:
        run = self._run
        assert run is not None  # noqa: S101 - the caller has just begun one
        off = at * CAPTURE_RATE - run.position
        if run.offset.lost(off) or (off < -_EARLY and at < run.began_at + _SETTLING_S):
            run.offset = _Offset()
            run.position += round(off)
            self._move_end(self._end + round(off))
            self._tears += 1
        out = run.resampler.push(samples)
        if abs(run.offset.mean) >= _OFF and not out.any() and not self._read(self._end - _STEP, _STEP).any():
            step = max(round(run.offset.mean), -len(out))  # nobody hears how long a silence is
            self._write(np.zeros(len(out) + step, dtype=np.int16))
            self._tears += 1
        else:
            step = _correction(run.offset.mean, len(out))
            self._write(_stretched(out, len(out) + step))
        run.offset.moved(step)
        run.position += len(samples) * CAPTURE_RATE / run.sample_rate + step

    def _move_end(self, end: int) -> None:
        """What comes next is heard at this sample: what was there is no more, what is in between was silent."""
        silent = end - self._end
        if silent > 0:
            self._write(np.zeros(min(silent, _KEPT), dtype=np.int16), silent - min(silent, _KEPT))
        self._end = end

    def _write(self, samples: Samples, skipped: int = 0) -> None:
        """The next samples, after ``skipped`` ones that are as old as nobody asks for."""
        first = self._end + skipped
        self._end = first + len(samples)
        kept = samples[-_KEPT:]
        to_the_end, from_the_start = _places(self._end - len(kept), self._end)
        self._ring[from_the_start] = kept[to_the_end.stop - to_the_end.start :]
        self._ring[to_the_end] = kept[: to_the_end.stop - to_the_end.start]


def _places(first: int, end: int) -> tuple[slice, slice]:
    """Where in the ring the samples of these numbers lie, of which there are ``_KEPT`` at most."""
    at, count = first % _KEPT, end - first
    before_wrap = min(count, _KEPT - at)
    return slice(at, at + before_wrap), slice(0, count - before_wrap)


def _correction(off: float, samples: int) -> int:
    """How many samples longer a block of so many is to be, that it is not noticed."""
    if abs(off) < _OFF or not samples:
        return 0
    return int(math.copysign(max(samples // _STEP, 1), off))


def _stretched(samples: Samples, count: int) -> Samples:
    """As many samples with the same ends."""
    if count == len(samples) or not len(samples):
        return samples
    places = np.linspace(0.0, len(samples) - 1, count)
    stretched: Samples = np.rint(np.interp(places, np.arange(len(samples)), samples)).astype(np.int16)
    return stretched
