"""When to begin transcribing an utterance that may not be over.

Begun early, the words are there when the turn ends; begun too early, every pause for thought is an upload for nothing. So it
begins as late as the engine's own pace allows.
"""

from __future__ import annotations

from collections import deque

__all__ = ["StreamTrust", "TranscriptionPace", "stream_after_s"]

_EARLIEST_S = 0.2
"""Silence before which nobody speculates: pauses between words are shorter."""
_UNKNOWN_S = 0.1
"""Assumed of an engine not heard from yet. Too little costs its first turn a moment, too much an upload at every pause."""
_HEADROOM = 1.2
_MARGIN_S = 0.05
_REMEMBERED = 5
_QUICK_S = 0.3
"""A pause is noticed after 0.2 s and ends no turn before 0.5 s: words that take so long are there in time."""
_LONG_S = 10.0
"""Seconds of speech of which a stream reads less, at a pause, than an upload does. Of shorter speech it reads as much, and what
it is reading just then comes first. Measured: docs/turns.md."""
_MOST_PATIENCE_S = 1.0
"""Twice what a turn waits at least: later than that, somebody waits for the words alone."""


class TranscriptionPace:
    """How long transcriptions take, learnt from the last few."""

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_REMEMBERED)

    def note(self, seconds: float) -> None:
        """A transcription took this long, >= 0."""
        self._recent.append(seconds)

    @property
    def expected_s(self) -> float:
        """Seconds the next one will hardly exceed."""
        return max(self._recent, default=_UNKNOWN_S)

    def speculate_after_s(self, silence_s: float) -> float:
        """Seconds of silence after which to begin, where ``silence_s`` ends the turn; never more than ``silence_s``."""
        latest = silence_s - _HEADROOM * self.expected_s - _MARGIN_S
        return min(max(latest, _EARLIEST_S), silence_s)


def stream_after_s(pace: TranscriptionPace) -> float:
    """Seconds of speech after which to write it down while it goes on.

    At once where the engine is quick. One that is not would be slower at the pause for having been busy before; of long speech
    it has less left to read.
    """
    return 0.0 if pace.expected_s <= _QUICK_S else _LONG_S


class StreamTrust:
    """How long a stream is waited for before the whole recording is transcribed beside it.

    Not at all while it has not shown that it works; then, as long as it took the last few times. So one that hangs costs
    nothing the first time, and later no more than it used to take.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_REMEMBERED)

    def worked(self, seconds: float) -> None:
        """Its words came first, after so long, >= 0."""
        self._recent.append(seconds)

    def failed(self) -> None:
        """It broke, or was too slow."""
        self._recent.clear()

    @property
    def patience_s(self) -> float:
        """Seconds to wait."""
        if not self._recent:
            return 0.0
        return min(_HEADROOM * max(self._recent) + _MARGIN_S, _MOST_PATIENCE_S)
