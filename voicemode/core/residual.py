"""How much of the assistant's own voice is left in the echo-cancelled microphone, and so how far a sound there can be trusted.

Nobody is asked whether they wear headphones. While the loudspeaker sounds, the level of what the canceller leaves is compared
with the level of what was played: with headphones nothing is left, on open speakers some 30 dB less than the echo, and with a
canceller that has not converged all of it.
"""

from __future__ import annotations

import math
from collections import deque

from voicemode.core.level import LOWEST_DBFS

__all__ = ["Residual"]

_FAR_END_MEMORY_S = 0.3
"""For how long what was played may still be heard: an output latency of 250 ms and the first reflections of a room."""
_AUDIBLE_DBFS = -60.0
"""Quieter playback leaves an echo under the noise of any room."""
_USUAL_DB = -20.0
"""Assumed residual relative to the far end before anything was learnt: AEC3 takes off 10 to 15 dB before it has converged, and
loudspeakers are 6 to 30 dB softer at the microphone than they are driven."""
_CONVERGED_S = 1.0
"""AEC3 needs about a second of far end for its filter; until then only near speech that is clearly louder is believed."""
_EARLY_DB = 10.0
"""How much more than the usual residual may be left of the echo before the filter has converged."""
_QUANTILE = 0.95
"""The expected residual is exceeded by one frame in twenty; its scatter is what the margin of whoever asks is for."""
_MEMORY_S = 20.0
"""Rooms change when people move or a lid is closed; what is older than a few sentences counts little."""
_ENOUGH_S = 0.5
_LOWEST_RATIO_DB, _HIGHEST_RATIO_DB = -80, 20


class Residual:
    """Learns the ratio of what is left to what was played. One object per pair of devices; it may serve many playbacks."""

    def __init__(self) -> None:
        self._seconds_by_db = [0.0] * (_HIGHEST_RATIO_DB - _LOWEST_RATIO_DB + 1)
        """Seconds of echo by its level relative to the far end, in bins of 1 dB; they fade with ``_MEMORY_S``."""
        self._far_end: deque[tuple[float, float]] = deque()
        """Recent far-end levels with the time each one ended, falling: the first is the loudest."""
        self._now = 0.0
        self._heard_s = 0.0
        """Seconds of audible far end so far."""

    @property
    def far_end_audible(self) -> bool:
        """May something of what was played be heard in this frame?"""
        return self._loudest_dbfs() > _AUDIBLE_DBFS

    @property
    def settled(self) -> bool:
        """Has enough been heard for the canceller to have converged and for the ratio to be known?"""
        return self._heard_s >= _CONVERGED_S and sum(self._seconds_by_db) >= _ENOUGH_S

    @property
    def ratio_db(self) -> float:
        """What the echo that is left hardly exceeds, relative to the far end; an assumption until it has ``settled``."""
        learnt_db = self._quantile_db()
        if self.settled and learnt_db is not None:
            return learnt_db
        early_db = _EARLY_DB * max(1.0 - self._heard_s / _CONVERGED_S, 0.0)
        return max(_USUAL_DB, learnt_db if learnt_db is not None else _USUAL_DB) + early_db

    @property
    def expected_dbfs(self) -> float:
        """The level that the echo left in this frame hardly exceeds; -96 while the loudspeaker is silent."""
        if not self.far_end_audible:
            return LOWEST_DBFS
        return max(self._loudest_dbfs() + self.ratio_db, LOWEST_DBFS)

    def push(self, far_end_dbfs: float, seconds: float) -> None:
        """A frame passed in which the loudspeaker played at this level."""
        self._now += seconds
        while self._far_end and self._far_end[-1][1] <= far_end_dbfs:
            self._far_end.pop()
        self._far_end.append((self._now, far_end_dbfs))
        while self._now - self._far_end[0][0] > _FAR_END_MEMORY_S:
            self._far_end.popleft()
        if far_end_dbfs > _AUDIBLE_DBFS:
            self._heard_s += seconds

    def learn(self, cleaned_dbfs: float, seconds: float) -> None:
        """The last frame pushed held nothing but echo and noise, at this level after cancellation."""
        if not self.far_end_audible:
            return
        fading = math.exp(-seconds / _MEMORY_S)
        self._seconds_by_db = [bin_s * fading for bin_s in self._seconds_by_db]
        ratio = round(cleaned_dbfs - self._loudest_dbfs())
        at = min(max(ratio, _LOWEST_RATIO_DB), _HIGHEST_RATIO_DB) - _LOWEST_RATIO_DB
        self._seconds_by_db[at] += seconds

    def reset(self) -> None:
        """Other devices: forget all."""
        self.__init__()  # type: ignore[misc]

    def _loudest_dbfs(self) -> float:
        return self._far_end[0][1] if self._far_end else LOWEST_DBFS

    def _quantile_db(self) -> float | None:
        wanted, below = _QUANTILE * sum(self._seconds_by_db), 0.0
        for index, seconds in enumerate(self._seconds_by_db):
            below += seconds
            if below >= wanted and below > 0:
                return float(index + _LOWEST_RATIO_DB)
        return None
