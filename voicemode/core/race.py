"""One request and the endpoints that may serve it: who is asked when, and who is given up.

The first is asked. When it fails, the next one is. When it is later than usual, the next one is asked beside it (a *hedge*),
and whoever answers first has won; the other is dropped. Never more than two are asked at the same time.

A hedge is not free. It does not carry a person's words off this machine only because a service on it is slow, and an engine of
last resort is worse than a wait: both are asked only once the first is so late that it counts as lost.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = ["Drop", "Lost", "Race", "Runner", "Start", "Wait"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Runner:
    """An endpoint that may be asked."""

    name: str
    late_s: float
    """Seconds after which it is later than usual, and a hedge may start."""
    lost_s: float
    """Seconds after which nobody waits for it if anyone else can be asked; at least ``late_s``."""
    resort_s: float
    """Seconds after which even an engine of last resort is better than waiting; at least ``lost_s``."""
    remote: bool = False
    """What is sent to it leaves this machine."""
    last_resort: bool = False
    """It is worse than a wait."""


@dataclass(frozen=True, slots=True)
class Start:
    """Ask it now."""

    name: str
    hedge: bool
    """Another one is being asked already."""


@dataclass(frozen=True, slots=True)
class Drop:
    """Give it up: it is lost, and somebody else waits for its place. It has failed by being late."""

    name: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before ``until``, in seconds of the clock of ``next``; infinite: until something happens."""

    until: float


@dataclass(frozen=True, slots=True)
class Lost:
    """Everyone was asked and failed."""


Step: TypeAlias = Start | Drop | Wait | Lost


@dataclass(frozen=True, slots=True)
class _Running:
    runner: Runner
    since: float


class Race:
    """The state of one request. Ask ``next`` what to do until it says Wait or Lost, then again when something happened."""

    def __init__(self, runners: Iterable[Runner], *, spare_s: float = 0.0) -> None:
        """``runners`` in order of preference. ``spare_s`` is how long, from the first ``next`` on, the listener does not
        notice that nothing comes; so long nobody is late.
        """
        self._waiting = deque(runners)
        self._running: list[_Running] = []
        self._spare_s = spare_s
        self._noticed_at: float | None = None
        """When the spare time is over; None before the first ``next``."""

    @property
    def running(self) -> tuple[str, ...]:
        """Who is being asked, in the order they were started: two at most."""
        return tuple(each.runner.name for each in self._running)

    def next(self, now: float) -> Step:
        """What to do at ``now``. Start and Drop are done with by being returned."""
        if self._noticed_at is None:
            self._noticed_at = now + self._spare_s
        if not self._running:
            return self._start(now, self._waiting.popleft()) if self._waiting else Lost()
        if not self._waiting:
            return Wait(math.inf)
        # With two under way the first gives up its place, but not before somebody may be asked beside the second.
        first, last = self._running[0], self._running[-1]
        at, substitute = self._substitution(last)
        if first is not last:
            asked = first.runner
            at = max(at, first.since + (asked.resort_s if substitute.last_resort else asked.lost_s))
        at = max(at, self._noticed_at)
        if now < at:
            return Wait(at)
        if first is not last:
            self._running.remove(first)
            return Drop(first.runner.name)
        self._waiting.remove(substitute)
        return self._start(now, substitute)

    def failed(self, name: str) -> None:
        """It answered with a failure, and is not asked again."""
        self._running = [each for each in self._running if each.runner.name != name]

    def put_first(self, runner: Runner) -> None:
        """Ask this one before everyone who waits."""
        self._waiting.appendleft(runner)

    def _start(self, now: float, runner: Runner) -> Start:
        hedge = bool(self._running)
        self._running.append(_Running(runner, now))
        return Start(runner.name, hedge)

    def _substitution(self, running: _Running) -> tuple[float, Runner]:
        """When somebody is to be asked although ``running`` may still answer, and who; somebody waits."""
        asked = running.runner
        for seconds, suits in (
            (asked.late_s, lambda runner: not runner.last_resort and (asked.remote or not runner.remote)),
            (asked.lost_s, lambda runner: not runner.last_resort),
        ):
            if substitute := next(filter(suits, self._waiting), None):
                return running.since + seconds, substitute
        return running.since + asked.resort_s, self._waiting[0]
