"""When something is looked at again. Time and chance are passed in; whoever sleeps is elsewhere.

Times are seconds of any clock that only grows.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

__all__ = ["Agenda", "backed_off", "jittered"]

SPREAD = 0.2
"""Part of an interval by which it is shortened or lengthened, so that processes that began together do not stay together."""

K = TypeVar("K", bound=Hashable)


def jittered(every_s: float, chance: float) -> float:
    """An interval around ``every_s``; ``chance`` is from 0 to 1, evenly."""
    return every_s * (1 + SPREAD * (2 * chance - 1))


def backed_off(previous_s: float, base_s: float, cap_s: float, chance: float) -> float:
    """The pause after one of ``previous_s`` (0: the first) that did not help.

    Decorrelated jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/.
    """
    return min(cap_s, base_s + chance * (max(base_s, 3 * previous_s) - base_s))


class Agenda(Generic[K]):
    """What is to be done when. A thing that was handed out is not handed out again before it is put back."""

    def __init__(self) -> None:
        self._at: dict[K, float] = {}
        self._out: set[K] = set()

    def put(self, thing: K, at: float) -> None:
        """Do it at this time, and not at any other. Infinite: never, but keep it."""
        self._out.discard(thing)
        self._at[thing] = at

    def take_due(self, now: float) -> list[K]:
        """What is to be done now, the longest due first."""
        due = sorted(
            (thing for thing, at in self._at.items() if at <= now and thing not in self._out), key=self._at.__getitem__
        )
        self._out.update(due)
        return due

    def next_at(self) -> float:
        """When the next thing is due; infinite when nothing is."""
        return min((at for thing, at in self._at.items() if thing not in self._out), default=math.inf)

    def keep_only(self, things: Iterable[K]) -> None:
        """Forget every other one, also what is handed out."""
        kept = set(things)
        self._at = {thing: at for thing, at in self._at.items() if thing in kept}
        self._out &= kept

    def __contains__(self, thing: K) -> bool:
        return thing in self._at
