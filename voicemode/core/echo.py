"""Is the assistant's own voice audible in the microphone?"""

from __future__ import annotations

__all__ = ["EchoMeter"]

_ECHO_DB = 10.0
"""Speech is over its own median half of the time, so a median 10 dB over the room's noise is no accident."""
_ENOUGH_S = 0.3
"""One syllable or two: less could be a click, or the playback's latency."""
_HIGHEST_DB = 96


class EchoMeter:
    """Compares the microphone's level with the noise floor while the far end (the loudspeaker) is active."""

    def __init__(self) -> None:
        self._seconds_by_db = [0.0] * (_HIGHEST_DB + 1)
        """Seconds of active far end by level over the floor, in bins of 1 dB: constant memory, exact enough."""
        self._active_s = 0.0

    @property
    def echo_present(self) -> bool | None:
        """Whether the loudspeaker is heard; None with less than 0.3 s of active far end to judge by."""
        if self._active_s < _ENOUGH_S:
            return None
        below = 0.0
        for db, seconds in enumerate(self._seconds_by_db):
            below += seconds
            if below >= self._active_s / 2:
                return db >= _ECHO_DB
        raise AssertionError("the bins add up to the active seconds")

    def push(self, level_dbfs: float, noise_floor_dbfs: float, far_end_active: bool, seconds: float = 0.01) -> None:
        """Learn from a frame of ``seconds``."""
        if not far_end_active:
            return
        over = int(min(max(level_dbfs - noise_floor_dbfs, 0.0), _HIGHEST_DB))
        self._seconds_by_db[over] += seconds
        self._active_s += seconds
