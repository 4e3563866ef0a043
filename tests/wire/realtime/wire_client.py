"""A client of a session without a wire: what it sends are dicts, and what it got is kept."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from voicemode.audio import Samples
from voicemode.dialogue import Command, Report, Respond
from voicemode.record import Entry
from voicemode.wire.realtime import BetaSession, Playout, RealtimeSession, SessionDefaults, Step

__all__ = ["Event", "WireClient", "encoded", "kinds", "one", "sound", "without_ids"]

Event = dict[str, Any]


def sound(ms: int, rate: int = 24_000) -> Samples:
    """A tone, as int16."""
    return (8000 * np.sin(np.arange(ms * rate // 1000) * 2 * np.pi * 220 / rate)).astype(np.int16)


def encoded(samples: Samples) -> str:
    return base64.b64encode(samples.astype("<i2").tobytes()).decode()


class WireClient:
    """Each call returns the events of its step; ``commands`` are those of the last one."""

    def __init__(
        self,
        *,
        playout: Playout = Playout.CLIENT,
        kind: Literal["realtime", "transcription"] = "realtime",
        defaults: SessionDefaults | None = None,
        beta: bool = False,
        history: Sequence[Entry] = (),
        recorded: bool = False,
    ) -> None:
        ids = itertools.count(1)
        session = RealtimeSession(
            "sess_1",
            playout=playout,
            new_id=lambda word: f"{word}_{next(ids)}",
            kind=kind,
            defaults=defaults,
            expires_at=2_000,
            history=history,
            recorded=recorded,
        )
        self.session: RealtimeSession | BetaSession = BetaSession(session) if beta else session
        self.now_ms = 0
        self.log: list[Event] = []
        self.commands: tuple[Command, ...] = ()
        self.all_commands: list[Command] = []
        self.entries: list[Entry] = []
        """All that were said for the record."""
        self.close: tuple[int, str] | None = None
        self.opening = self._took(self.session.open(0))

    def send(self, kind: str, **fields: object) -> list[Event]:
        return self.send_raw(json.dumps({"type": kind, **fields}))

    def send_raw(self, message: str | bytes) -> list[Event]:
        return self._took(self.session.receive(message, self.now_ms))

    def hear(self, *reports: Report) -> list[Event]:
        """What the engine reports."""
        return [event for report in reports for event in self._took(self.session.report(report, self.now_ms))]

    def expire(self) -> list[Event]:
        return self._took(self.session.expire())

    def leave(self) -> list[Event]:
        return self._took(self.session.leave(self.now_ms))

    def append(self, ms: int) -> list[Event]:
        return self.send("input_audio_buffer.append", audio=encoded(sound(ms)))

    def say(self, text: str, **more: object) -> list[Event]:
        """A text item of the user."""
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}], **more}
        return self.send("conversation.item.create", item=item)

    def respond(self, **response: object) -> str:
        """The id of the response that it creates."""
        events = self.send("response.create", response=response)
        return str(one(events, "response.created")["response"]["id"])

    def update(self, **session: object) -> Event:
        """The session as the server then shows it, or the error."""
        event = self.send("session.update", session={"type": "realtime", **session})[0]
        shown: Event = event["session"] if "session" in event else event["error"]
        return shown

    def history(self) -> tuple[object, ...]:
        """What the responder was told last."""
        told = [command for command in self.all_commands if isinstance(command, Respond)]
        return told[-1].history

    def error(self, kind: str, **fields: object) -> Event:
        """The one error that this event leads to."""
        events = self.send(kind, **fields)
        assert [event["type"] for event in events] == ["error"], events
        shown: Event = events[0]["error"]
        return shown

    def _took(self, step: Step) -> list[Event]:
        events = [json.loads(json.dumps(event)) for event in step.events]
        self.log += events
        self.commands, self.close = step.commands, step.close
        self.all_commands += step.commands
        self.entries += step.entries
        return events


def kinds(events: list[Event]) -> list[str]:
    return [event["type"] for event in events]


def one(events: list[Event], kind: str) -> Event:
    found = [event for event in events if event["type"] == kind]
    assert len(found) == 1, (kind, kinds(events))
    return found[0]


def without_ids(event: Mapping[str, Any]) -> Event:
    """Without the event's own id, for a comparison with what is meant."""
    return {name: value for name, value in event.items() if name != "event_id"}
