"""Every endpoint as it stands, as plain values: for a person, for an agent, and for a file that other processes read.

Nothing here says what was spoken or heard, and nothing holds a key.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit

from voicemode.core.breaker import BreakerState
from voicemode.core.failover import Task
from voicemode.providers.registry import Registry
from voicemode.providers.shelf import Engine, Entry, Shelf

__all__ = ["TASKS", "EndpointReport", "known_by", "report", "report_from"]

TASKS: Mapping[Task, str] = {"tts": "text-to-speech", "stt": "speech-to-text", "chat": "chat"}
"""As people call them, in the order in which they are shown."""

E = TypeVar("E", bound=Engine)


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointReport:
    """One endpoint of one task. Times are milliseconds or, where the name ends so, seconds."""

    task: Task
    name: str
    """Base address, or "builtin:espeak-ng"."""
    origin: str
    """One of "named", "found", "cloud" and "builtin"."""
    rank: int = 0
    """Place in the person's order; equals share one."""
    remote: bool = False
    """What is sent to it leaves this machine."""
    state: str = str(BreakerState.CLOSED)
    """The circuit breaker's: "closed" (it is asked), "open" (it is left alone) or "half-open" (it is being tried)."""
    retry_in_s: float | None = None
    """While open: when it is tried again; None when that waits for other settings."""
    requests: int = 0
    """Of the last 64, those that served or failed."""
    in_flight: int = 0
    success_rate: float | None = None
    """0 to 1; this and the next four are None where there were no requests."""
    first_byte_median_ms: int | None = None
    first_byte_p95_ms: int | None = None
    total_median_ms: int | None = None
    total_p95_ms: int | None = None
    last_error: str = ""
    """One sentence; kept after a recovery."""
    last_error_age_s: float | None = None
    models: tuple[str, ...] | None = None
    """This and the next four are None where the endpoint does not say."""
    voices: tuple[str, ...] | None = None
    formats: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    streams: bool | None = None

    @property
    def admitted(self) -> bool:
        """Whether a request may be sent to it now."""
        due = self.state == BreakerState.OPEN and self.retry_in_s == 0
        return self.state == BreakerState.CLOSED or due

    def as_json(self) -> dict[str, Any]:
        """For ``json.dumps``."""
        return asdict(self)


def known_by(origin: str, name: str) -> str:
    """How an endpoint became known, in words: "found on port 8880". ``origin`` is ``EndpointReport.origin``."""
    match origin:
        case "found":
            return f"found on port {urlsplit(name).port or 80}"
        case "cloud":
            return "in the cloud, by VOICEMODE_OPENAI_API_KEY"
        case "builtin":
            return "built in, the last resort"
        case _:
            return "named in the settings"


def report(registry: Registry) -> list[EndpointReport]:
    """Every endpoint of every task, in the order of preference."""
    return [report_from(entry, shelf.task, shelf.clock()) for shelf in registry.shelves() for entry in _in_order(shelf)]


def report_from(entry: Entry[E], task: Task, now: float) -> EndpointReport:
    """One endpoint. ``now`` is in the seconds of its shelf's clock."""
    health, declared = entry.health, entry.declared
    figures = health.tally.figures()
    return EndpointReport(
        task=task,
        name=entry.name,
        origin=entry.origin.name.lower(),
        rank=entry.rank,
        remote=entry.remote,
        state=str(health.breaker.state),
        retry_in_s=_retry_in_s(entry, now),
        requests=figures.requests,
        in_flight=figures.in_flight,
        success_rate=None if figures.success_rate is None else round(figures.success_rate, 3),
        first_byte_median_ms=_ms(figures.first_byte_median_s),
        first_byte_p95_ms=_ms(figures.first_byte_p95_s),
        total_median_ms=_ms(figures.total_median_s),
        total_p95_ms=_ms(figures.total_p95_s),
        last_error=health.trouble,
        last_error_age_s=None if health.trouble_at is None else round(max(now - health.trouble_at, 0.0), 1),
        models=declared.models,
        voices=declared.voices,
        formats=declared.formats,
        languages=declared.languages,
        streams=declared.streams,
    )


def _in_order(shelf: Shelf[E]) -> Sequence[Entry[E]]:
    return sorted(shelf, key=lambda entry: (entry.origin, entry.rank))


def _retry_in_s(entry: Entry[E], now: float) -> float | None:
    breaker = entry.health.breaker
    if breaker.state is not BreakerState.OPEN or math.isinf(breaker.until):
        return None
    return round(max(breaker.until - now, 0.0), 1)


def _ms(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
