"""The picture of sound that Whisper's encoder sees, and smart-turn's with it: 80 mel bands, 100 frames a second.

Parameters and steps are those of OpenAI's Whisper (``whisper/audio.py``) with Slaney's mel scale and filter areas, and, before
them, the normalisation to zero mean and unit variance that smart-turn v3 was trained with.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from voicemode.audio import CAPTURE_RATE, FULL_SCALE, Samples

__all__ = ["BANDS", "FRAMES", "WINDOW_S", "LogMel", "log_mel"]

LogMel = npt.NDArray[np.float32]
"""Shape (80, 800), time to the right."""

WINDOW_S = 8
"""Seconds that smart-turn v3 sees."""
BANDS = 80
_FFT = 400
"""25 ms."""
_HOP = 160
"""10 ms."""
FRAMES = WINDOW_S * CAPTURE_RATE // _HOP
_VARIANCE_FLOOR = 1e-7
_POWER_FLOOR = 1e-10
_RANGE = 8.0
"""Powers of ten under the loudest band of all; what is softer is not shown."""
_BREAK_HZ, _BREAK_MEL = 1000.0, 15.0
"""Slaney's scale: 15 mel to the first 1,000 Hz, evenly, and 27 to every factor of 6.4 above."""
_MEL_PER_E = 27.0 / math.log(6.4)


def log_mel(samples: Samples) -> LogMel:
    """The last 8 s of 16 kHz mono PCM; zeros stand before what is shorter. Values lie within about -1.5 and 2.5."""
    sound = _normalised(samples)
    padded = np.pad(sound, _FFT // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FFT)[::_HOP][:FRAMES]
    spectrum = np.fft.rfft(frames * _hann(), axis=1)
    power = np.square(spectrum.real) + np.square(spectrum.imag)
    bands = np.log10(np.maximum(power @ _mel_filters(), _POWER_FLOOR))
    shown = np.maximum(bands, bands.max() - _RANGE)
    picture: LogMel = np.ascontiguousarray(((shown + 4.0) / 4.0).T, dtype=np.float32)
    return picture


def _normalised(samples: Samples) -> npt.NDArray[np.float64]:
    window = np.zeros(WINDOW_S * CAPTURE_RATE)
    last = samples[-len(window) :]
    window[len(window) - len(last) :] = last / FULL_SCALE
    window -= window.mean()
    scale = math.sqrt(float(np.mean(np.square(window))) + _VARIANCE_FLOOR)
    window /= scale
    return window


@functools.cache
def _hann() -> npt.NDArray[np.float64]:
    """Periodic, as transforms want it."""
    window: npt.NDArray[np.float64] = 0.5 - 0.5 * np.cos(2 * math.pi * np.arange(_FFT) / _FFT)
    return window


@functools.cache
def _mel_filters() -> npt.NDArray[np.float64]:
    """Shape (201, 80): how much of each bin of the transform each band gets. Triangles of equal area, 0 to 8 kHz."""
    hertz = np.linspace(0, CAPTURE_RATE / 2, _FFT // 2 + 1)
    corners = _hertz(np.linspace(0, _mel(CAPTURE_RATE / 2), BANDS + 2))
    left, middle, right = corners[:-2], corners[1:-1], corners[2:]
    rising = (hertz[:, None] - left) / (middle - left)
    falling = (right - hertz[:, None]) / (right - middle)
    filters: npt.NDArray[np.float64] = np.maximum(0, np.minimum(rising, falling)) * (2 / (right - left))
    return filters


def _mel(hertz: float) -> float:
    return _BREAK_MEL + _MEL_PER_E * math.log(hertz / _BREAK_HZ) if hertz >= _BREAK_HZ else hertz * _BREAK_MEL / _BREAK_HZ


def _hertz(mel: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    hertz: npt.NDArray[np.float64] = np.where(
        mel < _BREAK_MEL, mel * _BREAK_HZ / _BREAK_MEL, _BREAK_HZ * np.exp((mel - _BREAK_MEL) / _MEL_PER_E)
    )
    return hertz
