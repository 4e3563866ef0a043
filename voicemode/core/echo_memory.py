"""The last seconds of an echo: what came in, what was played, and what a canceller made of it, to be heard once more."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from voicemode.audio import Samples
from voicemode.core.linear_echo import FRAME, REACH

__all__ = ["EchoMemory", "Past"]

_FRAMES = 500
"""5 s. Somebody who is soft, and speaks while the echo is still being learnt, is known to speak after 4.4 s at most (128 voices
6 dB under the echo)."""
_BEFORE = -(-REACH // FRAME)
"""Frames of far end before the first: its echo is in them."""
_KEPT = _BEFORE + _FRAMES


class Past(NamedTuple):
    """16 kHz mono PCM; the first three equally long, whole frames of 10 ms."""

    near: Samples
    far: Samples
    cleaned: Samples
    before: Samples
    """The far end right before them, as far as an echo reaches."""


class EchoMemory:
    """One per microphone."""

    def __init__(self) -> None:
        self._frames: Samples = np.zeros((_KEPT, 3, FRAME), np.int16)
        self._pushed = self._since = 0

    def push(self, near: Samples, far: Samples, cleaned: Samples) -> None:
        """The next frame."""
        self._frames[self._pushed % _KEPT] = near, far, cleaned
        self._pushed += 1

    def forget(self) -> None:
        """What is known from now on was not true before."""
        self._since = self._pushed

    def clear(self) -> None:
        """Nothing was played for longer than an echo lasts."""
        if self._pushed:
            self._frames[:] = 0
            self._pushed = self._since = 0

    def past(self, *, but: int = 0) -> Past:
        """All that is worth hearing again, now that so many frames have passed that were not pushed."""
        frames = max(min(self._pushed - self._since, _FRAMES - but), 0)
        order = np.arange(self._pushed - frames - _BEFORE, self._pushed) % _KEPT
        kept = self._frames[order]
        near, far, cleaned = (kept[_BEFORE:, each].reshape(-1) for each in range(3))
        return Past(near, far, cleaned, kept[:_BEFORE, 1].reshape(-1))
