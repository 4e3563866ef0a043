"""How long does this person pause in mid-turn? Learnt from the pauses that turned out not to be the end."""

from __future__ import annotations

__all__ = ["SpeakerPauses"]

_GAIN = 0.25
"""Share of a new pause in the mean. RFC 6298 takes 1/8 for a flow of hundreds of samples; a talk has a dozen pauses."""
_SPREAD_GAIN = 0.25
"""Share of a new deviation in the spread, as in RFC 6298."""
_SPREADS = 1.0
"""Mean and one mean deviation: about five pauses of six are shorter."""
_MOST_S = 2.0
"""Whoever is silent for longer has left the sentence; learning from it would make every later turn wait."""


class SpeakerPauses:
    """One person's pauses, for as long as the session lasts. Seconds of silence."""

    def __init__(self) -> None:
        self._mean: float | None = None
        self._spread = 0.0
        self._count = 0

    @property
    def count(self) -> int:
        """How many pauses it has learnt from."""
        return self._count

    @property
    def usual_s(self) -> float | None:
        """A pause that this person hardly exceeds, 0 to 4; None before the first."""
        return None if self._mean is None else self._mean + _SPREADS * self._spread

    def resumed(self, pause_s: float) -> None:
        """After this much silence the person went on, in the same turn."""
        pause_s = min(max(pause_s, 0.0), _MOST_S)
        self._count += 1
        if self._mean is None:
            self._mean = pause_s
            return
        self._spread += _SPREAD_GAIN * (abs(pause_s - self._mean) - self._spread)
        self._mean += _GAIN * (pause_s - self._mean)
