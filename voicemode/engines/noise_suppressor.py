"""Takes steady noise out of a person's sound: WebRTC's suppressor, where its package loads."""

from __future__ import annotations

from typing import Literal

import numpy as np

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.framing import Framer

__all__ = ["WebrtcSuppressor", "make_suppressor"]

_FRAME = CAPTURE_RATE // 100
"""WebRTC takes 10 ms at a time."""
_LEVELS = {"near_field": 1, "far_field": 2}
"""WebRTC's: 0 takes away 6 dB, 1 12 dB, 2 18 dB, 3 21 dB. Nearer microphones hear less of the room, and words matter more."""


class WebrtcSuppressor:
    """Its filter bank delays the sound by less than 10 ms."""

    def __init__(self, field: Literal["near_field", "far_field"]) -> None:
        """Raises ImportError or OSError where the package is missing or does not load."""
        # Here, for it may be missing, and most sessions never ask for it.
        import pywebrtc_audio

        self._suppressor = pywebrtc_audio.NoiseSuppressor(sample_rate=CAPTURE_RATE, num_channels=1, level=_LEVELS[field])
        self._framer = Framer(_FRAME)

    def process(self, samples: Samples) -> Samples:
        """16 kHz mono int16 of any length; what fills no frame of 10 ms comes out next time."""
        cleaned = [self._suppressor.process(np.ascontiguousarray(frame)) for frame in self._framer.push(samples)]
        whole: Samples = np.concatenate(cleaned) if cleaned else np.zeros(0, np.int16)
        return whole


def make_suppressor(field: Literal["near_field", "far_field"]) -> WebrtcSuppressor | None:
    """A new one with its own state; None where the package does not load: the sound then stays as it is."""
    try:
        return WebrtcSuppressor(field)
    except (ImportError, OSError, RuntimeError):
        return None
