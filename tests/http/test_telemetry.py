"""Spans without an SDK cost nothing and say nothing; logs are JSON and repeat no error's words."""

from __future__ import annotations

import json
import logging

from opentelemetry import trace

from voicemode.dialogue import AnswerDone, Respond
from voicemode.http.telemetry import JsonFormatter, span_observer


class Tracer(trace.NoOpTracer):
    """Keeps what an SDK would be told."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def start_span(self, name: str, *_: object, start_time: int | None = None, **__: object) -> trace.Span:
        self.spans.append(Span(name, start_time))
        return self.spans[-1]


class Span(trace.NonRecordingSpan):
    def __init__(self, name: str, began: int | None) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.name, self.began, self.ended = name, began, 0
        self.facts: dict[str, object] = {}
        self.events: list[str] = []

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: object) -> None:
        self.facts[key] = value

    def add_event(self, name: str, *_: object, **__: object) -> None:
        self.events.append(name)

    def end(self, end_time: int | None = None) -> None:
        self.ended = end_time or 0


def test_a_turn_is_a_span_with_its_own_times(monkeypatch: object) -> None:
    """On the wall clock, since other services' spans are beside it; stages in milliseconds."""
    tracer = Tracer()
    monkeypatch.setattr(trace, "get_tracer", lambda *_: tracer)  # type: ignore[attr-defined]
    observer = span_observer("realtime", clock=lambda: 12.0, wall_ns=lambda: 1_000_000_000_000)
    observer.command(Respond("r", ()), 10.0)
    observer.report(AnswerDone("r"), 11.5)
    (span,) = tracer.spans
    assert (span.name, span.began, span.ended) == ("voicemode.turn", 998_000_000_000, 999_500_000_000)
    assert span.facts == {"voicemode.session.kind": "realtime", "voicemode.turn.outcome": "completed"}
    assert span.events == ["requested"]


def test_without_an_sdk_nothing_happens() -> None:
    """The API alone is a dependency."""
    observer = span_observer("realtime", clock=lambda: 1.0)
    observer.command(Respond("r", ()), 0.0)
    observer.report(AnswerDone("r"), 1.0)


def test_a_log_line_is_one_object_without_an_errors_words() -> None:
    """They may be what a person said."""
    error = ValueError("what a person said")
    record = logging.LogRecord("voicemode", logging.ERROR, "f", 1, "it %s", ("broke",), (ValueError, error, None))
    line = JsonFormatter().format(record)
    told = json.loads(line)
    assert (told["level"], told["message"], told["error"]) == ("error", "it broke", "ValueError")
    assert "person" not in line
