"""Change the sample rate of a stream, block by block."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import soxr

from voicemode.audio import FULL_SCALE, Samples
from voicemode.core.polyphase import PolyphaseFilter

__all__ = ["StreamResampler"]

_SMALL = 3
"""Ratios of numbers up to it, as between 8, 16, 24 and 48 kHz, have a filter of their own."""


class StreamResampler:
    """int16 in, int16 out; what comes out does not depend on how the input was cut into blocks.

    Between the usual rates by ``PolyphaseFilter``, whose output is 4 to 13 ms behind the input, and which takes two thirds of
    soxr's time. Else by soxr at HQ with its variable-rate engine: its output is a steady 10 to 15 ms behind, where the
    fixed-rate one works in bursts and is 6 to 58 ms behind (soxr 1.1, 10 ms blocks).
    """

    def __init__(self, source_rate: int, target_rate: int) -> None:
        """Rates in hertz, > 0. Equal rates pass every block through unchanged."""
        if source_rate <= 0 or target_rate <= 0:
            raise ValueError(f"cannot resample {source_rate} Hz to {target_rate} Hz")
        self._source_rate = source_rate
        self._target_rate = target_rate
        self._stream: _Soxr | PolyphaseFilter | None = None
        """The state of the running stream; None while nothing was pushed since the start or the last flush."""
        self._pushed = 0
        self._pulled = 0

    def push(self, samples: Samples) -> Samples:
        """The output that ``samples`` completes; empty while the filter fills."""
        if self._source_rate == self._target_rate:
            return samples
        if self._stream is None:
            self._stream = _stream(self._source_rate, self._target_rate)
        self._pushed += len(samples)
        return self._rounded(self._stream.push(samples))

    def flush(self) -> Samples:
        """The rest of the stream: in total round(pushed * target / source) samples. The next push starts a new one."""
        if self._stream is None:
            return np.zeros(0, dtype=np.int16)
        wanted = round(self._pushed * self._target_rate / self._source_rate)
        missing = wanted - self._pulled
        rest = self._rounded(self._stream.flush())
        self._stream, self._pushed, self._pulled = None, 0, 0
        # soxr's variable-rate engine may stop a sample early; holding the last one is no click.
        held: Samples = np.repeat(rest[-1:], max(missing - len(rest), 0))
        whole: Samples = np.concatenate((rest, held))
        return whole[: max(missing, 0)]

    def _rounded(self, out: npt.NDArray[np.float32] | npt.NDArray[np.float64]) -> Samples:
        self._pulled += len(out)
        # Filters overshoot at full scale: without the clip the sign would flip, which is a loud click.
        loud = np.rint(out)
        scaled: Samples = np.maximum(np.minimum(loud, FULL_SCALE - 1), -FULL_SCALE).astype(np.int16)  # quicker than np.clip
        return scaled


class _Soxr:
    """As PolyphaseFilter, for any two rates."""

    def __init__(self, source_rate: int, target_rate: int) -> None:
        self._stream = soxr.ResampleStream(source_rate, target_rate, 1, dtype="float32", quality="HQ", vr=True)

    def push(self, samples: Samples) -> npt.NDArray[np.float32]:
        return self._pull(samples, last=False)

    def flush(self) -> npt.NDArray[np.float32]:
        return self._pull(np.zeros(0, np.int16), last=True)

    def _pull(self, samples: Samples, *, last: bool) -> npt.NDArray[np.float32]:
        chunk = np.multiply(samples, np.float32(1 / FULL_SCALE), dtype=np.float32)
        out: npt.NDArray[np.float32] = self._stream.resample_chunk(chunk, last=last) * np.float32(FULL_SCALE)
        return out


def _stream(source_rate: int, target_rate: int) -> _Soxr | PolyphaseFilter:
    common = math.gcd(source_rate, target_rate)
    source, target = source_rate // common, target_rate // common
    return PolyphaseFilter(source, target) if max(source, target) <= _SMALL else _Soxr(source_rate, target_rate)
