"""One endpoint's health is told of each request once, and keeps breaker and figures in step."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from voicemode.core.breaker import BASE_S, BreakerState, Failure
from voicemode.core.health import Health

NOW = 100.0


def new() -> Health:
    return Health.new(lambda: 0.0)


def works(health: Health, ticket: int) -> None:
    health.worked(ticket, NOW + 1)


def fails(health: Health, ticket: int) -> None:
    health.failed(ticket, NOW + 1, Failure.BROKEN, "crashed.")


def is_late(health: Health, ticket: int) -> None:
    health.late(ticket, NOW + 1, "had not answered")


def is_abandoned(health: Health, ticket: int) -> None:
    health.abandoned(ticket, NOW + 1)


ENDS = (works, fails, is_late, is_abandoned)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("again", ENDS)
def test_only_the_first_end_of_a_request_counts(
    end: Callable[[Health, int], None], again: Callable[[Health, int], None]
) -> None:
    """Whoever closes twice changes nothing the second time, and nobody is told twice."""
    told: list[int] = []
    health = Health.new(lambda: 0.0, lambda: told.append(1))
    ticket = health.begin(NOW)
    end(health, ticket)
    before = (health.breaker.state, health.breaker.until, health.trouble, health.tally.figures())
    again(health, ticket)
    assert (health.breaker.state, health.breaker.until, health.trouble, health.tally.figures()) == before
    assert told == [1]


@pytest.mark.parametrize(
    ("end", "state", "requests", "success_rate", "trouble"),
    [
        (works, BreakerState.CLOSED, 1, 1.0, ""),
        (fails, BreakerState.OPEN, 1, 0.0, "crashed."),
        (is_late, BreakerState.CLOSED, 0, None, "had not answered"),
        (is_abandoned, BreakerState.CLOSED, 0, None, ""),
    ],
)
def test_each_end_reaches_breaker_and_figures(
    end: Callable[[Health, int], None], state: BreakerState, requests: int, success_rate: float | None, trouble: str
) -> None:
    """Being late once and being left are nothing that a success rate knows of."""
    health = new()
    end(health, health.begin(NOW))
    figures = health.tally.figures()
    assert (health.breaker.state, figures.requests, figures.success_rate) == (state, requests, success_rate)
    assert (health.trouble, health.trouble_at) == (trouble, NOW + 1 if trouble else None)
    assert figures.in_flight == 0


def test_a_declined_request_is_no_failure_but_is_remembered_in_words() -> None:
    """It is in no figure and opens nothing."""
    health = new()
    health.failed(health.begin(NOW), NOW, Failure.DECLINED, "too long")
    assert (health.breaker.state, health.tally.figures().requests, health.trouble) == (BreakerState.CLOSED, 0, "too long")
    assert health.tally.in_flight == 0


def test_a_try_that_is_left_frees_its_place() -> None:
    """Nobody waits for the answer, and the next request may try."""
    health = new()
    fails(health, health.begin(NOW))
    probe = health.begin(health.breaker.until)
    assert not health.breaker.admits(health.breaker.until)
    is_abandoned(health, probe)
    assert health.breaker.admits(health.breaker.until)


def test_two_lates_in_a_row_open_the_breaker() -> None:
    """And the try that follows is one at a time."""
    health = new()
    for _ in range(2):
        is_late(health, health.begin(NOW))
    assert (health.breaker.state, health.breaker.cause) == (BreakerState.OPEN, Failure.LATE)
    health.begin(health.breaker.until)
    with pytest.raises(ValueError, match="half-open"):
        health.begin(health.breaker.until)
    assert health.tally.in_flight == 1


@pytest.mark.parametrize("end", ENDS)
def test_an_old_request_leaves_the_try_alone(end: Callable[[Health, int], None]) -> None:
    """It was sent before the failure, and ends while the one request tries."""
    health = new()
    old, failing = health.begin(NOW), health.begin(NOW)
    fails(health, failing)
    probe = health.begin(health.breaker.until)
    end(health, old)
    states = [health.breaker.state]
    works(health, probe)
    states.append(health.breaker.state)
    assert states == [BreakerState.HALF_OPEN, BreakerState.CLOSED]


def test_a_wish_reaches_the_breaker() -> None:
    """In seconds from the answer."""
    health = new()
    health.failed(health.begin(NOW), NOW + 1, Failure.BUSY, "busy", 7.0)
    assert health.breaker.until == NOW + 8
    assert health.breaker.until - NOW > BASE_S


def test_trouble_is_kept_after_a_recovery() -> None:
    """Whoever asks what happened is told."""
    health = new()
    fails(health, health.begin(NOW))
    works(health, health.begin(health.breaker.until))
    assert (health.trouble, health.trouble_at) == ("crashed.", NOW + 1)


def test_the_first_byte_reaches_the_figures() -> None:
    """It is not the same as the last one."""
    health = new()
    ticket = health.begin(NOW)
    health.first_byte(ticket, NOW + 0.25)
    works(health, ticket)
    figures = health.tally.figures()
    assert (figures.first_byte_median_s, figures.total_median_s) == (0.25, 1.0)


def test_failures_are_counted_for_good() -> None:
    """Failed and late ones, each once; what follows does not take them back."""
    health = new()
    for end in (fails, is_late, works, is_abandoned):
        end(health, health.begin(NOW))
        health.breaker.settings_changed()
    assert health.failures == 2
