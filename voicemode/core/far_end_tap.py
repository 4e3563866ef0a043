"""The far end, read late: as it was some samples ago, between samples too."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from voicemode.audio import CAPTURE_RATE

__all__ = ["FRAME", "MOST_DELAY", "FarEndTap", "Floats"]

Floats: TypeAlias = NDArray[np.float32]

FRAME = CAPTURE_RATE // 100
"""10 ms, by which it is fed."""
MOST_DELAY = CAPTURE_RATE // 2
"""As much as EchoLag looks for."""
_TAPS = 8
"""On either side of the place between samples; the error is under -40 dB up to 6 kHz."""
_PLACES = 256
"""Between two samples: beside the nearest of them the far end is under 1/256 sample wrong, -40 dB at 4 kHz."""


class FarEndTap:
    """The far end as it was some samples ago, between samples too."""

    def __init__(self, position: float, *, reach: int = FRAME) -> None:
        """``reach``: how many samples are read at once, at most."""
        self._past: Floats = np.zeros(MOST_DELAY + reach + 2 * _TAPS + FRAME, np.float32)
        self.position = position
        """How many samples ago the end of what ``read`` gives was."""
        at = np.arange(1 - _TAPS, _TAPS + 1) - np.arange(_PLACES)[:, None] / _PLACES
        self._between: Floats = (np.sinc(at) * np.cos(np.pi * at / (2 * _TAPS)) ** 2).astype(np.float32)
        """For each place between two samples, what the samples around it weigh."""

    def push(self, far: Floats) -> None:
        self._past[:-FRAME] = self._past[FRAME:]
        self._past[-FRAME:] = far

    def move(self, samples: float) -> None:
        """Read from further back; never from what has not come yet."""
        self.position = min(max(self.position + samples, float(_TAPS)), float(MOST_DELAY))

    def read(self, samples: int = FRAME) -> Floats:
        """The newest there."""
        begins = len(self._past) - samples - self.position
        whole = math.floor(begins)
        taps = self._between[int((begins - whole) * _PLACES)]
        return np.correlate(self._past[whole - _TAPS + 1 : whole + _TAPS + samples], taps, "valid")

    def forget(self) -> None:
        """What was played is over."""
        self._past[:] = 0.0
