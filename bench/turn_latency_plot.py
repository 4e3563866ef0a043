"""Draws the latency of each turn by rule, and the product's own sum of stages beside what the client saw; needs matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

__all__ = ["draw"]


def draw(latencies_ms: Mapping[str, Sequence[float]], sums_ms: Sequence[tuple[float, float]], bar: float, path: Path) -> None:
    """As PNG. ``latencies_ms`` by rule; ``sums_ms`` are pairs of what the client saw and the sum, ``bar`` the share apart."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    chance = np.random.default_rng(0)  # only so that dots do not cover one another
    for row, found in enumerate(latencies_ms.values()):
        left.scatter(found, row + chance.uniform(-0.15, 0.15, len(found)), s=14, alpha=0.7)
        if found:
            median = float(np.median(found))
            left.plot([median, median], [row - 0.3, row + 0.3], color="black")
            left.annotate(f"{median:.0f} ms", (median, row + 0.33), ha="center", va="bottom")
    left.set_yticks(range(len(latencies_ms)), list(latencies_ms))
    left.set(xlabel="last sample of the person → result, ms", xlim=(0, None), ylim=(-0.6, len(latencies_ms) - 0.3))
    left.set_title("every turn that was not cut off, and the median", fontsize="medium")
    off = [100 * (summed - seen) / seen for seen, summed in sums_ms]
    right.axhspan(-100 * bar, 100 * bar, alpha=0.15, label=f"within {bar:.0%}")
    right.scatter([seen / 1000 for seen, _ in sums_ms], off, s=14, color="C2")
    right.set(xlabel="the call as the client sees it, s", ylabel="sum of the stages in timings_ms, % off")
    right.set(xscale="log", ylim=(min([*off, -150 * bar]), max([*off, 150 * bar])))
    right.set_xticks(seconds := [1, 2, 5, 10, 20, 50], [f"{each}" for each in seconds])
    right.minorticks_off()
    right.legend()
    figure.savefig(path, dpi=120)
