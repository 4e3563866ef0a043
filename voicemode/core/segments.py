"""Speech probabilities, frame by frame, become segments: stretches of speech with their times, cut where somebody paused.

An utterance of a conversation ends once; a recording goes on, so here segments follow one another. Short remarks are merged,
because engines understand a sentence better than its halves, and long ones are cut, because Whisper hears 30 s at a time.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from voicemode.core.speech_gate import SpeechGate

__all__ = ["Segment", "SegmentOptions", "Segmenter"]

_SURE_S = 0.5
"""The gate is sure of speech no later than this after it began."""

_DIP_S = 0.2
"""How long a moment is weighed when a segment must be cut without a pause: about a syllable."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech. Times are seconds since the first frame; 0 <= start < end."""

    start: float
    end: float


@dataclass(frozen=True, slots=True)
class SegmentOptions:
    """All in seconds."""

    longest_s: float = 30.0
    """No segment is longer: Whisper's window."""
    enough_s: float = 8.0
    """What is shorter goes on over a short pause: about as much as two lines of subtitles hold."""
    short_pause_s: float = 0.4
    """Ends a segment that is long enough. Pauses within a sentence are shorter."""
    long_pause_s: float = 1.0
    """Ends every segment."""
    margin_s: float = 0.2
    """Left before the first and after the last syllable, which begin and end softly."""

    def __post_init__(self) -> None:
        ordered = 0 <= 2 * self.margin_s <= self.short_pause_s <= self.long_pause_s < self.enough_s <= self.longest_s / 2
        if not ordered:
            raise ValueError(f"these do not fit together: {self}")


class Segmenter:
    """Segments in order, never overlapping, each given as soon as its end is known. Time is the sum of the seconds pushed."""

    def __init__(self, options: SegmentOptions | None = None) -> None:
        self._options = options or SegmentOptions()
        self._gate = SpeechGate(min_speech_s=0.09)
        self._now = 0.0
        self._free_from = 0.0
        """Where the last segment ended."""
        self._begin: float | None = None
        """Where the open segment begins; None without one."""
        self._voiced_until = 0.0
        self._frames: deque[tuple[float, float]] = deque()
        """Of the open segment: when each frame ended, and its probability."""

    @property
    def needed_from(self) -> float:
        """No segment that is still to come begins before this time."""
        if self._begin is not None:
            return self._begin
        return max(self._free_from, self._now - self._options.margin_s - _SURE_S)

    def push(self, probability: float, seconds: float) -> Segment | None:
        """Learn how likely the next frame is speech; the segment that is over with it, if one is."""
        is_open = self._gate.push(probability, seconds)
        self._now += seconds
        if is_open:
            self._voiced_until = self._now
            if self._begin is None:
                began = self._gate.opened_at if self._gate.opened_at is not None else self._now
                self._begin = max(began - self._options.margin_s, self._free_from)
        if self._begin is None:
            return None
        self._frames.append((self._now, probability))
        if self._now - self._voiced_until >= self._wanted_pause_s(self._begin):
            return self._close(self._begin)
        if self._now + seconds > self._begin + self._options.longest_s:
            return self._cut(self._begin) if is_open else self._close(self._begin)
        return None

    def finish(self) -> Segment | None:
        """The sound is over; the last segment, if one was open."""
        return None if self._begin is None else self._close(self._begin)

    def _wanted_pause_s(self, begin: float) -> float:
        enough = self._voiced_until - begin >= self._options.enough_s
        return self._options.short_pause_s if enough else self._options.long_pause_s

    def _close(self, begin: float) -> Segment:
        self._begin = None
        self._frames.clear()
        self._free_from = min(self._voiced_until + self._options.margin_s, self._now)
        return Segment(begin, self._free_from)

    def _cut(self, begin: float) -> Segment:
        """End the open segment in the middle of speech, where it is weakest, and go on with the rest."""
        at = self._weakest(begin + self._options.longest_s / 2)
        while self._frames and self._frames[0][0] <= at:
            self._frames.popleft()
        self._begin = self._free_from = at
        return Segment(begin, at)

    def _weakest(self, earliest: float) -> float:
        """The middle of the weakest moment after ``earliest``; the last one of equals."""
        recent: deque[tuple[float, float]] = deque()
        weight, least, found = 0.0, float("inf"), self._now
        for end, probability in self._frames:
            if end < earliest:
                continue
            recent.append((end, probability))
            weight += probability
            while end - recent[0][0] > _DIP_S:
                weight -= recent.popleft()[1]
            if end - earliest >= _DIP_S and weight / len(recent) <= least:
                least, found = weight / len(recent), recent[len(recent) // 2][0]
        return found
