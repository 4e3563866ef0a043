"""Short sounds that say where the conversation is, for people who want them; the chime for listening is in ``chime``."""

from __future__ import annotations

from voicemode.audio import AudioChunk
from voicemode.core.chime import notes

__all__ = ["thinking_earcon", "turn_ended_earcon"]

_TURN_ENDED_HZ = (880.0, 660.0)
"""The listening chime backwards: what opened is closed."""
_TURN_ENDED_DBFS = -30.0
"""6 dB below the chime: it answers somebody who has just stopped talking and attends to the machine."""
_THINKING_HZ = (440.0,)
_THINKING_DBFS = -36.0
"""Half the amplitude once more, 16 dB below speech: it recurs, and must be easy to ignore."""


def turn_ended_earcon() -> AudioChunk:
    """Two short falling notes, 24 kHz: what you said is being worked on."""
    return notes(_TURN_ENDED_HZ, _TURN_ENDED_DBFS)


def thinking_earcon() -> AudioChunk:
    """One short low note, 24 kHz: it still works. Repeated by the caller, with seconds between."""
    return notes(_THINKING_HZ, _THINKING_DBFS)
