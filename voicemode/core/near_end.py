"""Measure what the microphone hears while the assistant plays: from sound to the facts that ``Interruption`` judges."""

from __future__ import annotations

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.framing import Framer
from voicemode.core.interruption import NearEnd
from voicemode.core.level import Leveller, NoiseFloor, rms_dbfs
from voicemode.interfaces import SpeechDetector

__all__ = ["FRAME_SAMPLES", "NearEndMeter"]

FRAME_SAMPLES = CAPTURE_RATE // 100
"""10 ms at 16 kHz: what an echo canceller takes, and the grain of every decision."""


class NearEndMeter:
    """One stream of 10 ms frames."""

    def __init__(self, detector: SpeechDetector) -> None:
        """``detector`` is this meter's alone; it is reset here."""
        detector.reset()
        self._detector = detector
        self._framer = Framer(detector.frame_samples)
        self._leveller = Leveller()
        self._floor = NoiseFloor()
        self._probability = 0.0

    def push(self, raw: Samples, cleaned: Samples, far_end: Samples) -> NearEnd:
        """The facts of 10 ms: the microphone before and after echo cancellation, and what the loudspeaker played.

        Each has ``FRAME_SAMPLES`` samples of 16 kHz mono PCM.
        """
        for frame in self._framer.push(cleaned):
            self._probability = self._detector.probability(self._leveller.push(frame))
        cleaned_dbfs = rms_dbfs(cleaned)
        seconds = len(cleaned) / CAPTURE_RATE
        return NearEnd(
            seconds=seconds,
            probability=self._probability,
            cleaned_dbfs=cleaned_dbfs,
            raw_dbfs=rms_dbfs(raw),
            far_end_dbfs=rms_dbfs(far_end),
            noise_floor_dbfs=self._floor.push(cleaned_dbfs, seconds),
        )
