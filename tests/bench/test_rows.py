"""How figures are held against what was promised."""

from __future__ import annotations

import pytest

from bench.room import MESSAGE
from bench.rows import ROWS, Judged, Row, measured
from bench.scenarios import SCENARIOS
from voicemode.core.sentences import split


def row(*, limit: float | None = 30, judged: Judged = Judged.MEDIAN, against: str | None = None) -> Row:
    return Row(
        name="x", title="x", unit="ms", scenario="s", figure="f", limit=limit, judged=judged, against=against
    )  # fmt: skip


def taken(*figures: float) -> dict[str, list[dict[str, float]]]:
    return {"s": [{"f": figure} for figure in figures]}


def test_a_median_is_judged() -> None:
    """One slow repetition of a noisy machine breaks nothing."""
    outcome = measured(row(), taken(10, 20, 500))
    assert outcome is not None
    assert (outcome.value, outcome.margin, outcome.kept) == (20, 10, True)


def test_the_worst_is_judged_where_it_is_promised() -> None:
    """A single lost word is one too many."""
    outcome = measured(row(limit=0, judged=Judged.WORST), taken(0, 0, 12))
    assert outcome is not None
    assert (outcome.value, outcome.margin, outcome.kept) == (12, -12, False)


@pytest.mark.parametrize(("reference", "kept"), [(100.0, True), (70.0, False)])
def test_a_ratio_is_judged_against_its_reference(reference: float, kept: bool) -> None:
    """Medians of both, from the same run."""
    results = {**taken(100, 120, 90), "bare": [{"f": reference}]}
    outcome = measured(row(limit=1.25, against="bare"), results)
    assert outcome is not None
    assert outcome.ratio == pytest.approx(100 / reference)
    assert outcome.kept is kept


def test_a_limit_that_is_met_exactly_is_kept() -> None:
    """ "At most" includes the limit, whatever floating point makes of it."""
    outcome = measured(row(limit=0.3), taken(0.1 + 0.2))
    assert outcome is not None
    assert outcome.kept is True


def test_no_promise_is_no_verdict() -> None:
    """Some rows only inform."""
    outcome = measured(row(limit=None), taken(1))
    assert outcome is not None
    assert outcome.kept is None


def test_no_reference_is_no_verdict() -> None:
    """A ratio to nothing keeps no promise by accident."""
    outcome = measured(row(limit=1.25, against="bare"), taken(1))
    assert outcome is not None
    assert outcome.kept is None


def test_nothing_taken_is_no_outcome() -> None:
    """A scenario that failed gives no figure, neither does one that lacks it."""
    assert measured(row(), {}) is None
    assert measured(row(), {"s": [{"other": 1.0}]}) is None


def test_every_row_has_a_scenario() -> None:
    """Names are unique, and no row waits for figures nobody takes."""
    assert len({one.name for one in ROWS}) == len(ROWS)
    assert {one.scenario for one in ROWS} == set(SCENARIOS)


def test_the_message_is_one_request() -> None:
    """First sound and drop-outs are measured on one answer of the engine, not on the joint of two."""
    assert len(split(MESSAGE)) == 1
