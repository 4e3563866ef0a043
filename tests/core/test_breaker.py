"""The circuit breaker: every transition, and how long it keeps away from an endpoint."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.breaker import BASE_S, CAP_S, LATE_STRIKES, RETRY_AFTER_CAP_S, Breaker, BreakerState, Failure

CLOSED, OPEN, HALF_OPEN = BreakerState.CLOSED, BreakerState.OPEN, BreakerState.HALF_OPEN
NOW = 100.0
COUNTING = (Failure.UNREACHABLE, Failure.BROKEN, Failure.BUSY, Failure.FORBIDDEN)
OWN_GUESS = (Failure.UNREACHABLE, Failure.BROKEN, Failure.LATE)


def closed(chance: float = 0.0) -> Breaker:
    return Breaker(lambda: chance)


def opened(failure: Failure = Failure.BROKEN, retry_after_s: float | None = None) -> Breaker:
    breaker = closed()
    for _ in range(LATE_STRIKES if failure is Failure.LATE else 1):
        breaker.failed(NOW, failure, retry_after_s, breaker.begin(NOW))
    assert breaker.state is OPEN
    return breaker


def trying() -> Breaker:
    breaker = opened()
    breaker.begin(breaker.until)
    assert breaker.state is HALF_OPEN
    return breaker


# -- the table


def begins(breaker: Breaker) -> None:
    breaker.begin(NOW + BASE_S)


def works(breaker: Breaker) -> None:
    breaker.worked(breaker.era)


def fails(failure: Failure) -> Callable[[Breaker], None]:
    return lambda breaker: breaker.failed(NOW + BASE_S, failure, era=breaker.era)


def is_left(breaker: Breaker) -> None:
    breaker.abandoned(breaker.era)


def is_reachable(breaker: Breaker) -> None:
    breaker.reachable(NOW)


@pytest.mark.parametrize(
    ("before", "event", "after"),
    [
        (closed, begins, CLOSED),
        (closed, works, CLOSED),
        (closed, is_left, CLOSED),
        (closed, is_reachable, CLOSED),
        (closed, Breaker.settings_changed, CLOSED),
        (closed, fails(Failure.LATE), CLOSED),
        (closed, fails(Failure.DECLINED), CLOSED),
        *[(closed, fails(failure), OPEN) for failure in COUNTING],
        (opened, begins, HALF_OPEN),
        (opened, is_left, OPEN),
        (opened, is_reachable, OPEN),
        (opened, Breaker.settings_changed, CLOSED),
        *[(opened, fails(failure), OPEN) for failure in Failure],
        (trying, works, CLOSED),
        (trying, is_left, OPEN),
        (trying, is_reachable, HALF_OPEN),
        (trying, Breaker.settings_changed, CLOSED),
        (trying, fails(Failure.DECLINED), CLOSED),
        (trying, fails(Failure.LATE), OPEN),
        *[(trying, fails(failure), OPEN) for failure in COUNTING],
    ],
)
def test_each_event_leads_where_the_table_says(
    before: Callable[[], Breaker], event: Callable[[Breaker], None], after: BreakerState
) -> None:
    """Every state, and everything that may happen in it."""
    breaker = before()
    event(breaker)
    assert breaker.state is after


@pytest.mark.parametrize("breaker", [trying(), opened(Failure.FORBIDDEN), opened(Failure.BUSY), opened(Failure.BROKEN, 9.0)])
def test_a_request_that_must_not_be_sent_raises_and_changes_nothing(breaker: Breaker) -> None:
    """Neither beside the one that tries, nor against the endpoint's own word."""
    before = asdict(breaker)
    with pytest.raises(ValueError, match="until"):
        breaker.begin(NOW)
    assert asdict(breaker) == before


# -- who is admitted


def test_an_open_breaker_admits_one_request_when_its_time_is_up() -> None:
    """Not a moment before, and no second one beside it."""
    breaker = opened()
    assert breaker.until == NOW + BASE_S
    assert not breaker.admits(breaker.until - 0.001)
    assert (breaker.admits(breaker.until), breaker.is_probe(breaker.until)) == (True, True)
    breaker.begin(breaker.until)
    assert (breaker.admits(breaker.until + 99), breaker.is_probe(breaker.until + 99)) == (False, False)


