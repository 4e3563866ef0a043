"""Events of an upstream, as short as a test wants them."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np

from voicemode.dialogue import DialogueOptions, Message, Respond, TurnTaking, UserTurn
from voicemode.wire.upstream import GROK, OPENAI, Profile, Received, UpstreamOptions, UpstreamSession

__all__ = ["Conversation", "asked", "sound"]

BETA = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_text.delta": "response.text.delta",
}


def sound(seconds: float) -> Any:
    return np.full(round(seconds * 24_000), 500, np.int16)


def asked(name: str, *history: Any, **more: Any) -> Respond:
    return Respond(name, tuple(history) or (Message("user", "Hello", "item_hello"),), **more)


class Conversation:
    """A session, what it told, and the upstream's side of it by hand."""

    def __init__(self, profile: Profile = OPENAI, *, beta: bool = False, **options: Any) -> None:
        self.session = UpstreamSession(profile, UpstreamOptions(**options))
        self.reports: list[Any] = []
        self.sent: list[dict[str, Any]] = []
        self.beta = beta
        self.xai = profile is GROK

    def send(self, events: Any) -> list[dict[str, Any]]:
        """What is sent now."""
        new = list(events) if isinstance(events, (list, tuple)) else [events]
        self.sent += new
        return new

    def open(self, turn_taking: TurnTaking = TurnTaking.SEMANTIC) -> list[dict[str, Any]]:
        self.session.configure(DialogueOptions(turn_taking=turn_taking))
        return self.send(self.session.opened())

    def respond(self, request: Respond) -> list[dict[str, Any]]:
        return self.send(self.session.respond(request, self.reports.append))

    def tell(self, kind: str, **fields: Any) -> Received:
        name = BETA.get(kind, kind) if self.beta else kind
        received = self.session.receive(json.dumps({"type": name, "event_id": "e", **fields}))
        self.send(received.events)
        self.reports += received.reports
        return received

    def begin(self, name: str, upstream_id: str = "up") -> None:
        """It takes the question, and begins with a message."""
        metadata = {} if self.xai else {"metadata": {"voicemode_response": name}}
        self.tell("response.created", response={"id": upstream_id, "status": "in_progress", **metadata})
        item = {"id": f"{upstream_id}_item", "type": "message", "role": "assistant"}
        self.tell("response.output_item.added", response_id=upstream_id, item=item)

    def say(self, text: str, seconds: float = 0.0, upstream_id: str = "up") -> None:
        place = {"response_id": upstream_id, "item_id": f"{upstream_id}_item"}
        self.tell("response.output_audio_transcript.delta", **place, delta=text)
        if seconds:
            data = base64.b64encode(sound(seconds).tobytes()).decode()
            self.tell("response.output_audio.delta", **place, delta=data)

    def done(self, upstream_id: str = "up", status: str = "completed", **details: Any) -> Received:
        return self.tell("response.done", response={"id": upstream_id, "status": status, "status_details": details or None})

    def turn(self, item_id: str, upstream_id: str = "", seconds: float = 1.0) -> list[dict[str, Any]]:
        """The person speaks, and the upstream takes the turn under its own name, if it is given."""
        self.send(self.session.audio(sound(seconds), speaking=True))
        events = self.send(self.session.commit(item_id))
        if upstream_id:
            self.tell("input_audio_buffer.committed", item_id=upstream_id)
        return events

    @staticmethod
    def kinds(events: list[dict[str, Any]]) -> list[str]:
        return [event["type"] for event in events]

    def spoken(self, item_id: str) -> UserTurn:
        return UserTurn(item_id)
