"""Thousands of random conversations with endpoints that fail, hang and recover, in virtual time.

The driver does step by step what ``providers.racing`` does, with an event queue in place of tasks and a clock.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import pytest

from voicemode.core.breaker import Breaker, BreakerState, Failure
from voicemode.core.failover import Choice, Declared, Need, Origin
from voicemode.core.race import Drop, Lost, Race, Runner, Start, Wait
from voicemode.core.tally import STALE_S
from voicemode.providers.shelf import Entry, Shelf

SCHEDULES = 10_000
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


# -- any schedule


FAILURES = (Failure.UNREACHABLE, Failure.BROKEN, Failure.BROKEN, Failure.BUSY, Failure.DECLINED, Failure.FORBIDDEN)


def erratic(chance: random.Random) -> Behaviour:
    """Works, is slow, fails, hangs; in stretches, as real ones do, or at random."""
    trouble, period_s = chance.random(), chance.choice((0.0, 2.0, 8.0))
    failures = chance.choice((FAILURES, FAILURES[:5]))

    def behave(now: float) -> Fate:
        bad = int(now / period_s) % 2 == 1 if period_s else chance.random() < trouble
        delay_s = chance.choice((0.01, 0.1, 0.4, 1.6, 4.0)) * (0.5 + chance.random())
        if not bad:
            return Fate(delay_s, tail_s=chance.choice((0.0, 1.0)), breaks_off=chance.random() < 0.1)
        if chance.random() < 0.3:
            return Fate(DEADLINE_S, Failure.BROKEN)
        failure = chance.choice(failures)
        wish_s = chance.choice((None, 0.5, 3.0)) if failure in (Failure.BUSY, Failure.BROKEN) else None
        return Fate(delay_s / 4, failure, wish_s)

    return behave


def steady(chance: random.Random) -> Behaviour:
    """Always answers, soon enough never to be called late."""
    return lambda now: Fate(0.01 + 0.2 * chance.random(), tail_s=0.5)


def a_schedule(seed: int) -> tuple[World, list[Call], bool]:
    """Endpoints, and calls at random times; and whether one of the endpoints is healthy all the time."""
    chance = random.Random(seed)
    world = World(chance, {})
    healthy = chance.random() < 0.5
    count = chance.randint(1, 4)
    well = chance.randrange(count) if healthy else -1
    for number in range(count):
        origin = chance.choice(tuple(Origin))
        remote = origin is Origin.CLOUD or (origin is Origin.NAMED and chance.random() < 0.4)
        able = number == well or chance.random() < 0.9
        world.behaviours[str(number)] = steady(chance) if number == well else erratic(chance)
        world.add(str(number), origin=origin, rank=chance.randrange(2), remote=remote, able=able)
    calls: list[Call] = []
    for _ in range(chance.randint(2, 6)):
        begin_s = chance.random() * chance.choice((1.0, 12.0))
        world.at(begin_s, lambda: calls.append(Call(world)))
        if chance.random() < 0.15:
            world.at(begin_s + 3 * chance.random(), lambda: cancel_one(calls))
    if chance.random() < 0.1:
        world.at(12 * chance.random(), world.change_settings)
    return world, calls, healthy


def cancel_one(calls: list[Call]) -> None:
    """The oldest that is still under way."""
    for call in [call for call in calls if not call.ended][:1]:
        call.cancel()


def test_ten_thousand_random_schedules_keep_the_rules() -> None:
    """No request to an open breaker but its one probe, no second hedge, and a healthy endpoint serves if there is one."""
    unserved = 0
    for seed in range(SCHEDULES):
        world, calls, healthy = a_schedule(seed)
        try:
            world.run()
            assert all(call.ended for call in calls)
            assert not healthy or all(call.served_by is not None for call in calls), "the healthy one was not asked"
            for entry in world.shelf:
                assert entry.health.tally.in_flight == 0, f"a request to {entry.name} never ended"
                assert entry.health.breaker.state is not BreakerState.HALF_OPEN, f"{entry.name} is tried for ever"
        except Exception as error:
            raise AssertionError(f"schedule {seed}: {error}") from error
        unserved += sum(call.served_by is None for call in calls)
    assert unserved > SCHEDULES / 100, "the schedules are too kind to show anything"


# -- equals under load


class Load:
    """Three equals, and callers who ask again as soon as they were served."""

    def __init__(self, seed: int, callers: int = 6) -> None:
        self.chance, self.callers, self.left = random.Random(seed), callers, 0
        self.world = World(self.chance, {})
        self.usual_s = dict.fromkeys("abc", 0.1)
        for name in self.usual_s:
            self.world.behaviours[name] = functools.partial(self.behave, name)
            self.world.add(name)

    def behave(self, name: str, now: float) -> Fate:
        return Fate(self.usual_s[name] * self.chance.lognormvariate(0, 0.3))

    def ask(self, requests: int) -> dict[str, float]:
        """Each endpoint's share of the requests, hedges included."""
        before, self.left = len(self.world.sent), requests
        for _ in range(self.callers):
            self.world.at(self.world.now, self.caller)
        self.world.run()
        sent = self.world.sent[before:]
        return {name: sent.count(name) / len(sent) for name in self.usual_s}

    def caller(self) -> None:
        if self.left > 0:
            self.left -= 1
            Call(self.world, self.caller)


@pytest.mark.parametrize("seed", range(5))
def test_equals_share_the_load_a_slow_one_is_left_alone_and_comes_back(seed: int) -> None:
    """Within 15 %; under a tenth from the twentieth request after one became five times slower; all again when it recovered."""
    load = Load(seed)
    assert load.ask(600) == pytest.approx(dict.fromkeys("abc", 1 / 3), rel=0.15)
    load.usual_s["a"] *= 5
    load.ask(20)
    assert load.ask(600)["a"] < 0.1
    load.usual_s["a"] /= 5
    load.world.now += STALE_S + 1
    load.ask(60)
    assert load.ask(600) == pytest.approx(dict.fromkeys("abc", 1 / 3), rel=0.3)


def test_an_equal_that_failed_gets_its_share_back() -> None:
    """The others work, and yet it is tried again once what is known of it is stale."""
    load = Load(1)
    load.world.behaviours["a"] = lambda now: Fate(0.01, Failure.BROKEN)
    assert load.ask(300)["a"] < 0.05
    load.world.behaviours["a"] = functools.partial(load.behave, "a")
    load.world.now += STALE_S + 1
    assert load.ask(600) == pytest.approx(dict.fromkeys("abc", 1 / 3), rel=0.3)


@pytest.mark.parametrize("pace_s", [0.2, 0.6, 1.2])
def test_the_first_choice_comes_back_though_the_second_is_faster(pace_s: float) -> None:
    """One failure is no reason to leave an endpoint for ever that the person prefers and that is well again."""
    world = World(random.Random(3), {"a": lambda now: Fate(0.01, Failure.BROKEN), "b": lambda now: Fate(0.1)})
    world.add("a", rank=0)
    world.add("b", rank=1)
    assert Call(world).go_to_the_end() == "b"
    world.behaviours["a"] = lambda now: Fate(pace_s)
    served_by = []
    for _ in range(60):
        world.now += 2.0
        served_by.append(Call(world).go_to_the_end())
    assert served_by[-20:] == ["a"] * 20
