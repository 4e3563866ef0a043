"""Turn a detector's probabilities into open and closed, with hysteresis."""

from __future__ import annotations

__all__ = ["SpeechGate"]

_ROUNDING_S = 1e-6
"""Sums of frame lengths miss the round figure by less than this."""


class SpeechGate:
    """Opens after ``min_speech_s`` of speech, closes on the first frame that is clearly none.

    Time is the sum of the seconds pushed.
    """

    def __init__(self, on: float = 0.5, off: float = 0.35, min_speech_s: float = 0.06) -> None:
        """``on`` starts speech, ``off`` ends it (Silero's own pair); 0 < off <= on <= 1.

        ``min_speech_s`` keeps a click, which fills one frame of 30 ms, from opening the gate.
        """
        if not 0 < off <= on <= 1 or min_speech_s < 0:
            raise ValueError(f"not a gate: on {on}, off {off}, min_speech_s {min_speech_s}")
        self._on = on
        self._off = off
        self._min_speech_s = min_speech_s
        self._now = 0.0
        self._since: float | None = None
        """When the run of speech frames began that has opened the gate or may still do so; None without one."""
        self._open = False

    @property
    def is_open(self) -> bool:
        """Is somebody speaking?"""
        return self._open

    @property
    def opened_at(self) -> float | None:
        """When the first frame above ``on`` began, which is before the gate was sure; None while it is closed."""
        return self._since if self._open else None

    def push(self, probability: float, seconds: float) -> bool:
        """Learn how likely the next frame is speech; returns whether the gate is open after it."""
        began = self._now
        self._now += seconds
        if self._since is None:
            self._since = began if probability >= self._on else None
        elif probability < self._off:
            self._since = None
        self._open = self._since is not None and self._now - self._since >= self._min_speech_s - _ROUNDING_S
        return self._open
