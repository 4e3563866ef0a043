"""A world of endpoints in virtual time, and a request that is run in it as ``providers.racing`` runs it.

Step by step the same, with an event queue in place of tasks and a clock; every rule that must hold is checked on the way.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from voicemode.core.breaker import Breaker, BreakerState, Failure
from voicemode.core.failover import Choice, Declared, Need, Origin
from voicemode.core.race import Drop, Lost, Race, Runner, Start, Wait
from voicemode.providers.shelf import Entry, Shelf

__all__ = ["DEADLINE_S", "Asked", "Behaviour", "Call", "Fate", "Named", "World"]

NEED = Need(task="stt", language="en")
DEADLINE_S = 10.0
"""When the HTTP client gives an endpoint up that never answers."""


@dataclass(frozen=True, slots=True)
class Fate:
    """What becomes of one request."""

    first_s: float
    """Until it answers or fails."""
    failure: Failure | None = None
    retry_after_s: float | None = None
    tail_s: float = 0.0
    """From the first byte to the last."""
    breaks_off: bool = False
    """It fails at the end of the tail."""


Behaviour: TypeAlias = Callable[[float], Fate]
"""Of one endpoint: the fate of a request that is sent at this time."""


@dataclass(frozen=True, slots=True)
class Named:
    """Stands for an engine."""

    name: str


@dataclass(slots=True, eq=False)
class Asked:
    """A request under way."""

    entry: Entry[Named]
    ticket: int
    since: float
    probe: bool
    ended: bool = False


@dataclass(slots=True)
class World:
    """Endpoints, a clock, and what is to happen."""

    chance: random.Random
    behaviours: dict[str, Behaviour]
    now: float = 0.0
    events: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=itertools.count)
    probes: dict[str, Asked] = field(default_factory=dict)
    """The request under way, by endpoint, that was sent although the breaker was not closed."""
    not_before: dict[str, float] = field(default_factory=dict)
    """When endpoints said to come back; infinite after 401 and 403."""
    sent: list[str] = field(default_factory=list)
    """Endpoint of every request."""
    settings_changed_at: float = -1.0
    shelf: Shelf[Named] = field(init=False)

    def __post_init__(self) -> None:
        self.shelf = Shelf("stt", clock=lambda: self.now, chance=self.chance.random)

    def add(self, name: str, *, origin: Origin = Origin.NAMED, rank: int = 0, remote: bool = False, able: bool = True) -> None:
        declared = Declared(languages=("en" if able else "fi",))
        health = self.shelf.new_health()
        self.shelf.put(Entry(engine=Named(name), origin=origin, rank=rank, remote=remote, declared=declared, health=health))

    def change_settings(self) -> None:
        """Another key for everyone: what they said before is void, and nobody is being tried."""
        self.not_before.clear()
        self.probes.clear()
        self.settings_changed_at = self.now
        for entry in self.shelf:
            entry.health.breaker.settings_changed()

    def at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self.events, (when, next(self.numbers), what))

    def run(self) -> None:
        while self.events:
            self.now, _, what = heapq.heappop(self.events)
            what()


class Call:
    """One request as ``racing.race`` and whoever takes its answer run it; every rule that must hold is checked on the way."""

    def __init__(self, world: World, done: Callable[[], None] = lambda: None) -> None:
        self.world, self.shelf, self.done = world, world.shelf, done
        self.had_their_turn: set[str] = set()
        self.asked: list[Asked] = []
        self.runners: dict[str, Runner] = {}
        self.served_by: str | None = None
        self.ended = False
        self.streaming: Asked | None = None
        self.line_up()
        self.go_on()

    def go_to_the_end(self) -> str | None:
        """Who served it, with nobody else about."""
        self.world.run()
        return self.served_by

    def line_up(self) -> bool:
        decision = self.shelf.decide(NEED, without=self.had_their_turn)
        self.choices: dict[str, Choice] = {choice.name: choice for choice in decision.order}
        runners = self.shelf.runners(decision, 1.0)
        self.runners |= {runner.name: runner for runner in runners}
        self.race = Race(runners)
        return bool(decision.order)

    def go_on(self) -> None:
        """``_Heat.run`` up to its next wait."""
        while not self.ended and self.streaming is None:
            now = self.world.now
            match self.race.next(now):
                case Start(name, hedge):
                    self.start(name, hedge)
                case Drop(name):
                    self.drop(next(asked for asked in self.asked if asked.entry.name == name))
                case Wait(until):
                    assert self.asked, "waits for nobody"
                    if not math.isinf(until):
                        self.world.at(max(until, now), self.go_on)
                    return
                case Lost():
                    if not self.line_up():
                        self.check_nobody_is_left()
                        self.end()

    def start(self, name: str, hedge: bool) -> None:
        entry, now = self.shelf[name], self.world.now
        breaker = entry.health.breaker
        if not breaker.admits(now) and not (breaker.admits_early() and len(self.choices) == 1):
            self.race.failed(name)
            return
        assert name not in self.had_their_turn, f"{name} is asked twice"
        self.had_their_turn.add(name)
        asked = Asked(entry, -1, now, probe=breaker.state is not BreakerState.CLOSED)
        self.check_start(asked, hedge)
        asked.ticket = entry.health.begin(now)
        self.world.sent.append(name)
        if asked.probe:
            self.world.probes[name] = asked
        self.asked.append(asked)
        fate = self.world.behaviours[name](now)
        self.world.at(now + fate.first_s, lambda: self.answered(asked, fate))

    def answered(self, asked: Asked, fate: Fate) -> None:
        """``_Heat._take``."""
        if asked.ended:
            return
        now = self.world.now
        self.asked.remove(asked)
        if fate.failure is not None:
            self.tell_failed(asked, fate.failure, fate.retry_after_s)
            self.race.failed(asked.entry.name)
            self.go_on()
            return
        asked.entry.health.first_byte(asked.ticket, now)
        for slower in [each for each in self.asked if each.since < asked.since]:
            self.drop(slower)
        self.leave_all()
        self.served_by, self.streaming = asked.entry.name, asked
        self.world.at(now + fate.tail_s, lambda: self.finished(asked, fate))

    def finished(self, asked: Asked, fate: Fate) -> None:
        if asked.ended:
            return
        if fate.breaks_off:
            self.tell_failed(asked, Failure.BROKEN, None)
        else:
            self.close(asked)
            asked.entry.health.worked(asked.ticket, self.world.now)
        self.end()

    def drop(self, asked: Asked) -> None:
        self.asked.remove(asked)
        self.close(asked)
        asked.entry.health.late(asked.ticket, self.world.now, "had not answered")

    def cancel(self) -> None:
        """The person does not want it any more."""
        if not self.ended:
            if self.streaming is not None:
                self.close(self.streaming)
                self.streaming.entry.health.abandoned(self.streaming.ticket, self.world.now)
            self.leave_all()
            self.served_by = "nobody, and nobody asks"
            self.end()

    def leave_all(self) -> None:
        for asked in self.asked:
            self.close(asked)
            asked.entry.health.abandoned(asked.ticket, self.world.now)
        self.asked = []

    def tell_failed(self, asked: Asked, failure: Failure, retry_after_s: float | None) -> None:
        self.close(asked)
        asked.entry.health.failed(asked.ticket, self.world.now, failure, "is not well", retry_after_s)
        if asked.since < self.world.settings_changed_at:
            return
        if asked.entry.health.breaker.state is BreakerState.OPEN and retry_after_s is not None:
            name, until = asked.entry.name, self.world.now + retry_after_s
            self.world.not_before[name] = max(until, self.world.not_before.get(name, 0.0))
        if failure is Failure.FORBIDDEN and asked.entry.health.breaker.cause is failure:
            self.world.not_before[asked.entry.name] = math.inf

    def close(self, asked: Asked) -> None:
        asked.ended = True
        if self.world.probes.get(asked.entry.name) is asked:
            del self.world.probes[asked.entry.name]

    def end(self) -> None:
        self.ended = True
        self.done()

    # -- what must hold

    def check_start(self, asked: Asked, hedge: bool) -> None:
        name, now, breaker = asked.entry.name, self.world.now, asked.entry.health.breaker
        assert len(self.asked) <= 1, "three at a time"
        assert hedge == bool(self.asked)
        assert now >= self.world.not_before.get(name, 0.0), f"{name} said to come later"
        if asked.probe:
            assert breaker.state is BreakerState.OPEN, f"{name} is tried by two"
            assert name not in self.world.probes, f"{name} is tried by two"
            if now < breaker.until:
                assert not self.asked, f"{name} is asked early although another one is being asked"
                assert not self.others(lambda entry: entry.health.breaker.admits(now)), "somebody else was left"
        for running in self.asked:
            if asked.entry.remote and not running.entry.remote:
                assert now >= running.since + self.runners[running.entry.name].lost_s, "words leave the machine too early"

    def check_nobody_is_left(self) -> None:
        now = self.world.now
        left = self.others(lambda entry: entry.health.breaker.admits(now))
        assert not left, f"{left} could have been asked"
        left = self.others(lambda entry: self.is_left_alone_by_our_guess(entry.name, entry.health.breaker))
        assert not left, f"{left} could have been asked early"

    def is_left_alone_by_our_guess(self, name: str, breaker: Breaker) -> bool:
        guesses = (Failure.UNREACHABLE, Failure.BROKEN, Failure.LATE)
        return breaker.state is BreakerState.OPEN and breaker.cause in guesses and name not in self.world.not_before

    def others(self, suits: Callable[[Entry[Named]], bool]) -> list[str]:
        """Who is able, was not asked by this call, and suits."""
        able = (entry for entry in self.shelf if entry.declared.languages == ("en",))
        return [entry.name for entry in able if entry.name not in self.had_their_turn and suits(entry)]
