"""What people read of the figures."""

from __future__ import annotations

from bench.rows import Judged, Row, measured
from bench.table import cells, table

RATIO = Row(
    name="start",
    title="start",
    unit="ms",
    scenario="start",
    figure="f",
    limit=1.25,
    against="bare",
    compared_with="bare server",
)
PROMISE = Row(name="ping", title="ping", unit="ms", scenario="ping", figure="f", limit=20)
COUNT = Row(name="breaks", title="breaks", unit="", scenario="tone", figure="f", limit=0, judged=Judged.WORST)


def test_a_ratio_names_both_sides() -> None:
    """Figure, spread, reference, ratio, limit and verdict."""
    outcome = measured(RATIO, {"start": [{"f": 500.0}, {"f": 520.0}, {"f": 600.0}], "bare": [{"f": 400.0}]})
    assert cells(RATIO, outcome) == (
        "start",
        "520 ms (500 to 600, n=3)",
        "bare server: 400 ms",
        "1.30 x",
        "1.25 x",
        "NO",
    )


def test_a_limit_shows_its_margin() -> None:
    """What is left, or how much it is over."""
    kept = cells(PROMISE, measured(PROMISE, {"ping": [{"f": 4.5}]}))
    broken = cells(PROMISE, measured(PROMISE, {"ping": [{"f": 50.0}]}))
    assert kept[3:] == ("15.5 ms left", "20 ms", "yes")
    assert broken[3:] == ("30 ms over", "20 ms", "NO, 1 of 1 over")


def test_a_median_hides_nothing() -> None:
    """Single figures over the limit are counted, although the median keeps it."""
    outcome = measured(PROMISE, {"ping": [{"f": 5.0}, {"f": 6.0}, {"f": 50.0}]})
    assert cells(PROMISE, outcome)[5] == "yes, 1 of 3 over"


def test_a_count_has_no_unit() -> None:
    """And no stray blanks where the unit would be."""
    assert cells(COUNT, measured(COUNT, {"tone": [{"f": 0.0}]})) == (
        "breaks",
        "0 (0 to 0, n=1)",
        "",
        "0 left",
        "0",
        "yes",
    )


def test_what_was_not_measured_is_not_kept() -> None:
    """A scenario that failed must not look like a promise kept."""
    assert cells(PROMISE, None)[1:] == ("not measured", "", "", "20 ms", "NO")


def test_the_circumstances_are_told() -> None:
    """When a person began is measured as well, not only asked for."""
    row = Row(name="c", title="c", unit="ms", scenario="s", figure="f", limit=0, compared_with="began after", context="gap_ms")
    assert cells(row, measured(row, {"s": [{"f": 0.0, "gap_ms": 203.4}]}))[2] == "began after: 203 ms"


def test_every_row_is_drawn() -> None:
    """Taken or not."""
    assert table([(RATIO, None), (PROMISE, None)]).row_count == 2
