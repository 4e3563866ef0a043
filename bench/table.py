"""The table people read: rich on a terminal, aligned text in a file. No measuring here."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from bench.rows import Judged, Measured, Row

__all__ = ["cells", "table"]

_NOT_TAKEN = "not measured"


def cells(row: Row, outcome: Measured | None) -> tuple[str, str, str, str, str, str]:
    """Title, figure, what it is compared with, ratio or margin, limit, verdict."""
    if outcome is None:
        return row.title, _NOT_TAKEN, row.compared_with, "", _limit(row), _verdict(None if row.limit is None else False)
    low, high = min(outcome.figures), max(outcome.figures)
    spread = f"{_number(outcome.median)} {row.unit} ({_number(low)} to {_number(high)}, n={len(outcome.figures)})"
    compared = row.compared_with
    if outcome.reference is not None:
        compared = f"{compared}: {_number(outcome.reference)} {row.unit}"
    elif outcome.context is not None:
        compared = f"{compared}: {_number(outcome.context)} ms"
    return row.title, spread.replace("  ", " "), compared, _distance(outcome), _limit(row), _counted(outcome)


_TITLE = "voicemode, measured by sound: median (smallest to largest)"


def table(results_rows: Sequence[tuple[Row, Measured | None]], *, title: str = _TITLE) -> Table:
    """The whole table."""
    drawn = Table(title=title)
    drawn.add_column("measured")
    drawn.add_column("figure", no_wrap=True)
    drawn.add_column("compared with")
    drawn.add_column("ratio or margin", no_wrap=True)
    drawn.add_column("limit", no_wrap=True)
    drawn.add_column("kept", justify="center")
    for row, outcome in results_rows:
        drawn.add_row(*cells(row, outcome))
    return drawn


def _distance(outcome: Measured) -> str:
    if outcome.ratio is not None:
        return f"{outcome.ratio:.2f} x"
    if outcome.margin is None:
        return ""
    unit = f" {outcome.row.unit}" if outcome.row.unit else ""
    return f"{_number(abs(outcome.margin))}{unit} {'left' if outcome.margin >= 0 else 'over'}"


def _limit(row: Row) -> str:
    if row.limit is None:
        return ""
    if row.against is not None:
        return f"{row.limit:g} x"
    each = " (each)" if row.judged is Judged.WORST and row.limit > 0 else ""
    return f"{row.limit:g} {row.unit}".strip() + each


def _counted(outcome: Measured) -> str:
    """A median may hide single figures that were too much; the table does not."""
    verdict = _verdict(outcome.kept)
    return f"{verdict}, {outcome.over} of {len(outcome.figures)} over" if outcome.over else verdict


def _verdict(kept: bool | None) -> str:
    return {True: "yes", False: "NO", None: ""}[kept]


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 20 or value == round(value) else f"{value:.1f}"
