"""Draws false cut-offs against latency, a panel for each noise level; needs matplotlib (extra ``plot``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from matplotlib.figure import Figure

__all__ = ["Point", "draw"]

_DRAWN = (
    *("silence", "smart-turn once", "policy, prosody, words", "policy, smart-turn-v3, words", "policy, no scorer, words"),
    "policy, prosody",
)
"""Families that fit into one picture; the table has all."""


class Point(Protocol):
    """What is drawn of a row."""

    @property
    def rule(self) -> str: ...
    @property
    def family(self) -> str: ...
    @property
    def snr_db(self) -> float | None: ...
    @property
    def cut_rate(self) -> float: ...
    @property
    def answer_median_s(self) -> float: ...
    @property
    def p90_s(self) -> float: ...


def draw(rows: Sequence[Point], path: Path) -> None:
    """Two rows of panels, median and 90th percentile, as PNG; the default policy is ringed."""
    levels = list(dict.fromkeys(row.snr_db for row in rows))
    figure = Figure(figsize=(4.2 * len(levels), 8), layout="constrained")
    panels = figure.subplots(2, len(levels), squeeze=False, sharey=True)
    for column, snr_db in enumerate(levels):
        for line, measure in enumerate(("answer_median_s", "p90_s")):
            panel = panels[line][column]
            for family in _DRAWN:
                points = sorted(
                    (-r.cut_rate, getattr(r, measure), r.rule) for r in rows if (r.family, r.snr_db) == (family, snr_db)
                )
                style = "o:" if not family.startswith("policy") else "s-"
                panel.plot([p[1] for p in points], [-100 * p[0] for p in points], style, markersize=4, label=family)
                default = [p for p in points if p[2].endswith(", x1")]
                panel.plot([p[1] for p in default], [-100 * p[0] for p in default], "ko", markersize=9, fillstyle="none")
            panel.set_xlim(0.2, 2.0)
            panel.set_xlabel(("median" if line == 0 else "90th percentile") + " latency after the last word, s")
            panel.grid(alpha=0.3)
        panels[0][column].set_title("quiet room" if snr_db is None else f"speech {snr_db:g} dB over the noise")
    panels[0][0].set_ylabel("pauses cut off, %")
    panels[1][0].set_ylabel("pauses cut off, %")
    panels[0][-1].legend(fontsize=7)
    figure.savefig(path, dpi=90)
