"""Change the sample rate by a ratio of small numbers with one product of matrices for each block of sound."""

from __future__ import annotations

import functools
import math

import numpy as np
import numpy.typing as npt

from voicemode.audio import Samples

__all__ = ["Floats", "PolyphaseFilter"]

_PASSED = 0.913
"""Of the lower rate's half, up to which all passes; from that half on nothing does. As soxr at HQ."""
_STOPPED_DB = 96.0
"""What is 16 bits."""
_STRIDES = 16
"""A block is 16 times the shortest stretch with a whole number of samples at both rates: 2 ms from 24 to 16 kHz."""
_GRAIN = 2.0**-30
"""Taps are multiples of it: sums of their products with 16-bit samples fit into 53 bits, so that no order of adding matters."""

_ONE_THREAD = 2**18
"""Multiplications from which on OpenBLAS spreads a product over all cores, slower by far where they are busy."""

Floats = npt.NDArray[np.float64]


class PolyphaseFilter:
    """One stream. What comes out does not depend on how the input was cut.

    It is 6.5 ms behind from 24 or 48 to 16 kHz, twice as much where one of the rates is 8 kHz.
    """

    def __init__(self, source: int, target: int) -> None:
        """The smallest whole numbers with the ratio of the rates."""
        self._table, self._past = _table(source, target)
        self._step = _STRIDES * source
        self._most = max(_ONE_THREAD // self._table.size, 1)
        self._waiting: Floats = np.zeros(self._past)
        """The past that the next block needs, and what came since."""

    def push(self, samples: Samples) -> Floats:
        """What becomes complete, unrounded, in the samples' own unit."""
        size, width = len(self._table), self._step
        joined: Floats = np.concatenate((self._waiting, samples), dtype=np.float64)
        count = max((len(joined) - size) // width + 1, 0)
        self._waiting = joined[count * width :].copy()
        # Overlapping rows without a copy, as as_strided makes them, which takes as long as the product.
        rows: Floats = np.ndarray((count, size), np.float64, joined, 0, (width * 8, 8))
        if count <= self._most:
            return (rows @ self._table).reshape(-1)
        parts = (rows[at : at + self._most] @ self._table for at in range(0, count, self._most))
        return np.concatenate([part.reshape(-1) for part in parts])

    def flush(self) -> Floats:
        """The rest, and some zeros behind it. Nothing may be pushed after it."""
        return self.push(np.zeros(len(self._table) + self._step, np.int16))


@functools.cache
def _table(source: int, target: int) -> tuple[Floats, int]:
    """By what a stretch of the input is multiplied for a block of the output; how much of it lies before the block."""
    lower = max(source, target)  # the common rate is source * target; the lower one is that by the larger number
    width = (1 - _PASSED) / (2 * lower)  # of the transition, as a share of the common rate
    half = math.ceil((_STOPPED_DB - 7.95) / (14.36 * width) / 2)
    # A windowed sinc, as long and with the window that Kaiser's formulas give.
    at = np.arange(-half, half + 1)
    cutoff = (1 + _PASSED) / (2 * lower)
    taps = cutoff * np.sinc(cutoff * at) * np.kaiser(len(at), 0.1102 * (_STOPPED_DB - 8.7)) * target
    taps = np.rint(taps / _GRAIN) * _GRAIN
    past = math.ceil(half / target)
    inputs = np.arange(-past, _STRIDES * source + past) * target
    outputs = np.arange(_STRIDES * target) * source
    distance = outputs - inputs[:, None]
    inside = np.abs(distance) <= half
    return np.where(inside, taps[np.where(inside, distance, 0) + half], 0.0), past
