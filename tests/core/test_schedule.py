"""When something is looked at again, without waiting for it."""

from __future__ import annotations

import math
import random

import pytest

from voicemode.core.schedule import Agenda, Pace, Sight, backed_off, jittered


@pytest.mark.parametrize(("chance", "seconds"), [(0.0, 8.0), (0.5, 10.0), (1.0, 12.0)])
def test_an_interval_is_spread_by_a_fifth(chance: float, seconds: float) -> None:
    """On the whole it is what was asked for."""
    assert jittered(10.0, chance) == pytest.approx(seconds)


def test_pauses_grow_by_chance_and_have_an_end() -> None:
    """Each lies between the base and three times the one before, and none is longer than the cap."""
    chance = random.Random(3)
    pause = 0.0
    longest = 0.0
    for _ in range(1000):
        following = backed_off(pause, 1.0, 60.0, chance.random())
        assert 1.0 <= following <= min(60.0, max(1.0, 3 * pause))
        pause, longest = following, max(longest, following)
    assert longest > 30.0


def test_what_is_due_is_handed_out_once() -> None:
    """The longest due first; not again until it is put back."""
    agenda = Agenda[str]()
    agenda.put("late", 2.0)
    agenda.put("early", 1.0)
    agenda.put("later", 9.0)
    assert agenda.next_at() == 1.0
    assert agenda.take_due(2.0) == ["early", "late"]
    assert agenda.take_due(3.0) == []
    assert agenda.next_at() == 9.0
    agenda.put("early", 4.0)
    assert agenda.take_due(4.0) == ["early"]


def test_what_left_is_forgotten_even_while_it_is_handed_out() -> None:
    """And what comes back begins anew."""
    agenda = Agenda[str]()
    agenda.put("a", 0.0)
    agenda.put("b", 0.0)
    assert agenda.take_due(0.0) == ["a", "b"]
    agenda.keep_only(["b"])
    assert "a" not in agenda
    assert agenda.next_at() == math.inf
    agenda.put("a", 5.0)
    assert agenda.take_due(5.0) == ["a"]


def test_what_is_not_there_is_looked_for_most_often_and_strangers_are_left_in_peace() -> None:
    """A service that is started is found within seconds; somebody's web app is asked twice a minute."""
    pace = Pace()
    pauses = [pace.after_port(sight, 0.5) for sight in (Sight.ABSENT, Sight.SILENT, Sight.FOUND, Sight.STRANGER)]
    assert pauses == sorted(pauses)
    assert pace.after_port(Sight.ABSENT, 1.0) < 4.0
    assert pace.after_port(Sight.STRANGER, 0.0) > 20.0


def test_a_remote_endpoint_that_answered_is_asked_no_more() -> None:
    """Others are, about once a minute."""
    pace = Pace()
    assert pace.after_named(remote=True, answered=True, chance=0.5) == math.inf
    assert pace.after_named(remote=True, answered=False, chance=0.5) == 60.0
    assert pace.after_named(remote=False, answered=True, chance=0.5) == 60.0


@pytest.mark.parametrize(("remote", "longest"), [(False, 5.0), (True, 60.0)])
def test_an_endpoint_that_is_down_is_asked_less_and_less(remote: bool, longest: float) -> None:
    """One of this machine is soon found again, whoever restarts it; one elsewhere is spared."""
    pace, pause = Pace(), 0.0
    for _ in range(20):
        pause = pace.while_down(pause, remote=remote, chance=1.0)
    assert pause == longest
    assert pace.while_down(0.0, remote=remote, chance=1.0) == 1.0
