"""The tables of ``bench.realtime``. No measuring here."""

from __future__ import annotations

from typing import Protocol

from rich.table import Table

from bench.realtime_figures import (
    CAPACITY_P95_MS,
    CAPACITY_SESSIONS,
    LATENCY_BARS,
    MEMORY_MB,
    Held,
    Latency,
    capacity,
)

__all__ = ["Taken", "tables"]

_NAMES = {"ws": "WebSocket", "webrtc": "WebRTC"}


class Taken(Protocol):
    """What is shown of an outcome."""

    @property
    def latencies(self) -> dict[str, Latency]: ...
    @property
    def steps(self) -> list[Latency]: ...
    @property
    def cpu(self) -> list[float]: ...
    @property
    def memory_mb(self) -> float | None: ...
    @property
    def held(self) -> dict[str, list[Held]]: ...
    @property
    def leaks(self) -> list[str]: ...


def tables(taken: Taken) -> list[Table]:
    """Latency, sessions, and what was left behind; those that were taken."""
    made = []
    if taken.latencies:
        made.append(_latencies(taken))
    if taken.steps:
        made.append(_steps(taken))
    if taken.held:
        made.append(_held(taken))
    return made


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title)
    for number, column in enumerate(columns):
        table.add_column(column, justify="right" if number else "left", no_wrap=True)
    return table


def _latencies(taken: Taken) -> Table:
    title = "added latency: end of speech to the first sound at the client, less the silence that ends a turn; ms"
    table = _table(
        title, "transport", "turns", "failed", "p50", "p95", "worst", "server p50", "p95", "client late, p95", "bar", "kept"
    )
    for transport, found in taken.latencies.items():
        bar = LATENCY_BARS[transport]
        limits = f"p95 {bar.p95_ms:g}" if bar.p50_ms is None else f"p50 {bar.p50_ms:g}, p95 {bar.p95_ms:g}"
        figures = (found.p50, found.p95, found.worst, found.server_p50, found.server_p95, found.late_p95)
        shown = [_ms(figure) for figure in figures]
        table.add_row(_NAMES[transport], str(found.turns), str(found.failed), *shown, limits, _kept(found.keeps(bar)))
    return table


def _steps(taken: Taken) -> Table:
    most = capacity(taken.steps)
    enough = _kept(most >= CAPACITY_SESSIONS)
    title = f"sessions at p95 of {CAPACITY_P95_MS:g} ms at most: {most} (bar {CAPACITY_SESSIONS}: {enough})"
    if taken.memory_mb is not None:
        title += f"; {taken.memory_mb:.2f} MB each (bar {MEMORY_MB:g}: {_kept(taken.memory_mb <= MEMORY_MB)})"
    table = _table(
        title, "sessions", "turns", "failed", "p50", "p95", "worst", "server p50", "p95", "client late, p95", "cores"
    )
    for step, cores in zip(taken.steps, taken.cpu, strict=True):
        figures = (step.p50, step.p95, step.worst, step.server_p50, step.server_p95, step.late_p95)
        table.add_row(str(step.sessions), str(step.turns), str(step.failed), *[_ms(each) for each in figures], f"{cores:.2f}")
    return table


def _held(taken: Taken) -> Table:
    table = _table(
        "held with nobody there: after the first sessions that came and went, and after the last",
        "transport",
        "memory",
        "file descriptors",
        "threads",
        "tasks",
        "left behind",
    )
    for transport, samples in taken.held.items():
        first, last = samples[0], samples[-1]
        pairs = ((first.fds, last.fds), (first.threads, last.threads), (first.tasks, last.tasks))
        memory = f"{first.rss_mb:.1f} to {last.rss_mb:.1f} MB"
        found = any(leak.startswith(transport) for leak in taken.leaks)
        table.add_row(_NAMES[transport], memory, *[f"{a} to {b}" for a, b in pairs], "YES" if found else "nothing")
    return table


def _ms(value: float) -> str:
    return "" if value != value else f"{value:.0f}"  # nan


def _kept(kept: bool) -> str:
    return "yes" if kept else "NO"
