"""How much of the assistant's own voice is left in the echo-cancelled microphone, and so how far a sound there can be trusted.

Nobody is asked whether they wear headphones. While the loudspeaker sounds, the level of what the canceller leaves is compared
with the level of what was played: with headphones nothing is left, on open speakers some 30 dB less than the echo. While the
canceller still learns the room, what it leaves is at most the echo itself, which the raw microphone tells.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

from voicemode.core.echo_lag import Echo
from voicemode.core.level import LOWEST_DBFS

__all__ = ["Residual"]

_FAR_END_MEMORY_S = 0.3
"""For how long what was played may still be heard: an output latency of 250 ms and the first reflections of a room."""
_AUDIBLE_DBFS = -60.0
"""Quieter playback leaves an echo under the noise of any room."""
_LOUD_DB = 12.0
"""Learnt from frames within so much of the loudest playback: beside softer ones the room's noise, or a voice that the detector
missed, would pass for a large part of the echo. A ducked loudspeaker teaches nothing either."""
_PEAK_FALLS_DB_PER_S = 1.0
"""The loudest playback is forgotten at this pace, so that another volume is followed within a message."""

_UNKNOWN_DB = -6.0
"""Echo relative to the far end that is assumed before anything was heard: the loudest that open speakers make."""
_CONVERGED_S = 2.5
"""AEC3 lets nothing through for the first second of far end and too much in the next, while its filter converges (delays up to
0.25 s, simulated rooms); until then only near speech that is louder than the raw echo is believed."""
_ENOUGH_S = 0.3
"""One or two syllables of echo tell how loud it is."""

_QUANTILE = 0.95
"""The expected level is exceeded by one frame in twenty; its scatter is what the margin of whoever asks is for."""
_MEMORY_S = 20.0
"""Rooms change when people move or a lid is closed; what is older than a few sentences counts little."""
_EARLY_MEMORY_S = 1.0
"""The same while the filter converges: what it let through then says nothing about later."""
_DOUBT_S = 0.3
"""Detectors hear a voice late and lose it between words: frames so near to one that may be speech are doubtful too."""
_DOUBTFUL_SHARE = 0.25
"""A doubtful frame counts for so much of a frame. Three seconds of a missed voice in a minute do not move the quantile;
a canceller that leaves nothing but doubtful frames moves it within a second."""


class _Ratios:
    """A histogram of levels relative to the far end, in bins of 1 dB; constant memory."""

    _LOWEST_DB, _HIGHEST_DB = -80, 20
    _MOST_UNIT = 1e9

    def __init__(self) -> None:
        self._bins = [0.0] * (self._HIGHEST_DB - self._LOWEST_DB + 1)
        """In units that grow, so that what was added earlier fades."""
        self._unit, self._total = 1.0, 0.0
        self._at, self._below = 0, 0.0
        """The bin of the quantile when it was last asked for, and the sum of those below it."""

    def add(self, ratio_db: float, seconds: float, fading: float) -> None:
        at = min(max(round(ratio_db), self._LOWEST_DB), self._HIGHEST_DB) - self._LOWEST_DB
        self._unit /= fading
        self._bins[at] += seconds * self._unit
        self._total += seconds * self._unit
        if at < self._at:
            self._below += seconds * self._unit
        if self._unit > self._MOST_UNIT:
            self._bins = [each / self._unit for each in self._bins]
            self._unit, self._total, self._below = 1.0, sum(self._bins), sum(self._bins[: self._at])

    def quantile_db(self) -> float | None:
        """None with less than ``_ENOUGH_S``."""
        if self._total < _ENOUGH_S * self._unit:
            return None
        wanted = _QUANTILE * self._total
        while self._at < len(self._bins) - 1 and self._below + self._bins[self._at] < wanted:
            self._below += self._bins[self._at]
            self._at += 1
        while self._at > 0 and self._below >= wanted:
            self._at -= 1
            self._below -= self._bins[self._at]
        return float(self._at + self._LOWEST_DB)


@dataclass(slots=True)
class _Frame:
    """What may be learnt once it is clear that nobody began to speak just then."""

    at: float
    cleaned_db: float
    raw_db: float
    """Both relative to the far end."""
    seconds: float
    teaches: bool
    """Whether what the canceller left says anything about later."""
    doubtful: bool


class Residual:
    """Learns the ratio of what is left to what was played. One object per pair of devices; it may serve many playbacks."""

    def __init__(self) -> None:
        self._cleaned = _Ratios()
        self._raw = _Ratios()
        self._waiting: deque[_Frame] = deque()
        self._doubtful_until = 0.0
        self._far_end: deque[tuple[float, float]] = deque()
        """Recent far-end levels with the time each one ended, falling: the first is the loudest."""
        self._peak_dbfs = LOWEST_DBFS
        """The loudest playback lately."""
        self._now = 0.0
        self._echo = Echo.KNOWN
        """In the last frame."""
        self._heard_s = 0.0
        """Seconds of audible far end so far."""

    @property
    def far_end_audible(self) -> bool:
        """May something of what was played be heard in this frame?"""
        return self._loudest_dbfs() > _AUDIBLE_DBFS

    @property
    def settled(self) -> bool:
        """Has enough been heard for the canceller to have converged and for the ratio to be known?"""
        return self._echo is Echo.KNOWN and self._converged and self._cleaned.quantile_db() is not None

    @property
    def ratio_db(self) -> float:
        """What the echo that is left hardly exceeds, relative to the far end; that of the raw echo until it has ``settled``.

        That of the raw echo, too, where the canceller may miss it; and no less than the loudest open speakers make where none
        was known: who took headphones off just now has taught that there is none.
        """
        known = self._echo is Echo.KNOWN
        cleaned_db = self._cleaned.quantile_db() if known and self._converged else None
        if cleaned_db is not None:
            return cleaned_db
        raw_db = self._raw.quantile_db()
        if self._echo is Echo.LOST and raw_db is not None:
            return raw_db
        if not known:
            return _UNKNOWN_DB if raw_db is None else max(raw_db, _UNKNOWN_DB)
        return _UNKNOWN_DB if raw_db is None else min(raw_db, _UNKNOWN_DB)

    @property
    def _converged(self) -> bool:
        return self._heard_s >= _CONVERGED_S

    @property
    def expected_dbfs(self) -> float:
        """The level that the echo left in this frame hardly exceeds; -96 while the loudspeaker is silent."""
        if not self.far_end_audible:
            return LOWEST_DBFS
        return max(self._loudest_dbfs() + self.ratio_db, LOWEST_DBFS)

    @property
    def raw_dbfs(self) -> float:
        """The level that the echo hardly exceeds before it is cancelled; -96 while the loudspeaker is silent."""
        raw_db = self._raw.quantile_db()
        if not self.far_end_audible:
            return LOWEST_DBFS
        return max(self._loudest_dbfs() + (_UNKNOWN_DB if raw_db is None else raw_db), LOWEST_DBFS)

    def push(self, far_end_dbfs: float, seconds: float, *, echo: Echo = Echo.KNOWN) -> None:
        """A frame passed in which the loudspeaker played at this level."""
        self._now += seconds
        self._echo = echo
        if echo is Echo.NEW:  # what was learnt with headphones says nothing about open speakers
            self._heard_s = 0.0
            self._cleaned, self._raw = _Ratios(), _Ratios()
            self._waiting.clear()
        while self._far_end and self._far_end[-1][1] <= far_end_dbfs:
            self._far_end.pop()
        self._far_end.append((self._now, far_end_dbfs))
        while self._now - self._far_end[0][0] > _FAR_END_MEMORY_S:
            self._far_end.popleft()
        self._peak_dbfs = max(self._peak_dbfs - _PEAK_FALLS_DB_PER_S * seconds, far_end_dbfs)
        if far_end_dbfs > _AUDIBLE_DBFS:
            self._heard_s += seconds
        while self._waiting and self._now - self._waiting[0].at > _DOUBT_S:
            self._count(self._waiting.popleft())

    def learn(self, cleaned_dbfs: float, raw_dbfs: float, seconds: float, *, doubtful: bool) -> None:
        """The last frame pushed held nothing but echo and noise, at these levels after and before cancellation, as it seems.

        ``doubtful``: it may have held a voice as well, and so may its neighbours.
        """
        if doubtful:
            self._doubtful_until = self._now + _DOUBT_S
            for frame in self._waiting:
                frame.doubtful = True
        loudest_dbfs = self._loudest_dbfs()
        if not self.far_end_audible or loudest_dbfs < self._peak_dbfs - _LOUD_DB:
            return
        doubtful = self._now <= self._doubtful_until
        self._waiting.append(
            _Frame(
                self._now,
                cleaned_dbfs - loudest_dbfs,
                raw_dbfs - loudest_dbfs,
                seconds,
                self._echo in (Echo.KNOWN, Echo.NEW),
                doubtful,
            )
        )

    def _count(self, frame: _Frame) -> None:
        seconds = frame.seconds * (_DOUBTFUL_SHARE if frame.doubtful else 1.0)
        self._raw.add(frame.raw_db, seconds, math.exp(-seconds / _MEMORY_S))
        memory_s = _MEMORY_S if self._converged else _EARLY_MEMORY_S
        if frame.teaches:
            self._cleaned.add(frame.cleaned_db, seconds, math.exp(-seconds / memory_s))

    def _loudest_dbfs(self) -> float:
        return self._far_end[0][1] if self._far_end else LOWEST_DBFS
