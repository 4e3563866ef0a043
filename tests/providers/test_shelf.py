"""The endpoints of one task: who there is, what outlives a change of settings, and how long each one is waited for."""

from __future__ import annotations

import pytest

from tests.providers.engines import Voice
from voicemode.core.breaker import BreakerState, Failure
from voicemode.core.failover import UNDECLARED, Declared, Need, Origin
from voicemode.core.race import Runner
from voicemode.providers.shelf import EARLIEST_LATE_S, LATE_S, LOST_S, PROBE_LATE_S, RESORT_S, Entry, Shelf

NEED = Need(task="tts")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def shelf() -> Shelf[Voice]:
    return Shelf("tts", clock=Clock(), chance=lambda: 0.0)


def put(
    shelf: Shelf[Voice],
    name: str,
    *,
    origin: Origin = Origin.NAMED,
    rank: int = 0,
    remote: bool = False,
    declared: Declared = UNDECLARED,
    made_of: object = None,
) -> Entry[Voice]:
    return shelf.put(
        Entry(
            engine=Voice(name),
            origin=origin,
            rank=rank,
            remote=remote,
            declared=declared,
            health=shelf.new_health(),
            made_of=made_of,
        )
    )


def runner(shelf: Shelf[Voice], name: str, load: float = 1.0) -> Runner:
    return next(each for each in shelf.runners(shelf.decide(NEED), load) if each.name == name)


def taught(entry: Entry[Voice], seconds: float, times: int = 10) -> None:
    """Requests that took so long."""
    for number in range(times):
        entry.health.worked(entry.health.begin(100.0 * number), 100.0 * number + seconds)


class TestEntries:
    """Who there is."""

    def test_each_name_is_there_once(self, shelf: Shelf[Voice]) -> None:
        """Put again, it is renewed."""
        put(shelf, "a")
        put(shelf, "b", rank=1)
        put(shelf, "a", rank=2)
        assert [(entry.name, entry.rank) for entry in shelf] == [("a", 2), ("b", 1)]
        assert ("a" in shelf, "c" in shelf, shelf.get("c")) == (True, False, None)
        assert shelf["a"].place == (Origin.NAMED, 2)
        with pytest.raises(KeyError):
            shelf["c"]

    def test_what_is_known_of_one_outlives_its_renewal(self, shelf: Shelf[Voice]) -> None:
        """Health and declaration; a new declaration takes the place of the old one."""
        health = put(shelf, "a").health
        shelf.declare("a", Declared(voices=("alloy",)))
        assert put(shelf, "a").health is health
        assert shelf["a"].declared.voices == ("alloy",)
        assert put(shelf, "a", declared=Declared(voices=("nova",))).declared.voices == ("nova",)
        shelf.declare("nobody", Declared())

    def test_a_change_of_its_settings_lets_it_be_asked_again(self, shelf: Shelf[Voice]) -> None:
        """A wrong key may have become the right one; anything else about it mended nothing."""
        health = put(shelf, "a", made_of="old key").health
        health.failed(health.begin(0.0), 0.0, Failure.FORBIDDEN, "a: wants another key.")
        put(shelf, "a", made_of="old key", rank=3)
        states = [health.breaker.state]
        put(shelf, "a", made_of="new key")
        states.append(health.breaker.state)
        assert states == [BreakerState.OPEN, BreakerState.CLOSED]

    def test_who_is_not_kept_is_handed_back(self, shelf: Shelf[Voice]) -> None:
        """To be closed by whoever removed it."""
        put(shelf, "a")
        gone = put(shelf, "b")
        assert shelf.keep_only(["a", "c"]) == [gone]
        assert [entry.name for entry in shelf] == ["a"]

    def test_whoever_wants_to_know_hears_that_a_request_has_ended(self, shelf: Shelf[Voice]) -> None:
        """Nobody has to."""
        heard: list[int] = []
        health = put(shelf, "a").health
        health.worked(health.begin(0.0), 0.1)
        shelf.on_settled = lambda: heard.append(1)
        health.worked(health.begin(0.0), 0.1)
        assert heard == [1]


class TestChoice:
    """Who would be asked."""

    def test_the_decision_is_about_all_but_those_who_do_not_count(self, shelf: Shelf[Voice]) -> None:
        """In the person's order."""
        put(shelf, "b", rank=1)
        put(shelf, "a", rank=0)
        put(shelf, "builtin", origin=Origin.BUILTIN)
        assert [choice.name for choice in shelf.decide(NEED).order] == ["a", "b", "builtin"]
        assert [choice.name for choice in shelf.decide(NEED, without=["a"]).order] == ["b", "builtin"]

    def test_the_order_of_the_person_does_not_ask_how_anybody_is(self, shelf: Shelf[Voice]) -> None:
        """But who can never do it is not in it."""
        put(shelf, "b", rank=1)
        health = put(shelf, "a", declared=Declared(voices=("en-us+f2",))).health
        put(shelf, "c", declared=Declared(languages=("fr",)))
        health.failed(health.begin(0.0), 0.0, Failure.FORBIDDEN, "a: wants a key.")
        need = Need(task="tts", language="en", voice="af_sky")
        assert [(choice.name, choice.voice) for choice in shelf.in_order(need)] == [("a", "en-us+f2"), ("b", "af_sky")]


class TestPatience:
    """How long each one is waited for."""

    def test_of_whom_nothing_is_known_the_listener_is_the_measure(self, shelf: Shelf[Voice]) -> None:
        """Late after a second or two."""
        put(shelf, "a", remote=True)
        put(shelf, "builtin", origin=Origin.BUILTIN)
        known = runner(shelf, "a")
        assert (known.late_s, known.lost_s, known.resort_s) == (LATE_S["tts"], LOST_S, RESORT_S["tts"])
        assert (known.remote, known.last_resort) == (True, False)
        assert runner(shelf, "builtin").last_resort

    def test_of_the_others_their_own_p95_is(self, shelf: Shelf[Voice]) -> None:
        """More for more to do; but of a fast one a quarter of a second is no reason to ask two."""
        taught(put(shelf, "a"), 0.8)
        taught(put(shelf, "fast", rank=1), 0.05)
        assert runner(shelf, "a").late_s == pytest.approx(0.8)
        assert runner(shelf, "a", load=2.0).late_s == pytest.approx(1.6)
        assert runner(shelf, "fast").late_s == EARLIEST_LATE_S

    def test_a_slow_one_is_lost_later_than_late(self, shelf: Shelf[Voice]) -> None:
        """Whoever always takes four seconds is given them."""
        taught(put(shelf, "a"), 4.0)
        slow = runner(shelf, "a")
        assert slow.late_s == pytest.approx(4.0)
        assert slow.late_s < slow.lost_s <= slow.resort_s

    def test_one_that_is_tried_again_has_no_credit(self, shelf: Shelf[Voice]) -> None:
        """It failed a moment ago."""
        health = put(shelf, "a").health
        health.failed(health.begin(0.0), 0.0, Failure.BROKEN, "a: crashed.")
        shelf.clock.now = 1000.0  # type: ignore[attr-defined]
        assert runner(shelf, "a").late_s == PROBE_LATE_S
