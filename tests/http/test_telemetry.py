"""Spans reach an SDK, and without one they cost nothing and say nothing; logs are JSON and repeat no error's words."""

from __future__ import annotations

import json
import logging

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from voicemode.dialogue import AnswerDone, Respond
from voicemode.http.telemetry import JsonFormatter, span_observer


@pytest.fixture
def exported(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What an SDK would send away; installed for one test, since a process takes only one for good."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return exporter


def test_a_turn_is_a_span_with_its_own_times(exported: InMemorySpanExporter) -> None:
    """On the wall clock, since other services' spans are beside it; stages in milliseconds."""
    observer = span_observer("realtime", clock=lambda: 12.0, wall_ns=lambda: 1_000_000_000_000)
    observer.command(Respond("r", ()), 10.0)
    observer.report(AnswerDone("r"), 11.5)
    (span,) = exported.get_finished_spans()
    assert (span.name, span.start_time, span.end_time) == ("voicemode.turn", 998_000_000_000, 999_500_000_000)
    assert span.attributes == {"voicemode.session.kind": "realtime", "voicemode.turn.outcome": "completed"}
    assert [(event.name, event.timestamp) for event in span.events] == [("requested", 998_000_000_000)]


def test_without_an_sdk_nothing_happens() -> None:
    """The API alone is a dependency. Here an SDK is installed, and nobody has switched it on."""
    assert not trace.get_tracer("voicemode").start_span("any").is_recording()
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
