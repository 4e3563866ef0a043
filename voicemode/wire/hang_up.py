"""The assistant ends the call: a function of the server's own, which is done when the goodbye was heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from voicemode.dialogue import Command, Report, SpeechStarted
from voicemode.record import Entry
from voicemode.wire.simple_session import InnerSession, InnerStep

__all__ = ["HANG_UP", "HangUpSession"]

_NAME = "hangup"
HANG_UP: Mapping[str, object] = {
    "type": "function",
    "name": _NAME,
    "description": "Ends the telephone call. Say goodbye in the same answer; the call ends when it was heard.",
    "parameters": {"type": "object", "properties": {"reason": {"type": "string"}}},
}
"""The tool, for the session's options."""
_NORMAL = (1000, "hung up")


@dataclass(frozen=True, slots=True)
class _Step:
    events: tuple[Mapping[str, object], ...]
    commands: tuple[Command, ...]
    close: tuple[int, str] | None
    entries: tuple[Entry, ...]


class HangUpSession:
    """An ``InnerSession`` where the server plays, around another one that was given ``HANG_UP`` as a tool."""

    def __init__(self, inner: InnerSession) -> None:
        self._inner = inner
        self._wanted = ""
        """The response that wants it; "" while none does."""
        self._done = False
        """No more of that response comes."""
        self._speaking: set[str] = set()
        """Responses that say something and were not heard to their end."""

    def open(self, now_ms: float) -> InnerStep:
        return self._inner.open(now_ms)

    def receive_event(self, event: Mapping[str, object], now_ms: float) -> InnerStep:
        return self._seen(self._inner.receive_event(event, now_ms), now_ms)

    def report(self, report: Report, now_ms: float) -> InnerStep:
        if isinstance(report, SpeechStarted):
            self._wanted = ""  # whoever speaks into a goodbye has something to say
        return self._seen(self._inner.report(report, now_ms), now_ms)

    def expire(self) -> InnerStep:
        return self._inner.expire()

    def leave(self, now_ms: int) -> InnerStep:
        return self._inner.leave(now_ms)

    def _seen(self, step: InnerStep, now_ms: float) -> InnerStep:
        events, commands, entries = list(step.events), list(step.commands), list(step.entries)
        for event in step.events:
            answer = self._look(event)
            if answer is not None:
                more = self._inner.receive_event(answer, now_ms)
                events += more.events
                commands += more.commands
                entries += more.entries
        over = self._wanted and self._done and not self._speaking
        return _Step(tuple(events), tuple(commands), step.close or (_NORMAL if over else None), tuple(entries))

    def _look(self, event: Mapping[str, object]) -> Mapping[str, object] | None:
        """Note what it says; what is to be told to the session, so that a conversation that goes on has no open call in it."""
        match event:
            case {"type": "response.output_item.added", "response_id": str(name), "item": {"type": "message"}}:
                self._speaking.add(name)
            case {"type": "response.function_call_arguments.done", "response_id": str(name), "name": tool} if tool == _NAME:
                self._wanted, self._done = name, False
                output = {"type": "function_call_output", "call_id": event["call_id"], "output": '{"status":"ending"}'}
                return {"type": "conversation.item.create", "item": output}
            case {"type": "output_audio_buffer.stopped", "response_id": str(name)}:
                self._speaking.discard(name)
            case {"type": "output_audio_buffer.cleared", "response_id": str(name)}:
                self._speaking.discard(name)
                if name == self._wanted:
                    self._wanted = ""
            case {"type": "response.done", "response": {"id": str(name), "status": status}}:
                if status != "completed":
                    self._speaking.discard(name)
                self._done = self._done or name == self._wanted
                if name == self._wanted and status == "cancelled":
                    self._wanted = ""
        return None
