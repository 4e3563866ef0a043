"""When something is looked at again. Time and chance are passed in; whoever sleeps is elsewhere.

Times are seconds of any clock that only grows.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

__all__ = ["Agenda", "Pace", "Sight", "backed_off", "jittered"]

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


class Sight(StrEnum):
    """What a look at a port of this machine showed."""

    FOUND = "found"
    """What was looked for."""
    STRANGER = "stranger"
    """Something else answers there."""
    SILENT = "silent"
    """It accepts and does not answer in time, or is in trouble: busy, or loading."""
    ABSENT = "absent"
    """Nothing listens."""


@dataclass(frozen=True, slots=True)
class Pace:
    """After how many seconds something is looked at again, on the average."""

    absent_s: float = 3.0
    """A service that is started is found within so many seconds; refusing a connection costs this machine nothing."""
    silent_s: float = 10.0
    found_s: float = 15.0
    """Another program may have taken its port."""
    stranger_s: float = 30.0
    """Somebody's web app, whose log should not fill up with our questions."""
    named_s: float = 60.0
    """A named endpoint of this machine may have been given other models or voices."""
    down_s: float = 1.0
    """An endpoint that could not be reached, at first; then longer and longer, up to the next two."""
    down_local_s: float = 5.0
    down_remote_s: float = 60.0
    tick_s: float = 0.5
    """How often to see whether somebody has become unreachable."""

    def after_port(self, sight: Sight, chance: float) -> float:
        """When a known port is looked at again."""
        pauses = {
            Sight.ABSENT: self.absent_s,
            Sight.SILENT: self.silent_s,
            Sight.FOUND: self.found_s,
            Sight.STRANGER: self.stranger_s,
        }
        return jittered(pauses[sight], chance)

    def after_named(self, *, remote: bool, answered: bool, chance: float) -> float:
        """When a named endpoint that is not known to be down is asked again what it has. A remote one that answered: never."""
        return math.inf if remote and answered else jittered(self.named_s, chance)

    def while_down(self, previous_s: float, *, remote: bool, chance: float) -> float:
        """When an endpoint that cannot be reached is asked again; ``previous_s`` is the pause before, 0 at first."""
        return backed_off(previous_s, self.down_s, self.down_remote_s if remote else self.down_local_s, chance)


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
