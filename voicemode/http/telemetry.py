"""Spans of OpenTelemetry, one per turn, and logs as JSON. Without an SDK in the process the spans cost next to nothing.

Only the API is a dependency. Whoever wants traces installs an SDK and starts the server under it
(``opentelemetry-instrument voicemode serve``).
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable

from opentelemetry import trace

from voicemode.http.turn_stages import TurnStages, TurnTimes

__all__ = ["JsonFormatter", "span_observer"]

_NS = 1_000_000_000


def span_observer(kind: str, clock: Callable[[], float], wall_ns: Callable[[], int] = time.time_ns) -> TurnStages:
    """For one call of this kind ("realtime" or "transcription"). ``clock`` is the call's."""
    tracer = trace.get_tracer("voicemode")

    def on_turn(turn: TurnTimes) -> None:
        offset_ns = wall_ns() - round(clock() * _NS)  # made anew each time: clocks drift

        def at(instant: float) -> int:
            return offset_ns + round(instant * _NS)

        span = tracer.start_span("voicemode.turn", start_time=at(turn.began))
        if span.is_recording():
            span.set_attribute("voicemode.session.kind", kind)
            span.set_attribute("voicemode.turn.outcome", turn.outcome)
            for stage, seconds in turn.stages.items():
                span.set_attribute(f"voicemode.stage.{stage}_ms", round(seconds * 1000, 1))
            marks = {"speech_stopped": turn.stopped, "requested": turn.requested}
            marks |= {"first_word": turn.first_word, "first_sound": turn.first_sound}
            for name, instant in marks.items():
                if instant is not None:
                    span.add_event(name, timestamp=at(instant))
        span.end(at(turn.ended if turn.ended is not None else clock()))

    return TurnStages(on_turn=on_turn)


class JsonFormatter(logging.Formatter):
    """One JSON object per line. Exceptions are told by kind: their words may be a person's."""

    def format(self, record: logging.LogRecord) -> str:
        known: dict[str, object] = {
            "at": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            known["error"] = record.exc_info[0].__name__
        return json.dumps(known, ensure_ascii=False)
