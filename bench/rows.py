"""What is measured and what was promised: one ``Row`` for each line of the table. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, unique

__all__ = ["ROWS", "Judged", "Measured", "Results", "Row", "measured"]

Results = Mapping[str, Sequence[Mapping[str, float]]]
"""By scenario: one mapping of figures for each repetition. A figure that could not be taken is absent."""


@unique
class Judged(Enum):
    """Which of several figures is held against the limit."""

    MEDIAN = "median"
    WORST = "worst"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the table. ``limit`` is the largest figure (or ratio) that keeps the promise; None makes no promise."""

    name: str
    """For ``--only``."""
    title: str
    unit: str
    scenario: str
    figure: str
    limit: float | None
    judged: Judged = Judged.MEDIAN
    against: str | None = None
    """The scenario whose same figure is what the limit is a multiple of; None when the limit is absolute."""
    compared_with: str = ""
    context: str | None = None
    """A figure, in ms, that says under which circumstances the others were taken."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One row's outcome."""

    row: Row
    figures: tuple[float, ...]
    reference: float | None
    """Median of what it is compared with; None where the limit is absolute or nothing was taken."""
    context: float | None = None
    """Median of the row's context; None where it has none."""

    @property
    def median(self) -> float:
        return statistics.median(self.figures)

    @property
    def value(self) -> float:
        """What is held against the limit, in the row's unit."""
        return self.median if self.row.judged is Judged.MEDIAN else max(self.figures)

    @property
    def ratio(self) -> float | None:
        return None if self.reference is None else self.value / self.reference

    @property
    def margin(self) -> float | None:
        """What is left until the limit: in the row's unit, or in multiples for a ratio. Negative: broken."""
        if self.row.limit is None or (self.row.against is not None and self.ratio is None):
            return None
        # Rounded: a hundredth of a millisecond is the resolution of the room, not of the product.
        return round(self.row.limit - (self.value if self.ratio is None else self.ratio), 2)

    @property
    def over(self) -> int:
        """How many figures are over an absolute limit, also where the median is judged."""
        if self.row.limit is None or self.row.against is not None:
            return 0
        return sum(figure > self.row.limit for figure in self.figures)

    @property
    def kept(self) -> bool | None:
        """None when nothing was promised."""
        return None if self.margin is None else self.margin >= 0


def measured(row: Row, results: Results) -> Measured | None:
    """The outcome of a row, or None when no figure was taken."""
    figures = _figures(results, row.scenario, row.figure)
    if not figures:
        return None
    against = _figures(results, row.against, row.figure) if row.against is not None else ()
    context = _figures(results, row.scenario, row.context) if row.context is not None else ()
    return Measured(
        row,
        figures,
        reference=statistics.median(against) if against else None,
        context=statistics.median(context) if context else None,
    )


def _figures(results: Results, scenario: str, figure: str) -> tuple[float, ...]:
    return tuple(one[figure] for one in results.get(scenario, ()) if figure in one)


_BARE = "bare MCPServer, one tool"
_WINDOW = "silence window (1000 ms)"
_FIRST_BYTE = "engine's first byte"


def _clipped(name: str, title: str, scenario: str) -> Row:
    return Row(
        name=name,
        title=title,
        unit="ms",
        scenario=scenario,
        figure="clipped_ms",
        limit=0,
        judged=Judged.WORST,
        compared_with="began after the last word",
        context="gap_ms",
    )


ROWS = (
    Row(name="start", title="spawn → initialize answered", unit="ms", scenario="start", figure="initialize_ms",
        limit=1.25, against="start_bare", compared_with=_BARE),
    Row(name="memory", title="resident memory after tools/list", unit="MB", scenario="start", figure="resident_mb",
        limit=1.5, against="start_bare", compared_with=_BARE),
    Row(name="tokens", title="tokens of all tools", unit="tok", scenario="start", figure="tokens",
        limit=1500, judged=Judged.WORST),
    Row(name="first_sound", title="first sound, warm", unit="ms", scenario="sentence", figure="first_sound_ms",
        limit=30, compared_with=_FIRST_BYTE),
    Row(name="call_to_sound", title="call → first sound, warm", unit="ms", scenario="sentence",
        figure="call_to_sound_ms", limit=None),
    Row(name="first_call", title="call → first sound, first call of a process", unit="ms", scenario="cold",
        figure="call_to_sound_ms", limit=None),
    Row(name="called_memory", title="resident memory after a call", unit="MB", scenario="cold", figure="called_mb",
        limit=None),
    Row(name="sentence", title="result after a sentence", unit="ms", scenario="sentence", figure="result_ms",
        limit=40, compared_with=_WINDOW),
    Row(name="word", title="result after one word", unit="ms", scenario="word", figure="result_ms",
        limit=40, compared_with=_WINDOW),
    Row(name="overhead", title="overhead of a turn (call → sound, last word → result)", unit="ms", scenario="sentence",
        figure="overhead_ms", limit=None, compared_with=f"includes the {_WINDOW}"),
    Row(name="dropouts", title="drop-outs, engine at 1.2 x real time", unit="", scenario="tone", figure="dropouts",
        limit=0, judged=Judged.WORST, compared_with="engine late by, at most", context="engine_late_ms"),
    Row(name="dropouts_ms", title="silence inside, engine at 1.2 x real time", unit="ms", scenario="tone",
        figure="silence_ms", limit=0, judged=Judged.WORST),
    _clipped("clipped_polite", "speech clipped, polite person", "sentence"),
    _clipped("clipped_word", "speech clipped, polite, one word", "word"),
    _clipped("clipped_0", "speech clipped, starts after 0 ms", "eager_0"),
    _clipped("clipped_200", "speech clipped, starts after 200 ms", "eager_200"),
    _clipped("clipped_500", "speech clipped, starts after 500 ms", "eager_500"),
    Row(name="ping", title="slowest ping while 4 s are spoken", unit="ms", scenario="ping", figure="slowest_ping_ms",
        limit=20, compared_with=_BARE, context="bare_ping_ms"),
    Row(name="cancel_speaking", title="cancel while speaking → silence", unit="ms", scenario="cancel_speaking",
        figure="freed_ms", limit=300, judged=Judged.WORST),
    Row(name="cancel_listening", title="cancel while listening → microphone closed", unit="ms",
        scenario="cancel_listening", figure="freed_ms", limit=300, judged=Judged.WORST),
)  # fmt: skip
"""In the order of the promise (issue "The main job on first run", line 3 of "Done when", and line 4 for cancelling)."""
