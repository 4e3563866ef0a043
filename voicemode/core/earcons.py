"""A short sound that says where the conversation is, for people who want it; the chime for listening is in ``chime``."""

from __future__ import annotations

from voicemode.audio import AudioChunk
from voicemode.core.chime import notes

__all__ = ["turn_ended_earcon"]

_TURN_ENDED_HZ = (880.0, 660.0)
"""The listening chime backwards: what opened is closed."""
_TURN_ENDED_DBFS = -30.0
"""6 dB below the chime: it answers somebody who has just stopped talking and attends to the machine."""


def turn_ended_earcon() -> AudioChunk:
    """Two short falling notes, 24 kHz: what you said is being worked on."""
    return notes(_TURN_ENDED_HZ, _TURN_ENDED_DBFS)