def test_a_closed_breaker_admits_any_number_and_none_is_a_probe() -> None:
    """Requests in flight do not matter."""
    breaker = closed()
    breaker.begin(NOW)
    assert (breaker.admits(NOW), breaker.is_probe(NOW), breaker.admits_early()) == (True, False, False)


@pytest.mark.parametrize("failure", [failure for failure in Failure if failure is not Failure.DECLINED])
def test_only_our_own_guess_may_be_disregarded(failure: Failure) -> None:
    """Who is left alone by our back-off alone may be asked early, once."""
    breaker = opened(failure)
    assert breaker.admits_early() is (failure in OWN_GUESS)
    if breaker.admits_early():
        breaker.begin(NOW)
        assert (breaker.state, breaker.admits_early()) == (HALF_OPEN, False)


# -- how long


@pytest.mark.parametrize("failure", [Failure.BUSY, Failure.BROKEN])
@pytest.mark.parametrize("asked_s", [0.2, 5.0, 3000.0])
def test_retry_after_is_obeyed_exactly(failure: Failure, asked_s: float) -> None:
    """The endpoint knows better than our back-off, shorter or longer, and is not asked early either."""
    breaker = opened(failure, asked_s)
    assert breaker.until == NOW + asked_s
    assert not breaker.admits_early()
    assert not breaker.admits(math.nextafter(NOW + asked_s, 0))
    assert breaker.admits(NOW + asked_s)


@pytest.mark.parametrize(("asked_s", "left_alone_s"), [(None, BASE_S), (0.0, BASE_S), (-5.0, BASE_S), (1e9, RETRY_AFTER_CAP_S)])
def test_a_wish_that_is_none_or_without_measure(asked_s: float | None, left_alone_s: float) -> None:
    """Zero or less is no wish, and nobody is left alone for days."""
    assert opened(Failure.BUSY, asked_s).until == NOW + left_alone_s


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_back_off_is_spread_between_its_base_and_three_times_the_last_one(chances: list[float]) -> None:
    """Decorrelated jitter: never below the base, never above the cap, never more than tripled."""
    draws = iter(chances)
    breaker = Breaker(lambda: next(draws))
    now, last_s = NOW, 0.0
    for chance in chances:
        breaker.failed(now, Failure.BROKEN, era=breaker.begin(now))
        pause_s = breaker.until - now
        longest_s = max(BASE_S, 3 * last_s)
        assert pause_s == pytest.approx(min(CAP_S, BASE_S + chance * (longest_s - BASE_S)))
        now, last_s = breaker.until, pause_s


def test_a_success_forgets_the_back_off() -> None:
    """The next failure starts from the base."""
    breaker = closed(1.0)
    for _ in range(4):
        breaker.failed(0.0, Failure.BROKEN, era=breaker.begin(breaker.until))
    assert breaker.until > 3 * BASE_S
    breaker.worked(breaker.begin(breaker.until))
    breaker.failed(NOW, Failure.BROKEN, era=breaker.begin(NOW))
    assert breaker.until == NOW + BASE_S


@pytest.mark.parametrize("later", [works, fails(Failure.DECLINED), Breaker.settings_changed])
def test_lates_count_in_a_row_only(later: Callable[[Breaker], None]) -> None:
    """Anything that shows the endpoint to be well begins the row anew."""
    breaker = closed()
    fails(Failure.LATE)(breaker)
    later(breaker)
    fails(Failure.LATE)(breaker)
    assert breaker.state is CLOSED
    fails(Failure.LATE)(breaker)
    assert (breaker.state, breaker.cause) == (OPEN, Failure.LATE)


def test_forbidden_lasts_until_settings_change() -> None:
    """No time heals a wrong key, no health check, and nobody is so desperate as to send it again."""
    breaker = opened(Failure.FORBIDDEN)
    breaker.reachable(NOW)
    assert (breaker.admits(1e12), breaker.admits_early(), breaker.cause) == (False, False, Failure.FORBIDDEN)
    breaker.settings_changed()
    assert (breaker.admits(NOW), breaker.cause) == (True, None)


