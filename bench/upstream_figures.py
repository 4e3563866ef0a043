"""What the measurement of an upstream makes of what was taken. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["BAR_MS", "Added", "Answer", "added"]

BAR_MS = 10.0
"""Of the 95th percentile, added by the server in between (issue 7, "Done when" 4)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer, in seconds of a clock that both ends share."""

    asked_at: float
    """The client sent ``response.create``."""
    came_at: tuple[float, ...]
    """Each delta of sound at the client."""
    left_at: tuple[float, ...]
    """Each of them at the upstream."""
    there_and_back_s: float = 0.0
    """Of a message that is answered at once by whoever the client is connected to, just before."""

    @property
    def first_ms(self) -> float:
        return (self.came_at[0] - self.asked_at) * 1000

    @property
    def deltas_ms(self) -> list[float]:
        """How long each was on its way. Raises ValueError where one is missing or was made into two."""
        return [(came - left) * 1000 for came, left in zip(self.came_at, self.left_at, strict=True)]


@dataclass(frozen=True, slots=True)
class Added:
    """Of one figure, ms: without the server in between, and with it."""

    name: str
    count: int
    direct_p50: float
    direct_p95: float
    through_p50: float
    through_p95: float

    @property
    def p50(self) -> float:
        return self.through_p50 - self.direct_p50

    @property
    def p95(self) -> float:
        return self.through_p95 - self.direct_p95

    @property
    def kept(self) -> bool:
        return self.p95 <= BAR_MS


def added(direct: Sequence[Answer], through: Sequence[Answer]) -> list[Added]:
    """Until the first sound, and for each delta; and the same of a message that no upstream is asked about.

    What the last one has is the machine's: two programs that are woken up one after the other.
    """
    first = _added("response.create to the first sound", [a.first_ms for a in direct], [a.first_ms for a in through])
    each = [[ms for answer in answers for ms in answer.deltas_ms] for answers in (direct, through)]
    control = [[answer.there_and_back_s * 1000 for answer in answers] for answers in (direct, through)]
    return [first, _added("each delta of sound, upstream to client", *each), _added("control: no upstream asked", *control)]


def _added(name: str, direct: Sequence[float], through: Sequence[float]) -> Added:
    figures = [float(np.percentile(values, at)) for values in (direct, through) for at in (50, 95)]
    return Added(name, min(len(direct), len(through)), *figures)
