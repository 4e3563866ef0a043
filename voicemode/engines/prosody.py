"""The judge that needs no model: prosody, in this process."""

from __future__ import annotations

from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.core.prosody import prosody_score, read_prosody

__all__ = ["PROSODY", "ProsodyScorer"]

PROSODY = "prosody"


class ProsodyScorer:
    """A TurnScorer. It costs a few milliseconds a call, has nothing to prepare, and keeps nothing between calls."""

    name = used = PROSODY
    problem = ""

    async def prepare(self) -> None:
        """Nothing to do."""

    async def score(self, utterance: AudioChunk) -> float:
        """How likely the person has finished, 0 to 1; 0.5 where there is no speech. Raises ValueError unless 16 kHz."""
        if utterance.sample_rate != CAPTURE_RATE:
            raise ValueError(f"the scorer takes {CAPTURE_RATE} Hz, not {utterance.sample_rate}")
        return prosody_score(read_prosody(utterance.samples))

    async def aclose(self) -> None:
        """Nothing to do."""
