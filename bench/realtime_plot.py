"""Draws added latency against sessions; needs matplotlib (extra ``plot``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.realtime_figures import CAPACITY_P95_MS, Latency

__all__ = ["draw"]


def draw(path: Path, steps: Sequence[Latency]) -> None:
    """Write a picture in the format that its name ends with."""
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    sessions = [step.sessions for step in steps]
    axes.plot(sessions, [step.p50 for step in steps], marker="o", label="p50")
    axes.plot(sessions, [step.p95 for step in steps], marker="o", label="p95")
    axes.axhline(CAPACITY_P95_MS, linestyle="--", color="grey", label="bar for p95")
    axes.set_xlabel("sessions over WebSocket")
    axes.set_ylabel("added latency in ms")
    axes.set_ylim(bottom=0)
    axes.legend()
    figure.savefig(path)
