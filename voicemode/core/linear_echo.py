"""What the microphone hears beside the loudspeaker, by a linear filter that learns the way between them.

A canceller that also suppresses (AEC3) takes a soft voice away together with the echo. Nothing here suppresses: the echo is
estimated and subtracted, and what is said at the same time stays as it is. The filter is a Kalman filter for each bin of a
partitioned Fourier transform (Enzner and Vary 2006; Kuech, Mabande and Enzner 2014). Its step shrinks by itself where the
residual is louder than what the filter does not know yet, so nobody has to tell it when two speak.

Clocks of loudspeaker and microphone are up to 100 ppm apart, 1.6 samples a second, faster than such a filter follows above
1 kHz. By how much they are (``core.clock_drift``) steers where the far end is read, between samples.
"""

from __future__ import annotations

from enum import Enum, auto, unique
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicemode.core.clock_drift import ClockDrift
from voicemode.core.far_end_tap import FRAME, MOST_DELAY, FarEndTap, Floats
from voicemode.core.likeness import Likeness

__all__ = ["FRAME", "REACH", "Floats", "LinearEcho", "Way"]

Spectra: TypeAlias = NDArray[np.complex64]

_WINDOW = 2 * FRAME
_BINS = FRAME + 1
_PARTS = 16
"""160 ms of a room. With 200 ms the echo was 1 dB less after 4 s (6 simulated rooms), for a quarter more of work."""
REACH = MOST_DELAY + _PARTS * FRAME
"""Samples of the far end that may be in an echo, at most."""
_BEFORE = 3 * FRAME // 4
"""The far end is read so many samples later than EchoLag lines it up, 30 ms before the echo, so that clocks that drift
apart find room. The loudest tap then lies within a part, not at its edge: 1 dB more of the echo was taken away."""
_ELSEWHERE = 24
"""Samples (1.5 ms) by which the echo may seem to move though it does not: EchoLag measures to 8, and takes two measurements for
one that are 8 apart."""
_AROUND = 3
"""Samples around the new place, and the old one, where an echo that moved is looked for. A filter that is 1 sample off takes
12 dB less away, one that is 2 off does not find back within 1.6 s (8 simulated rooms)."""
_LOOK_BACK = 8
"""Frames of the microphone in which that is done."""
_SAME_WAY = 0.8
"""Of the power of what the filter takes for echo, the least that is gone once it is subtracted. All is, but for chance, whoever
speaks meanwhile; where the sound goes another way now, less is or nothing."""
_MUCH_LESS = 0.5
"""In power, what is left at another place, over what is left where it was, for the echo to have moved there."""
_TELLING = 0.4
"""In power, what it must take for echo in them: a pause, or somebody louder, says nothing about that."""
_LONGEST_DOUBT = 100
"""Frames with playback after which what has said nothing so far is forgotten: 1 s."""
_MISPLACED = 1.0
"""Samples by which it may lie beside the place that was found (standard deviation)."""

_UNKNOWN, _UNKNOWN_FALLS = 0.3, 10**-0.2
"""What a tap may weigh before anything is known, in the first part and from each part to the next (2 dB in 10 ms is the decay
of a room of 0.3 s): with it 1.5 dB more was taken away after 1.5 s than with a flat one."""
_TURNS = 8
"""Each part is tended in every so many frames. With 1 the work was a third more, and the echo that was left 1 dB louder."""
_FORGET = np.float32(1 - 0.9995 ** (2 * _TURNS))
"""The way of the sound changes by so much in 80 ms (0.9995 in 10 ms; from 0.9999 to 0.998 what was left differed by 1 dB)."""
_CERTAINTY = np.float32(1 / 3)
"""Of what a frame could teach by theory (1/2), so much is believed: speech lacks whole bands for long."""
_SMOOTHING = np.float32(0.5)
"""Of the residual's spectrum; of that and the newest the larger counts as noise, so a voice that begins stops the learning
within its first frame."""
_TINY = np.float32(1e-9)
_DIVERGED, _DIVERGED_SMOOTHING = 2.0, 0.1
"""A residual louder than the microphone by so much in power, over 0.1 s, comes from a filter that is wrong."""
_FULL = np.float32(0.999)
"""A frame that reaches it is clipped, and teaches nothing linear."""

