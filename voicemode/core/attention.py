"""Is there anything in the sound that a speech detector must be asked about?

A detector takes most of the work of listening. What is no louder than the room is no speech, and the level tells that.
"""

from __future__ import annotations

__all__ = ["LEAD_FRAMES", "Attention"]

_MARGIN_DB = 3.0
"""Over the noise floor: steady noise scatters as far in 10 ms, so that it is the detector who judges it."""
_LEARNING_S, _LOUDEST_ROOM_DBFS = 1.5, -50.0
"""Whoever speaks from the first sample on is no room: the noise floor needs so long to know."""
_AWAKE_S = 1.0
"""After the last frame that may have been speech: longer than pauses between words."""
LEAD_FRAMES = 10
"""A detector that wakes up hears the last 0.3 s first: without them it takes the first syllable for noise."""
_ROUNDING_S = 1e-6


class Attention:
    """For one stream of sound."""

    def __init__(self) -> None:
        self._heard_s = self._quiet_s = 0.0

    @property
    def is_awake(self) -> bool:
        """Must the detector hear what was pushed last?"""
        return self._quiet_s <= _AWAKE_S + _ROUNDING_S

    def push(self, level_dbfs: float, floor_dbfs: float, seconds: float) -> None:
        """The level of the next 10 ms, and of the room as ``NoiseFloor`` has it: never under -75 dBFS, so dither is quiet."""
        self._heard_s += seconds
        if self._heard_s < _LEARNING_S:
            floor_dbfs = min(floor_dbfs, _LOUDEST_ROOM_DBFS)
        self._quiet_s = 0.0 if level_dbfs > floor_dbfs + _MARGIN_DB else self._quiet_s + seconds
