"""What the realtime measurements make of what was taken, and the bars it is held against. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "CAPACITY_P95_MS",
    "CAPACITY_SESSIONS",
    "LATENCY_BARS",
    "MEMORY_MB",
    "Held",
    "Latency",
    "LatencyBar",
    "added_ms",
    "capacity",
    "latency",
    "leaks",
    "memory_per_session",
]

MEMORY_MB = 3.0
"""Of each further session (issue 6, "Done when" 3, as all bars here)."""
CAPACITY_SESSIONS = 50
CAPACITY_P95_MS = 50.0

_LEAK_MB = 4.0
"""Growth of a whole measurement that is still the allocator's: kept sound of a turn (64 KB) in 400 sessions would be 26."""
_WARM = 0.2
"""Of the samples, in which caches and pools fill."""


@dataclass(frozen=True, slots=True)
class LatencyBar:
    """None: no promise."""

    p50_ms: float | None
    p95_ms: float


LATENCY_BARS: Mapping[str, LatencyBar] = {"ws": LatencyBar(30.0, 60.0), "webrtc": LatencyBar(None, 120.0)}


@dataclass(frozen=True, slots=True)
class Latency:
    """Of the turns of one step, in ms; nan where no turn was answered."""

    sessions: int
    turns: int
    failed: int
    p50: float
    p95: float
    worst: float
    server_p50: float
    """From the chunk with which the silence was long enough, as the server says, to the first sound: without the wait for
    a chunk to fill, and without a microphone that is late. nan where the transport does not tell."""
    server_p95: float
    late_p95: float
    """By which the microphones themselves were late: the load of the machine."""

    def keeps(self, bar: LatencyBar) -> bool:
        """Also where a turn failed, the bar is missed."""
        return self.failed == 0 and self.p95 <= bar.p95_ms and (bar.p50_ms is None or self.p50 <= bar.p50_ms)


def added_ms(row: Mapping[str, Any], silence_ms: float) -> float | None:
    """From the last audible sample to the first sound of the answer, without the silence that ends a turn by agreement."""
    if row["problem"] or row["first_at"] is None:
        return None
    return float((row["first_at"] - row["end_at"]) * 1000 - silence_ms)


def latency(rows: Sequence[Mapping[str, Any]], silence_ms: float, *, sessions: int, expected: int) -> Latency:
    """``rows`` are turns as ``SpokenTurn.row`` tells them; of ``expected`` ones those that are missing have failed too."""
    added = [each for row in rows if (each := added_ms(row, silence_ms)) is not None]
    server = [
        (row["first_at"] - row["decided_at"]) * 1000
        for row in rows
        if row["first_at"] is not None and row["decided_at"] is not None
    ]
    late = [each for row in rows for each in row["late_ms"]]
    return Latency(
        sessions=sessions,
        turns=expected,
        failed=expected - len(added),
        p50=_at(added, 50),
        p95=_at(added, 95),
        worst=max(added, default=float("nan")),
        server_p50=_at(server, 50),
        server_p95=_at(server, 95),
        late_p95=_at(late, 95),
    )


def capacity(steps: Sequence[Latency]) -> int:
    """The most sessions of a step that kept the bar, all smaller steps included; 0 where none did."""
    most = 0
    for step in sorted(steps, key=lambda each: each.sessions):
        if step.failed or not step.p95 <= CAPACITY_P95_MS:
            break
        most = step.sessions
    return most


def memory_per_session(before_mb: float, with_all_mb: float, sessions: int) -> float:
    """Megabytes."""
    return (with_all_mb - before_mb) / sessions


@dataclass(frozen=True, slots=True)
class Held:
    """What a process holds while no session is open."""

    rss_mb: float
    fds: int
    """But for the pooled connections to engines, which are kept for a minute by design."""
    threads: int
    tasks: int
    sessions: int = 0


def leaks(samples: Sequence[Held], *, least_mb: float = _LEAK_MB) -> list[str]:
    """What grew from one sample to the next, each taken after as many sessions; a sentence for each, none where nothing did.

    The first fifth of the samples is warming up. What is counted must be back exactly; memory may end ``least_mb`` higher.
    """
    rest = samples[round(len(samples) * _WARM) :]
    if len(rest) < 2:
        return ["there are too few samples to tell"]
    first, last = rest[0], rest[-1]
    found = [
        f"{name}: {before} after warming up, {after} in the end"
        for name, before, after in (
            ("sessions", 0, last.sessions),
            ("tasks", first.tasks, last.tasks),
            ("file descriptors", first.fds, last.fds),
        )
        if after > before
    ]
    threads = [sample.threads for sample in rest]
    if threads[-1] > max(threads[: len(threads) // 2]):
        found.append(f"threads: up to {max(threads[: len(threads) // 2])} in the first half, {threads[-1]} in the end")
    third = max(len(rest) // 3, 1)
    grown = statistics.median(s.rss_mb for s in rest[-third:]) - statistics.median(s.rss_mb for s in rest[:third])
    if grown > least_mb:
        found.append(f"memory: {grown:.1f} MB more in the last third than in the first")
    return found


def _at(values: Sequence[float], percent: float) -> float:
    return float(np.percentile(values, percent)) if values else float("nan")
