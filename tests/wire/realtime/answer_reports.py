"""What an engine reports of an answer, in short."""

from __future__ import annotations

from tests.wire.realtime.wire_client import Event, one, sound
from voicemode.dialogue import AnswerAudio, AnswerText, Report, ToolCallBegan, ToolCallDone, ToolCallGrew

__all__ = ["call", "done", "spoken"]


def spoken(response_id: str, text: str = "Hello there.", ms: int = 400) -> tuple[Report, ...]:
    return AnswerText(response_id, text), AnswerAudio(response_id, sound(ms), text)


def done(events: list[Event]) -> Event:
    response: Event = one(events, "response.done")["response"]
    return response


def call(response_id: str, call_id: str, name: str = "weather") -> tuple[Report, ...]:
    return (
        ToolCallBegan(response_id, call_id, name),
        ToolCallGrew(response_id, call_id, '{"city":'),
        ToolCallGrew(response_id, call_id, '"Bonn"}'),
        ToolCallDone(response_id, call_id),
    )
