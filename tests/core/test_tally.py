"""What is known of an endpoint's pace and reliability."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.tally import ENOUGH, KEPT, STALE_S, WEIGHT, Tally, percentile

NOW = 100.0


def served(tally: Tally, *first_bytes_s: float, load: float = 1.0, at: float = NOW) -> None:
    for first_s in first_bytes_s:
        ticket = tally.began(at - first_s, load)
        tally.first_byte(ticket, at)
        tally.worked(ticket, at)


def test_nothing_is_known_of_an_endpoint_that_was_not_asked() -> None:
    """None, not zero."""
    tally = Tally()
    figures = tally.figures()
    assert (figures.requests, figures.success_rate, figures.first_byte_p95_s, figures.total_median_s) == (0, None, None, None)
    assert (tally.expected_s(NOW), tally.usual_p95_s(), tally.in_flight) == (None, None, 0)


def test_figures_of_a_few_requests() -> None:
    """Values that occurred: the middle one, and the one that nineteen of twenty do not exceed."""
    tally = Tally()
    for number in range(1, 21):
        ticket = tally.began(0.0)
        tally.first_byte(ticket, number)
        tally.worked(ticket, 2 * number)
    for _ in range(5):
        tally.failed(tally.began(0.0))
    tally.began(0.0)
    figures = tally.figures()
    assert (figures.first_byte_median_s, figures.first_byte_p95_s) == (10, 19)
    assert (figures.total_median_s, figures.total_p95_s) == (20, 38)
    assert (figures.requests, figures.success_rate, figures.in_flight) == (25, 0.8, 1)


def test_old_requests_are_forgotten() -> None:
    """So that an endpoint that changes is noticed."""
    tally = Tally()
    served(tally, *[9.0] * KEPT, *[1.0] * KEPT)
    assert (tally.figures().requests, tally.figures().first_byte_p95_s, tally.usual_p95_s()) == (KEPT, 1.0, 1.0)


def test_a_p95_needs_enough_requests() -> None:
    """Fewer are chance."""
    tally = Tally()
    served(tally, *[1.0] * (ENOUGH - 1))
    assert tally.usual_p95_s() is None
    served(tally, 1.0)
    assert tally.usual_p95_s() == 1.0


def test_requests_of_all_sizes_are_compared_by_their_load() -> None:
    """Three times the work in three times the time is the usual pace; people see the seconds as they were."""
    tally = Tally()
    served(tally, *[3.0] * ENOUGH, load=3.0)
    assert (tally.usual_p95_s(), tally.expected_s(NOW), tally.figures().first_byte_p95_s) == (1.0, 1.0, 3.0)


def test_only_the_first_of_the_first_bytes_counts() -> None:
    """And an answer that comes whole has its first byte with its last."""
    tally = Tally()
    ticket = tally.began(0.0)
    tally.first_byte(ticket, 1.0)
    tally.first_byte(ticket, 2.0)
    tally.worked(tally.began(0.0), 1.0)
    assert (tally.figures().first_byte_p95_s, tally.in_flight) == (1.0, 1)


def test_the_newest_requests_weigh_most() -> None:
    """Two slow ones in a row outweigh the past."""
    tally = Tally()
    served(tally, *[1.0] * 20, 5.0)
    assert tally.expected_s(NOW) == pytest.approx(WEIGHT * 5 + (1 - WEIGHT))
    served(tally, 5.0)
    assert (tally.expected_s(NOW) or 0) > 3.0


def test_what_is_known_becomes_stale() -> None:
    """After a while without a request the endpoint may have recovered, and its next answer counts alone."""
    tally = Tally()
    served(tally, 9.0)
    assert tally.expected_s(NOW + STALE_S) == 9.0
    assert tally.expected_s(NOW + STALE_S + 1) is None
    served(tally, 1.0, at=NOW + STALE_S + 1)
    assert tally.expected_s(NOW + STALE_S + 1) == 1.0


def test_while_somebody_asks_the_old_pace_is_expected() -> None:
    """One request finds out; the others do not follow before it has."""
    tally = Tally()
    served(tally, 9.0)
    later = NOW + STALE_S + 1
    ticket = tally.began(later)
    assert tally.expected_s(later + 1) == 9.0
    tally.worked(ticket, later + 2)
    assert tally.expected_s(later + 2) == 2.0


def test_a_request_that_waits_longer_than_expected_is_expected_to_take_so_long() -> None:
    """An endpoint that hangs is noticed before its first request ends; its load counts, and a first byte ends the wait."""
    tally = Tally()
    assert tally.expected_s(NOW) is None
    ticket = tally.began(NOW, load=2.0)
    assert tally.expected_s(NOW) is None
    assert tally.expected_s(NOW + 6) == 3.0
    served(tally, 1.0, at=NOW + 6)
    assert tally.expected_s(NOW + 8) == 4.0
    tally.first_byte(ticket, NOW + 8)
    assert (tally.expected_s(NOW + 60) or 0) < 4.0


def test_a_request_given_up_tells_how_long_it_waited_in_vain() -> None:
    """But only if that is longer than what was expected, and it is in no figure."""
    tally = Tally()
    served(tally, 1.0)
    tally.abandoned(tally.began(NOW), NOW + 0.5)
    assert tally.expected_s(NOW) == 1.0
    tally.abandoned(tally.began(NOW, load=2.0), NOW + 6)
    assert tally.expected_s(NOW) == pytest.approx(WEIGHT * 3 + (1 - WEIGHT))
    assert (tally.figures().requests, tally.in_flight) == (1, 0)


def test_one_given_up_after_its_first_byte_tells_nothing_more() -> None:
    """The person interrupted."""
    tally = Tally()
    ticket = tally.began(NOW)
    tally.first_byte(ticket, NOW + 1)
    tally.abandoned(ticket, NOW + 60)
    assert tally.expected_s(NOW + 2) == 1.0


def test_a_failure_says_nothing_about_pace() -> None:
    """A refused connection is quick."""
    tally = Tally()
    tally.failed(tally.began(NOW))
    assert (tally.expected_s(NOW), tally.figures().success_rate) == (None, 0.0)


def test_unknown_tickets_are_ignored() -> None:
    """A request that has ended ends once."""
    tally = Tally()
    ticket = tally.began(NOW)
    tally.worked(ticket, NOW + 1)
    tally.first_byte(ticket, NOW + 9)
    tally.worked(ticket, NOW + 9)
    tally.failed(ticket)
    tally.abandoned(ticket, NOW + 9)
    assert (tally.figures().requests, tally.figures().total_p95_s, tally.expected_s(NOW + 1)) == (1, 1.0, 1.0)


def test_the_last_use_is_when_the_last_request_began() -> None:
    """Before any it is for ever ago."""
    tally = Tally()
    assert tally.last_used == float("-inf")
    tally.worked(tally.began(NOW), NOW + 5)
    assert tally.last_used == NOW


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=100), st.integers(1, 100))
def test_a_percentile_is_one_of_the_values_and_covers_its_share(values: list[float], percent: int) -> None:
    """At least so many percent do not exceed it, and no smaller value does as much."""
    found = percentile(values, percent)
    assert found in values
    assert 100 * sum(value <= found for value in values) >= percent * len(values)
    assert 100 * sum(value < found for value in values) < percent * len(values)


def test_a_percentile_of_nothing_is_none() -> None:
    """No value occurred."""
    assert percentile([], 50) is None
