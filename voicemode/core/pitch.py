"""The pitch of a voice over time, by autocorrelation."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voicemode.audio import CAPTURE_RATE, Samples

__all__ = ["HOP_S", "pitch_track"]

Floats = npt.NDArray[np.float64]

HOP_S = 0.02
_RATE = 4_000
"""Hertz; it keeps the first harmonics, which carry the pitch, and costs a sixteenth of 16 kHz."""
_BY = CAPTURE_RATE // _RATE
_WINDOW = 160
"""40 ms: two periods of the lowest voice."""
_TRANSFORM = 256
"""Samples: a window and the longest lag."""
_FINER = 2
_LAG_RATE = _RATE * _FINER
"""Lags are interpolated: of a child's voice, half a sample of 4 kHz is a twentieth of the period."""
_LOWEST_HZ, _HIGHEST_HZ = 60, 400
"""Speaking voices, from a low man's to a child's."""
_LEAST_POWER = 10**-3.5
"""Of the loudest frame's: what is 35 dB softer is none of the voice."""
_VOICED = 0.5
"""Share of a frame's energy that repeats with the period, from which on it is a voice; noise reaches 0.3."""
_SHORTER_IF = 0.9
"""Two periods repeat as well as one: the shortest lag that is nearly as good as the best is the period."""


def pitch_track(samples: Samples | npt.NDArray[np.float32]) -> Floats:
    """Hertz of every 20 ms of 16 kHz mono PCM, NaN where there is no voice. Frame n is around ``n * 0.02 + 0.02`` s."""
    sound = _at_4_khz(samples)
    if len(sound) < _WINDOW:
        return np.zeros(0)
    frames = np.lib.stride_tricks.sliding_window_view(sound, _WINDOW)[:: round(HOP_S * _RATE)]
    power = np.einsum("ij,ij->i", frames, frames)
    loud = power > power.max() * _LEAST_POWER
    hertz = np.full(len(frames), np.nan)
    if loud.any():
        hertz[loud] = _pitch_of(frames[loud])
    return hertz


def _pitch_of(frames: npt.NDArray[np.float32]) -> Floats:
    """Hertz of each row, NaN where it does not repeat."""
    centred = (frames - frames.mean(axis=1, keepdims=True)) * np.hanning(_WINDOW).astype(np.float32)
    shortest, longest = _LAG_RATE // _HIGHEST_HZ - 1, _LAG_RATE // _LOWEST_HZ + 2
    inside = (_autocorrelation(centred) / _of_the_window())[:, shortest:longest]
    best = inside.max(axis=1)
    middle, before, after = inside[:, 1:-1], inside[:, :-2], inside[:, 2:]
    peaks = (middle >= before) & (middle >= after) & (middle >= _SHORTER_IF * best[:, None])
    at = peaks.argmax(axis=1)  # the first that is true
    rows = np.arange(len(at))
    left, top, right = before[rows, at], middle[rows, at], after[rows, at]
    bend = left - 2 * top + right
    shift = np.where(bend < 0, 0.5 * (left - right) / np.where(bend < 0, bend, -1), 0)
    hertz: Floats = (_LAG_RATE / (at + shortest + 1 + shift)).astype(np.float64)
    hertz[~peaks.any(axis=1) | (best < _VOICED)] = np.nan
    return hertz


def _at_4_khz(samples: Samples | npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The mean of every four samples; what folds back from above 2 kHz is weaker than the voice."""
    whole = len(samples) // _BY * _BY
    means: npt.NDArray[np.float32] = samples[:whole].reshape(-1, _BY).mean(axis=1, dtype=np.float32)
    return means


def _autocorrelation(frames: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Of each row, relative to its energy, for lags of 1/8000 s up to half the transform."""
    spectrum = np.fft.rfft(frames, _TRANSFORM, axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    repeats = np.fft.irfft(power, _TRANSFORM * _FINER, axis=1)[:, : _TRANSFORM * _FINER // 2]
    energy = np.maximum(repeats[:, :1], 1e-6)
    normalised: npt.NDArray[np.float32] = (repeats / energy).astype(np.float32)
    return normalised


def _of_the_window() -> npt.NDArray[np.float32]:
    """By how much the window alone lets longer lags fade; dividing by it makes them comparable (Boersma, 1993)."""
    fading: npt.NDArray[np.float32] = _autocorrelation(np.hanning(_WINDOW).astype(np.float32)[np.newaxis])[0]
    return fading
