"""Thousands of random conversations with endpoints that fail, hang and recover, in virtual time."""

from __future__ import annotations

import functools
import random

import pytest

from tests.failover.schedules import DEADLINE_S, Behaviour, Call, Fate, World
from voicemode.core.breaker import BreakerState, Failure
from voicemode.core.failover import Origin
from voicemode.core.tally import STALE_S

SCHEDULES = 10_000


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