_BLUR: Floats = np.minimum((_MISPLACED * 2 * np.pi * np.arange(_BINS) / _WINDOW) ** 2, 1.0).astype(np.float32)
"""By how much a number of the filter is wrong, relative to its power, where the echo is ``_MISPLACED``."""


@unique
class Way(Enum):
    """What has become of what was known of the sound's way."""

    KEPT = auto()
    MOVED = auto()
    """It is longer or shorter than it was, and otherwise the same, as far as is known."""
    FORGOTTEN = auto()


class LinearEcho:
    """One per microphone. Frames of ``FRAME`` samples of 16 kHz mono, relative to full scale; about 0.1 ms of CPU each."""

    def __init__(self) -> None:
        self._far = FarEndTap(float(_BEFORE), reach=(_PARTS + _LOOK_BACK) * FRAME)
        self._drift = ClockDrift()
        self._delay: float | None = None
        """By which the far end was read last; None where no echo was known."""
        self._doubtful = 0
        """For how many frames of playback the place has been in doubt; 0 where it is not."""
        self._reopened = False
        """Since the devices were opened anew, has the place not been found?"""
        self._nears: Floats = np.zeros((_LOOK_BACK, FRAME), np.float32)
        """The microphone's last frames."""
        self._window: Floats = np.zeros(_WINDOW, np.float32)
        self._spectra: Spectra = np.zeros((_PARTS, _BINS), np.complex64)
        """Of the far end, the newest first."""
        self._powers: Floats = np.zeros((_PARTS, _BINS), np.float32)
        self._padded: Floats = np.zeros((2, _WINDOW), np.float32)
        """The echo and the residual, after a frame of zeros."""
        self._prior: Floats = (_UNKNOWN * _UNKNOWN_FALLS ** np.arange(_PARTS, dtype=np.float32)).astype(np.float32)[:, None]
        self.echo_power: Floats = np.zeros(_BINS, np.float32)
        """Spectrum of the echo that was subtracted from the last frame."""
        self.residual_power: Floats = np.zeros(_BINS, np.float32)
        """Spectrum of what was left; bins of 50 Hz."""
        self.near_power: Floats = np.zeros(_BINS, np.float32)
        """Spectrum of the microphone."""
        self.doubt_power: Floats = np.zeros(_BINS, np.float32)
        """Spectrum of what may be left because the filter has not learnt it yet, such as what nothing excited so far."""
        self._forget()

    def _forget(self) -> None:
        self._filter: Spectra = np.zeros((_PARTS, _BINS), np.complex64)
        self._doubt: Floats = np.repeat(self._prior, _BINS, axis=1)
        """Variance of the error of each number in the filter."""
        self._noise: Floats = np.zeros(_BINS, np.float32)
        self._next = 0
        """The first of the parts whose turn it is."""
        self._drift.jumped()
        self._near_power = self._left_power = 0.0
        self._likeness = Likeness()

    @property
    def placed(self) -> bool:
        """Is the echo taken away where it is, as far as is known?"""
        return not self._doubtful

    @property
    def drift_ppm(self) -> float:
        """By how much the echo is found to come later with time."""
        return self._drift.ppm

    @property
    def likeness(self) -> Likeness:
        """Of what was subtracted and what is left."""
        return self._likeness

    def rest(self, far: Floats) -> None:
        """A frame in which nothing of the loudspeaker can be heard."""
        self._far.push(far)
        self._pass_time()
        self._likeness.clear()
        if self._powers.any():
            self._window[:] = 0.0
            self._spectra[:] = 0.0
            self._powers[:] = 0.0
            self._nears[:] = 0.0

    def reopen(self, *, keep: bool) -> None:
        """Loudspeaker or microphone begin anew, likely in the same room. ``keep``: what was learnt is worth something."""
        self._far.forget()
        self.rest(np.zeros(FRAME, np.float32))
        self._doubtful, self._reopened = 1, True
        if not keep:
            self._delay, self._doubtful = None, 0
            self._forget()

    def rewind(self, before: Floats, frames: int) -> None:
        """Go so many frames back, with all that was learnt since. ``before``: rows of the far end, pushed right before them."""
        self._far.move(-self._drift.rate * frames)
        self._doubtful = 0
        for frame in before:
            self._far.push(frame)
            self._hear()

    def cancel(self, near: Floats, far: Floats, delay: float | None, *, learns: bool = True) -> tuple[Floats, Way]:
        """The microphone's frame without what is known of the echo, and what has become of what was known.

        ``delay``: by how many samples ``far`` comes earlier than 30 ms before its echo; None where no echo was found.
        Without ``learns`` that is doubtful, and nothing is to be learnt from it.
        """
        way = self._settle(delay) if learns else Way.KEPT
        if not learns:
            self._doubtful = max(self._doubtful, 1)
        self._far.push(far)
        self._pass_time()
        self._nears[:-1] = self._nears[1:]
        self._nears[-1] = near
        self._hear()
        if not self._powers.any():
            self._padded[1, FRAME:] = near
            self._likeness.clear()
            self.echo_power, self.doubt_power = np.zeros_like(self.echo_power), np.zeros_like(self.echo_power)
            self.residual_power = self.near_power = _power(np.fft.rfft(self._padded[1]).astype(np.complex64, copy=False))
            return near, way
        left, heard = self._subtract(near)
        echo, residual = heard
        self.echo_power, self.residual_power = _power(heard)
        self.near_power = _power(echo + residual)
        if self._doubtful or not 0 < np.abs(near).max() < _FULL:
            self._likeness.clear()
            return left, way
        self._learn(residual)
        self._likeness.compare(left, self._padded[0, FRAME:])
        return left, way if self._is_sane(near, left) else Way.FORGOTTEN

    def _pass_time(self) -> None:
        self._drift.tick()
        self._far.move(self._drift.rate)

    def _subtract(self, near: Floats) -> tuple[Floats, Spectra]:
        """What is left of the frame; spectra of the echo and of what is left."""
        self._padded[0, FRAME:] = np.fft.irfft((self._filter * self._spectra).sum(axis=0))[FRAME:]
        left = near - self._padded[0, FRAME:]
        self._padded[1, FRAME:] = left
        return left, np.fft.rfft(self._padded, axis=1).astype(np.complex64, copy=False)

    def _settle(self, delay: float | None) -> Way:
        """Read the far end where the echo is now."""
        if delay is None:
            self._delay, self._doubtful = None, 0
            return Way.KEPT
        self._drift.found(delay)
        if self._delay is not None:
            moved = delay - self._delay
            if abs(moved) <= _ELSEWHERE and not self._doubtful:
                self._delay = delay
                return Way.KEPT
            return self._move(delay, moved)
        self._delay, self._doubtful, self._reopened = delay, 0, False
        return Way.KEPT if abs(delay + _BEFORE - self._far.position) <= _ELSEWHERE else self._begin_at(delay)

    def _begin_at(self, delay: float) -> Way:
        self._far.move(delay + _BEFORE - self._far.position)
        self._forget()
        return Way.FORGOTTEN

    def _move(self, delay: float, moved: float) -> Way:
        """The echo comes so many samples later, or a little more or less, or it does not."""
        self._doubtful += 1
        heard = float(np.vdot(self._nears, self._nears))
        if not heard:
            return Way.KEPT
        here = self._far.position
        _, echo = self._left_at(here + moved)
        if echo < _TELLING * heard and self._doubtful <= _LONGEST_DOUBT:
            self._left_at(here)
            return Way.KEPT
        stays = abs(moved) <= _ELSEWHERE and not self._reopened
        self._delay, self._doubtful, self._reopened = delay, 0, False
        places = (here, *(here + moved + each for each in range(-_AROUND, _AROUND + 1)))
        place = min(places, key=lambda each: self._left_at(each)[0])
        left, echo = self._left_at(place)
        if heard - left < _SAME_WAY * echo and not stays:
            return self._begin_at(delay)
        left_here, _ = self._left_at(here)
        if left > _MUCH_LESS * left_here:  # somebody who speaks may pass for samples that were lost
            return Way.KEPT
        self._left_at(place)
        self._likeness.forget()
        self._doubt += _power(self._filter) * _BLUR
        return Way.MOVED if abs(place - here) > _ELSEWHERE else Way.KEPT

    def _left_at(self, place: float) -> tuple[float, float]:
        """Read the far end there, as if it had always been: what would the filter have left of the last frames, and taken?"""
        self._far.move(place - self._far.position)
        past = self._far.read((_PARTS + _LOOK_BACK) * FRAME)
        windows = np.lib.stride_tricks.sliding_window_view(past, _WINDOW)[::-FRAME]
        spectra: Spectra = np.fft.rfft(windows, axis=1).astype(np.complex64, copy=False)
        self._window[:], self._spectra[:] = windows[0], spectra[:_PARTS]
        self._powers[:] = _power(self._spectra)
        heard = np.lib.stride_tricks.sliding_window_view(spectra, _PARTS, axis=0)
        echo = np.fft.irfft(np.einsum("fbp,pb->fb", heard, self._filter), axis=1)[::-1, FRAME:]
        left = self._nears - echo
        return float(np.vdot(left, left)), float(np.vdot(echo, echo))

    def _hear(self) -> None:
        self._window[:FRAME] = self._window[FRAME:]
        self._window[FRAME:] = self._far.read()
        self._spectra[1:] = self._spectra[:-1]
        self._powers[1:] = self._powers[:-1]
        self._spectra[0] = np.fft.rfft(self._window)
        self._powers[0] = _power(self._spectra[0])

    def _learn(self, residual: Spectra) -> None:
        self._noise += _SMOOTHING * (self.residual_power - self._noise)
        noise = np.maximum(self._noise, self.residual_power)
        doubt = self._powers * self._doubt
        expected = self.doubt_power = doubt.sum(axis=0)
        gain = self._doubt / (expected + noise + _TINY)
        step = np.conj(self._spectra)
        step *= residual
        step.real *= gain  # the two apart: half of what a product of complex and real numbers takes
        step.imag *= gain
        self._filter += step
        gain *= doubt
        gain *= _CERTAINTY
        self._doubt -= gain
        self._tend()

    def _tend(self) -> None:
        """Take out of some parts what wraps around and belongs to no tap, and believe them less."""
        parts, doubt = self._filter[self._next :: _TURNS], self._doubt[self._next :: _TURNS]
        taps = np.fft.irfft(parts, axis=1)
        taps[:, FRAME:] = 0.0
        parts[:] = np.fft.rfft(taps, axis=1)
        doubt += _FORGET * (_power(parts) - doubt)
        self._next = (self._next + 1) % _TURNS

    def _is_sane(self, near: Floats, left: Floats) -> bool:
        self._near_power += _DIVERGED_SMOOTHING * (float(near @ near) - self._near_power)
        self._left_power += _DIVERGED_SMOOTHING * (float(left @ left) - self._left_power)
        if self._left_power <= _DIVERGED * self._near_power:
            return True
        self._forget()
        return False


def _power(spectrum: Spectra) -> Floats:
    power: Floats = spectrum.real**2 + spectrum.imag**2
    return power
