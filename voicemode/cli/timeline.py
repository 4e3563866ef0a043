"""One turn as a timeline: what took how long."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table
from rich.text import Text

__all__ = ["Phase", "phases", "timeline"]

_WIDTH = 48
"""Characters of the longest bar: with its labels it fits in a terminal of 80."""


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of a turn; seconds since the call."""

    name: str
    began_s: float
    ended_s: float


def phases(timings_ms: Mapping[str, int]) -> list[Phase]:
    """Read the figures of ``core.latency.Marks.timings_ms`` as stretches; those that did not happen are left out.

    Nothing was heard without "response", which counts back from the result to the person's last word.
    """
    total = timings_ms.get("total", 0)
    found = []
    if "speaking" in timings_ms:
        first_sound = timings_ms.get("ttfa", 0)
        found.append(("speak", first_sound, first_sound + timings_ms["speaking"]))
    if "response" in timings_ms:
        last_word = total - timings_ms["response"]
        found.append(("listen", last_word - timings_ms.get("listening", 0), last_word))
        found.append(("end of turn", last_word, last_word + timings_ms.get("endpointing", 0)))
        found.append(("transcribe", total - timings_ms.get("transcription", 0), total))
    found.append(("result", total, total))
    return [Phase(name, max(began, 0) / 1000, max(ended, 0) / 1000) for name, began, ended in found]


def timeline(stretches: Sequence[Phase]) -> Table:
    """Draw the stretches under one another on a common scale."""
    table = Table.grid(padding=(0, 2))
    table.add_column(justify="left")
    table.add_column(justify="right")
    table.add_column(justify="right")
    table.add_column(justify="left", no_wrap=True)
    longest = max((phase.ended_s for phase in stretches), default=0.0) or 1.0
    for phase in stretches:
        lasted = phase.ended_s - phase.began_s
        took = f"{lasted * 1000:.0f} ms" if lasted else ""
        table.add_row(phase.name, f"{phase.began_s:.2f} s", took, _bar(phase, _WIDTH / longest))
    return table


def _bar(phase: Phase, scale: float) -> Text:
    start = round(phase.began_s * scale)
    length = max(round(phase.ended_s * scale) - start, 0)
    return Text(" " * start + ("━" * length or "╸"), style="cyan")
