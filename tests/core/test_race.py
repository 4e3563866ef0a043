"""One request and the endpoints that may serve it: who is asked when, and who is given up."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.race import Drop, Lost, Race, Runner, Start, Step, Wait

LATE_S, LOST_S, RESORT_S = 1.0, 3.0, 9.0


def runner(
    name: str, *, remote: bool = False, last_resort: bool = False, late_s: float = LATE_S, lost_s: float = LOST_S
) -> Runner:
    return Runner(name=name, late_s=late_s, lost_s=lost_s, resort_s=RESORT_S, remote=remote, last_resort=last_resort)


def race(*runners: str | Runner, spare_s: float = 0.0) -> Race:
    """Names stand for local endpoints, "~name" for remote ones, "name!" for engines of last resort."""
    return Race([_runner(each) if isinstance(each, str) else each for each in runners], spare_s=spare_s)


def _runner(name: str) -> Runner:
    return runner(name, remote=name.startswith("~"), last_resort=name.endswith("!"))


def timetable(race: Race, until: float = 100.0, now: float = 0.0) -> list[tuple[float, Step]]:
    """What happens when nobody ever answers: each step but the waits, with its time."""
    steps: list[tuple[float, Step]] = []
    while True:
        step = race.next(now)
        if not isinstance(step, Wait):
            steps.append((now, step))
            continue
        assert step.until > now
        if step.until > until:
            return steps
        now = step.until


def test_the_first_is_asked_and_waited_for() -> None:
    """Alone until it is late."""
    it = race("a", "b")
    assert it.next(0.0) == Start("a", hedge=False)
    assert it.next(0.0) == Wait(LATE_S)
    assert it.running == ("a",)


def test_the_only_one_is_waited_for_without_end() -> None:
    """Its own deadlines end it, not the race."""
    it = race("a")
    it.next(0.0)
    assert it.next(1000.0) == Wait(math.inf)


def test_nobody_is_nobody() -> None:
    """A race without runners is lost at once."""
    assert race().next(0.0) == Lost()


def test_one_that_fails_is_replaced_at_once_until_nobody_is_left() -> None:
    """Each is asked once."""
    it = race("a", "b")
    it.next(0.0)
    it.failed("a")
    assert it.next(0.5) == Start("b", hedge=False)
    it.failed("b")
    assert it.next(0.6) == Lost()


def test_three_that_hang_are_never_asked_at_the_same_time() -> None:
    """The first gives up its place to the third."""
    assert timetable(race("a", "b", "c")) == [
        (0.0, Start("a", hedge=False)),
        (LATE_S, Start("b", hedge=True)),
        (LOST_S, Drop("a")),
        (LOST_S, Start("c", hedge=True)),
    ]


def test_the_hedge_becomes_the_first_when_the_first_fails() -> None:
    """And gets a hedge itself when it is late, counted from its own start."""
    it = race("a", "b", "c")
    it.next(0.0)
    it.next(LATE_S)
    it.failed("a")
    assert it.next(1.5) == Wait(2 * LATE_S)
    assert it.next(2 * LATE_S) == Start("c", hedge=True)
    assert it.running == ("b", "c")


def test_a_slow_local_service_sends_no_words_off_the_machine_until_it_is_lost() -> None:
    """A local one further down is asked before; the remote one only when nobody here may still answer."""
    assert timetable(race("a", "~b")) == [(0.0, Start("a", hedge=False)), (LOST_S, Start("~b", hedge=True))]
    assert timetable(race("a", "~b", "c")) == [
        (0.0, Start("a", hedge=False)),
        (LATE_S, Start("c", hedge=True)),
        (LATE_S + LOST_S, Drop("a")),
        (LATE_S + LOST_S, Start("~b", hedge=True)),
    ]


def test_what_is_remote_already_may_be_hedged_by_anyone() -> None:
    """The words have left the machine."""
    assert timetable(race("~a", "~b"))[1] == (LATE_S, Start("~b", hedge=True))
    assert timetable(race("~a", "b"))[1] == (LATE_S, Start("b", hedge=True))


def test_a_local_hedge_of_a_remote_one_is_not_overtaken_by_another_remote_one() -> None:
    """It may still answer here."""
    assert timetable(race("~a", "b", "~c"))[2:] == [
        (LATE_S + LOST_S, Drop("~a")),
        (LATE_S + LOST_S, Start("~c", hedge=True)),
    ]


def test_an_engine_of_last_resort_is_asked_after_a_long_wait_or_when_all_failed() -> None:
    """It is worse than a wait, and better than nothing."""
    assert timetable(race("a", "b!")) == [(0.0, Start("a", hedge=False)), (RESORT_S, Start("b!", hedge=True))]
    it = race("a", "b!")
    it.next(0.0)
    it.failed("a")
    assert it.next(0.1) == Start("b!", hedge=False)


def test_nobody_is_dropped_before_somebody_takes_the_place() -> None:
    """Who is asked already may still answer; and both must have waited long enough for a last resort."""
    assert timetable(race("a", "b", "c!"))[2:] == [
        (LATE_S + RESORT_S, Drop("a")),
        (LATE_S + RESORT_S, Start("c!", hedge=True)),
    ]
    patient = Runner(name="a", late_s=1.0, lost_s=20.0, resort_s=50.0)
    assert timetable(race(patient, "b", "c"))[2] == (20.0, Drop("a"))
    assert timetable(race(patient, "b", "c!"))[2] == (50.0, Drop("a"))


def test_nobody_is_late_before_the_listener_notices() -> None:
    """Spare time counts from the beginning, not again for everyone who is asked later."""
    assert timetable(race("a", "b", spare_s=5.0))[1] == (5.0, Start("b", hedge=True))
    it = race("a", "b", "c", spare_s=5.0)
    it.next(10.0)
    it.failed("a")
    assert it.next(14.5) == Start("b", hedge=False)
    assert it.next(14.5) == Wait(15.5)
    assert timetable(race("a", "b", spare_s=0.5))[1] == (LATE_S, Start("b", hedge=True))


def test_who_is_put_first_is_asked_next() -> None:
    """Before everyone who waits."""
    it = race("a", "b")
    it.next(0.0)
    it.put_first(runner("c"))
    it.failed("a")
    assert it.next(0.1) == Start("c", hedge=False)


def test_a_failure_of_somebody_who_is_not_asked_changes_nothing() -> None:
    """It was dropped, or never started."""
    it = race("a", "b")
    it.next(0.0)
    it.failed("b")
    it.failed("z")
    assert it.running == ("a",)
    assert it.next(LATE_S) == Start("b", hedge=True)


a_runner = st.builds(
    lambda remote, last_resort, late_s, more_s: (remote, last_resort, late_s, more_s),
    st.booleans(),
    st.booleans(),
    st.floats(0.1, 5),
    st.floats(0, 5),
)


@given(st.lists(a_runner, min_size=1, max_size=6), st.floats(0, 4), st.lists(st.integers(0, 3), max_size=12))
def test_everyone_gets_a_turn_and_never_more_than_two_at_once(
    kinds: list[tuple[bool, bool, float, float]], spare_s: float, failing: list[int]
) -> None:
    """Whatever fails when: each is started once, and whoever is not dropped or failed is still waited for."""
    runners = [
        runner(str(number), remote=remote, last_resort=last_resort, late_s=late_s, lost_s=late_s + more_s)
        for number, (remote, last_resort, late_s, more_s) in enumerate(kinds)
    ]
    it, now, started = Race(runners, spare_s=spare_s), 0.0, []
    fails = iter(failing)
    while not isinstance(step := it.next(now), Lost):
        assert len(it.running) <= 2
        match step:
            case Start(name, hedge):
                started.append(name)
                assert hedge == (len(it.running) == 2)
            case Drop(name):
                assert name not in it.running
                replacement = it.next(now)
                assert isinstance(replacement, Start)
                started.append(replacement.name)
            case Wait(until):
                if next(fails, 0) == 1 or math.isinf(until):
                    it.failed(it.running[0])
                else:
                    now = until
    assert sorted(started) == sorted(each.name for each in runners)


def test_times_need_not_begin_at_zero() -> None:
    """Only differences count."""
    assert timetable(race("a", "b"), until=1100.0, now=1000.0)[1] == (1000.0 + LATE_S, Start("b", hedge=True))


@pytest.mark.parametrize("names", [("~a", "b", "c"), ("a", "~b", "c"), ("a", "b", "c!")])
def test_asking_again_at_the_same_time_changes_nothing(names: tuple[str, ...]) -> None:
    """``next`` says Wait until something happens."""
    it = race(*names)
    it.next(0.0)
    assert it.next(0.2) == it.next(0.2)
    assert it.running == (names[0],)
