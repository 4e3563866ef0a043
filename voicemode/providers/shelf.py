"""The endpoints of one task: who there is, how each one is, and how long to wait for it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Generic, Protocol, TypeVar

from voicemode.core.failover import UNDECLARED, Candidate, Choice, Decision, Declared, Need, Origin, Task, choose, in_order
from voicemode.core.health import Health
from voicemode.core.race import Runner

__all__ = ["E", "Engine", "Entry", "Shelf"]

LATE_S: dict[Task, float] = {"tts": 1.5, "stt": 1.5, "chat": 2.5}
"""Seconds after which an endpoint whose pace is not known yet counts as late: dead air is noticed after a second or two."""

LATEST_LATE_S = 2.5
"""And it does so after this long, however much there is to do: with 30 s of speech nobody can tell a dead engine from a slow
one, asking another one costs nothing but its time, and a fault may cost the listener 3 s at most."""

PROBE_LATE_S = 0.3
"""And one that is being tried again after a failure, at first."""

PROBE_SHARE = 0.1
"""The longer it was left alone, the longer it is waited for when it is tried again: this share of its back-off. So one that is
well but slower than the others comes back, and a dead one costs the listener a tenth of the time at most."""

EARLIEST_LATE_S = 0.25
"""A p95 below this is no reason to ask two: the person hears no difference."""

LOST_S = 2.7
"""Nobody waits longer for an endpoint if there is another one. Below 3 s, because the other one needs time as well."""

RESORT_S: dict[Task, float] = {"tts": LOST_S, "stt": 9.0, "chat": LOST_S}
"""When even the built-in engine is asked. A robot's voice is better than silence; wrong words are worse than a wait."""


class Engine(Protocol):
    """What every kind of engine has."""

    @property
    def name(self) -> str: ...


E = TypeVar("E", bound=Engine)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Entry(Generic[E]):
    """One endpoint of one task."""

    engine: E
    origin: Origin
    rank: int = 0
    """As ``core.failover.Candidate.rank``."""
    remote: bool = False
    """What is sent to it leaves this machine."""
    declared: Declared = UNDECLARED
    health: Health
    variant: str = ""
    """The models and voices it was set to use: what decides, besides the request, how it sounds."""
    made_of: object = None
    """The settings behind the engine besides its name; when they change, the endpoint is asked again at once."""

    @property
    def name(self) -> str:
        return self.engine.name

    @property
    def place(self) -> tuple[int, int]:
        """In the person's order; those of one place are equals."""
        return (self.origin, self.rank)

    @property
    def last_resort(self) -> bool:
        return self.origin is Origin.BUILTIN


class Shelf(Generic[E]):
    """All endpoints of one task. Whoever sends requests tells each one's ``health`` how they went."""

    def __init__(
        self, task: Task, *, clock: Callable[[], float] = time.monotonic, chance: Callable[[], float] = random.random
    ) -> None:
        self.task: Task = task
        self.clock, self._chance = clock, chance
        self._entries: dict[str, Entry[E]] = {}
        self.on_settled: Callable[[], None] | None = None
        """Called after each request's end; None when nobody wants to know."""

    def __iter__(self) -> Iterator[Entry[E]]:
        return iter(tuple(self._entries.values()))

    def __getitem__(self, name: str) -> Entry[E]:
        """Raises KeyError when it has left."""
        return self._entries[name]

    def get(self, name: str) -> Entry[E] | None:
        return self._entries.get(name)

    def __contains__(self, name: str) -> bool:
        return name in self._entries

    def new_health(self) -> Health:
        return Health.new(self._chance, self._settled)

    def _settled(self) -> None:
        if self.on_settled is not None:
            self.on_settled()

    def put(self, entry: Entry[E]) -> Entry[E]:
        """Add it, or renew the one of this name; the entry as it now stands. Health and declaration outlive a renewal."""
        known = self._entries.get(entry.name)
        if known is not None:
            if known.made_of != entry.made_of:
                known.health.breaker.settings_changed()
            declared = entry.declared if entry.declared != UNDECLARED else known.declared
            entry = replace(entry, health=known.health, declared=declared)
        self._entries[entry.name] = entry
        return entry

    def declare(self, name: str, declared: Declared) -> None:
        """It said what it can do."""
        if name in self._entries:
            self._entries[name] = replace(self._entries[name], declared=declared)

    def keep_only(self, names: Iterable[str]) -> list[Entry[E]]:
        """Remove every other one; they are returned, to be closed."""
        kept = set(names)
        gone = [entry for entry in self if entry.name not in kept]
        for entry in gone:
            del self._entries[entry.name]
        return gone

    def decide(self, need: Need, *, without: Collection[str] = ()) -> Decision:
        """Who would be asked now, in which order, and why. ``without`` are names that do not count."""
        return choose(self._candidates(without), need, self.clock())

    def in_order(self, need: Need) -> list[Choice]:
        """Everyone who can do it in the order of the person, whatever their health."""
        return in_order(self._candidates(), need)

    def _candidates(self, without: Collection[str] = ()) -> list[Candidate]:
        return [
            Candidate(name=e.name, origin=e.origin, rank=e.rank, declared=e.declared, health=e.health)
            for e in self
            if e.name not in without
        ]

    def runners(self, decision: Decision, load: float) -> list[Runner]:
        """The endpoints of a decision with how long to wait for each. ``load`` is that of the request, as in ``core.tally``."""
        return [self._runner(self._entries[choice.name], load, probe=choice.probe) for choice in decision.order]

    def _runner(self, entry: Entry[E], load: float, *, probe: bool) -> Runner:
        usual_s = entry.health.tally.usual_p95_s()
        if usual_s is not None:
            late_s = max(usual_s * load, EARLIEST_LATE_S)
            lost_s = max(LOST_S, 2 * late_s)
        else:
            late_s = min(LATE_S[self.task] * load, LATEST_LATE_S)
            # Of long speech it is not capped: nobody's words leave this machine because a local engine is thorough.
            lost_s = max(LOST_S, 1.5 * LATE_S[self.task] * load) if self.task == "stt" else LOST_S
        if probe:
            patience_s = max(PROBE_LATE_S, PROBE_SHARE * entry.health.breaker.pause_s)
            late_s, lost_s = min(late_s, patience_s), LOST_S
        return Runner(
            name=entry.name,
            late_s=late_s,
            lost_s=lost_s,
            resort_s=max(RESORT_S[self.task], lost_s),
            remote=entry.remote,
            last_resort=entry.last_resort,
        )
