"""What the server counts, in Prometheus' text format. No label is made from what a client sent or an endpoint answered."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voicemode.dialogue import Command, Report
from voicemode.http.processes import Processes
from voicemode.http.sessions import SessionWish
from voicemode.http.turn_stages import Stage, TurnStages, TurnTimes
from voicemode.providers.registry import Registry
from voicemode.runtime.outbox import Event
from voicemode.runtime.realtime_parts import Ended, Observer

__all__ = ["Metrics", "metrics_routes", "summed"]

_CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SESSIONS = "voicemode_sessions"
_SECONDS = (0.005, 0.01, 0.02, 0.03, 0.06, 0.12, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""The targets are 30, 60 and 120 ms over what the engines need; a person waits 4 s at most."""


class Metrics:
    """The figures of one server; a registry of its own, so that two in one process do not mix."""

    def __init__(self, sessions: Callable[[], int], registry: Registry | None = None) -> None:
        """``sessions`` says how many are open now; of ``registry`` failures are told by endpoint, as the person named it."""
        self.registry = CollectorRegistry()
        Gauge(_SESSIONS, "Realtime sessions that are open.", registry=self.registry).set_function(sessions)
        Gauge("voicemode_processes", "Processes that hold conversations.", registry=self.registry).set(1)
        Gauge("voicemode_tasks", "Tasks of the event loop.", registry=self.registry).set_function(_tasks)
        self.opened = Counter("voicemode_sessions_opened", "Sessions by transport.", ["transport"], registry=self.registry)
        self.closed = Counter("voicemode_sessions_closed", "Sessions by close code.", ["code"], registry=self.registry)
        self.turns = Counter("voicemode_turns", "Turns by outcome.", ["outcome"], registry=self.registry)
        self.stages = Histogram(
            "voicemode_stage_seconds", "Time of the stages of a turn.", ["stage"], buckets=_SECONDS, registry=self.registry
        )
        self.requests = Counter("voicemode_requests", "Gateway requests.", ["route", "status"], registry=self.registry)
        self.refused = Counter("voicemode_refused", "Requests that the guard refused.", ["status"], registry=self.registry)
        self.audio = Counter("voicemode_gateway_audio_seconds", "Sound of the gateway.", ["task"], registry=self.registry)
        if registry is not None:
            self.registry.register(_Endpoints(registry))

    def observers(self, wish: SessionWish) -> list[Observer]:
        """Those of one call."""
        return [self._stages(), _Opened(self, "webrtc" if wish.server_plays else "websocket")]

    def count_refused(self, status: int) -> None:
        """Somebody was refused with it."""
        self.refused.labels(str(status)).inc()

    def _stages(self) -> TurnStages:

        def on_stage(stage: Stage, seconds: float) -> None:
            self.stages.labels(stage).observe(seconds)

        def on_turn(turn: TurnTimes) -> None:
            self.turns.labels(turn.outcome).inc()

        return TurnStages(on_stage, on_turn)

    def text(self) -> bytes:
        """The page that a scraper reads."""
        return generate_latest(self.registry)


def _tasks() -> int:
    """Those that an ended session left behind would show here."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:  # nobody scrapes: a test looks, outside of the loop
        return 0


def summed(own: bytes, others: Sequence[str]) -> bytes:
    """The page for several processes, of which this one counts the open sessions of all."""
    if not others:
        return own
    families: dict[str, Metric] = {}
    sums: defaultdict[tuple[str, str, tuple[tuple[str, str], ...]], float] = defaultdict(float)
    for at, text in enumerate((own.decode(), *others)):
        for family in text_string_to_metric_families(text):
            families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            if at and (family.name == _SESSIONS or family.name.endswith("_created")):
                continue  # when a count began is no amount
            for sample in family.samples:
                sums[family.name, sample.name, tuple(sample.labels.items())] += sample.value
    for (family_name, name, labels), value in sums.items():
        families[family_name].add_sample(name, dict(labels), value)
    return generate_latest(_Page(list(families.values())))


class _Page:
    """Figures that were taken elsewhere."""

    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


class _Opened:
    """An observer that counts one session."""

    def __init__(self, metrics: Metrics, transport: str) -> None:
        self._metrics = metrics
        metrics.opened.labels(transport).inc()

    def command(self, command: Command, now: float) -> None:
        """Nothing of it counts here."""

    def report(self, report: Report, now: float) -> None:
        """Nothing of it counts here."""

    def event(self, event: Event, now: float) -> None:
        """Nothing of it counts here."""

    def ended(self, ended: Ended, now: float) -> None:
        del now
        self._metrics.closed.labels(str(ended.code)).inc()


class _Endpoints:
    """Failures of endpoints, read from their health when somebody asks. Their addresses are the person's settings."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[CounterMetricFamily]:
        family = CounterMetricFamily("voicemode_endpoint_failures", "Failed requests.", labels=["task", "endpoint"])
        for shelf in self._registry.shelves():
            for entry in shelf:
                family.add_metric([shelf.task, entry.name], float(entry.health.failures))
        return [family]


def metrics_routes(metrics: Metrics, processes: Processes) -> list[Route]:
    """``/metrics``; the guard wants the token for it, which Prometheus sends with ``authorization``."""

    async def figures(_: Request) -> Response:
        return Response(summed(metrics.text(), await processes.metrics()), media_type=_CONTENT_TYPE)

    return [Route("/metrics", figures)]