@pytest.mark.parametrize("failure", [failure for failure in Failure if failure is not Failure.DECLINED])
def test_a_health_check_shortens_the_wait_for_an_unreachable_one_only(failure: Failure) -> None:
    """That somebody listens says nothing about broken answers, wishes and keys; and it never lengthens a wait."""
    breaker = opened(failure)
    until = breaker.until
    breaker.reachable(NOW + 0.5)
    assert breaker.until == (NOW + 0.5 if failure is Failure.UNREACHABLE else until)
    breaker.reachable(NOW + 50)
    assert breaker.until <= until


# -- requests that overlap


def test_requests_that_fail_together_are_one_failure() -> None:
    """The back-off does not grow with the number of those that were under way."""
    breaker = closed(1.0)
    eras = [breaker.begin(NOW) for _ in range(5)]
    for era in eras:
        breaker.failed(NOW, Failure.BROKEN, era=era)
    assert (breaker.until, breaker.admits_early()) == (NOW + BASE_S, True)
    breaker.failed(NOW + BASE_S, Failure.BROKEN, era=breaker.begin(NOW + BASE_S))
    assert breaker.until == NOW + BASE_S + 3 * BASE_S


@pytest.mark.parametrize(
    "end",
    [
        lambda breaker, era: breaker.worked(era),
        lambda breaker, era: breaker.abandoned(era),
        lambda breaker, era: breaker.failed(NOW + BASE_S, Failure.BROKEN, era=era),
        lambda breaker, era: breaker.failed(NOW + BASE_S, Failure.FORBIDDEN, era=era),
        lambda breaker, era: breaker.failed(NOW + BASE_S, Failure.LATE, era=era),
    ],
)
def test_what_was_sent_before_the_failure_does_not_end_the_try(end: Callable[[Breaker, int], None]) -> None:
    """However it ends: there is no place for a second try, and the first one still decides."""
    breaker = closed()
    early, failing = breaker.begin(NOW), breaker.begin(NOW)
    breaker.failed(NOW, Failure.BROKEN, era=failing)
    probe = breaker.begin(breaker.until)
    end(breaker, early)
    assert (breaker.state, breaker.admits(NOW + 999)) == (HALF_OPEN, False)
    breaker.worked(probe)
    assert breaker.state is CLOSED


@pytest.mark.parametrize("failure", [Failure.FORBIDDEN, Failure.BUSY])
def test_a_late_success_does_not_overrule_the_endpoints_word(failure: Failure) -> None:
    """Of two requests at once one may be served and the other be one too many."""
    breaker = closed()
    served, refused = breaker.begin(NOW), breaker.begin(NOW)
    breaker.failed(NOW, failure, 10.0, refused)
    breaker.worked(served)
    assert not breaker.admits(NOW + 9.9)


def test_a_wish_of_an_earlier_request_is_granted_by_an_open_breaker() -> None:
    """It may come after the failure that opened it. A shorter one does not shorten the wait, and nobody asks early then."""
    breaker = closed()
    eras = [breaker.begin(NOW) for _ in range(3)]
    breaker.failed(NOW, Failure.BROKEN, era=eras[0])
    breaker.failed(NOW, Failure.BUSY, 0.1, eras[1])
    assert (breaker.until, breaker.admits_early()) == (NOW + BASE_S, False)
    breaker.failed(NOW, Failure.BUSY, 20.0, eras[2])
    assert (breaker.until, breaker.admits_early()) == (NOW + 20.0, False)


def test_an_abandoned_try_frees_its_place_and_changes_nothing_else() -> None:
    """One that was due is due again; one that was early makes nobody due."""
    due = opened()
    due.abandoned(due.begin(due.until))
    assert due.admits(due.until)
    early = opened()
    early.abandoned(early.begin(NOW))
    assert (early.admits(NOW), early.admits_early(), early.until) == (False, True, NOW + BASE_S)


def test_an_answer_to_the_old_key_says_nothing_about_the_new_one() -> None:
    """Settings change while a request is under way, which then is forbidden."""
    breaker = closed()
    era = breaker.begin(NOW)
    breaker.settings_changed()
    breaker.failed(NOW, Failure.FORBIDDEN, era=era)
    assert breaker.state is CLOSED
