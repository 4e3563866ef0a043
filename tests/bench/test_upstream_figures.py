"""The arithmetic of what a server between a client and its upstream adds."""

from __future__ import annotations

import pytest

from bench.upstream_figures import Answer, added


def answer(way_s: float, deltas: int = 3) -> Answer:
    """Asked at 10 s; each delta leaves 20 ms after the one before, and is so long on its way."""
    left = tuple(10.1 + 0.02 * n for n in range(deltas))
    return Answer(10.0, tuple(at + way_s for at in left), left)


def test_what_is_added_is_the_difference_of_two_percentiles() -> None:
    """Of the time until the first sound, and of the way of each delta."""
    first, each, _ = added([answer(0.001)] * 20, [answer(0.004)] * 20)
    assert (first.count, each.count) == (20, 60)
    assert [first.direct_p50, first.through_p95] == pytest.approx([101.0, 104.0])
    assert [first.p50, first.p95, each.p50, each.p95] == pytest.approx([3.0] * 4)
    assert first.kept
    assert each.kept


def test_a_few_late_ones_break_the_promise_by_the_percentile() -> None:
    """One in ten is more than one in twenty."""
    first, *_ = added([answer(0.001)] * 20, [*[answer(0.001)] * 18, *[answer(0.05)] * 2])
    assert first.p50 == pytest.approx(0.0)
    assert not first.kept


def test_a_delta_that_is_missing_is_no_figure() -> None:
    """The measurement says so instead of comparing others."""
    broken = Answer(10.0, (10.2,), (10.1, 10.15))
    with pytest.raises(ValueError, match="zip"):
        added([answer(0.001)], [broken])
