"""A stub of a vendor's realtime API, in a process of its own: ``python -m tests.stubs.realtime_upstream``.

Written against the vendors' documents and not with voicemode's code, so that a mistake of ours is not made twice. It prints its
port, serves ``/v1/realtime`` to clients and ``/control`` to the test (JSON in, JSON out), and ends with its standard input. It
hears nothing: what it answers is scripted, and a person who speaks is whoever is louder than a threshold.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import math
import os
import struct
import sys
import time
from dataclasses import dataclass, field
from http import HTTPStatus
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

__all__: list[str] = []

RATE = 24_000
_BETA = {
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "conversation.item.added": "conversation.item.created",
}
_LOUD = 1000
"""Of 16-bit samples: somebody speaks."""
_SILENCE_MS = 300
_HEARD_AT_ONCE = RATE * 2 // 50
"""Bytes: 20 ms."""


@dataclass
class Script:
    """How it behaves; each field can be changed by the test."""

    models: list[str] = field(default_factory=list)
    """Those it has; empty: any."""
    key: str = ""
    """Others are answered with 401; empty: any."""
    quota: bool = False
    """Nothing is left of it."""
    beta: bool = False
    """Tell events by their names of before August 2025."""
    transcript: str | None = "what the person said"
    """Of the person; None: it writes nothing down."""
    text: str = "Paris is the capital of France. It lies on the Seine."
    seconds: float = 0.0
    """Of its sound; 0: six hundredths for each character."""
    delta_ms: int = 100
    first_s: float = 0.0
    """Until an answer begins."""
    pace_s: float = 0.0
    """Between two deltas of sound."""
    call: dict[str, str] | None = None
    """Call this function (name, arguments) where the last item is no result of one."""
    die_after: int | None = None
    """Break the connection off after so many deltas of sound."""
    dies: int = 1
    """So many times."""
    mute: bool = False
    """Take questions and say nothing."""
    expire_after: int | None = None
    """End the session after so many answers."""
    refuse_s: float = 0.0
    """Refuse connections for so long after one died."""
    slow_connect_s: float = 0.0
    unasked: bool = False
    """Answer turns that it ended itself without being asked, as some do whatever one wishes."""
    expires_in_s: float | None = None
    """What a session says of its own end."""


class Stub:
    """All of it."""

    def __init__(self) -> None:
        self.script = Script()
        self.log: list[dict[str, Any]] = []
        """Every event of every client, with its connection and time."""
        self.sounds: dict[str, int] = {}
        self.connections = 0
        self.refused_until = 0.0
        self.open: set[ServerConnection] = set()

    def order(self, order: dict[str, Any]) -> dict[str, Any]:
        """What the test asks."""
        if order.get("reset"):
            self.script, self.log, self.sounds = Script(), [], {}
        for name, value in order.get("set", {}).items():
            if not hasattr(self.script, name):
                raise ValueError(name)
            setattr(self.script, name, value)
        if order.get("kill"):
            for each in list(self.open):
                each.transport.abort()
        return {"log": self.log, "connections": self.connections, "open": len(self.open), "sounds": self.sounds}

    async def admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuses a handshake as vendors do."""
        if urlsplit(request.path).path == "/control":
            return None
        await asyncio.sleep(self.script.slow_connect_s)
        model = parse_qs(urlsplit(request.path).query).get("model", [""])[0]
        if self.script.key and request.headers.get("Authorization") != f"Bearer {self.script.key}":
            return _refusal(401, "invalid_api_key", "Incorrect API key provided: sk-ab***cd.")
        if self.script.models and model not in self.script.models:
            return _refusal(404, "model_not_found", f"The model '{model}' does not exist.")
        if time.monotonic() < self.refused_until:
            return _refusal(503, "overloaded", "Try again.")
        del connection
        return None

    async def serve(self, connection: ServerConnection) -> None:
        assert connection.request is not None
        if urlsplit(connection.request.path).path == "/control":
            async for text in connection:
                await connection.send(json.dumps(self.order(json.loads(text))))
            return
        self.connections += 1
        self.open.add(connection)
        try:
            await Session(self, connection, self.connections).run()
        except ConnectionClosed:
            pass
        finally:
            self.open.discard(connection)


def _refusal(status: int, code: str, message: str) -> Response:
    body = json.dumps({"error": {"code": code, "message": message, "type": "invalid_request_error"}}).encode()
    headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body))})
    return Response(status, HTTPStatus(status).phrase, headers, body)


class Session:
    """One client."""

    def __init__(self, stub: Stub, connection: ServerConnection, number: int) -> None:
        self.stub, self.connection, self.number = stub, connection, number
        self.ids = count(1)
        self.items: list[dict[str, Any]] = []
        self.config: dict[str, Any] = {"turn_detection": {"type": "server_vad"}}
        self.buffer = bytearray()
        self.position = 0
        self.quiet_ms = 0
        self.speaking = ""
        """The item that is being spoken; empty: none."""
        self.active: dict[str, asyncio.Task[None]] = {}
        self.answered = 0

    @property
    def script(self) -> Script:
        return self.stub.script

    async def tell(self, kind: str, **fields: Any) -> None:
        name = _BETA.get(kind, kind) if self.script.beta else kind
        await self.connection.send(json.dumps({"type": name, "event_id": self.new("event"), **fields}))

    def new(self, what: str) -> str:
        return f"{what}_u{self.number}n{next(self.ids)}"

    def session(self) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "type": "realtime",
            "object": "realtime.session",
            "id": f"sess_{self.number}",
            "model": "stub-realtime",
            "output_modalities": ["audio"],
            "instructions": "",
            "tools": [],
            "tool_choice": "auto",
            "max_output_tokens": "inf",
            "audio": {"input": {"format": {"type": "audio/pcm", "rate": RATE}}},
        }
        if self.script.expires_in_s is not None:
            shown["expires_at"] = int(time.time() + self.script.expires_in_s)
        return shown

    async def run(self) -> None:
        await self.tell("session.created", session=self.session())
        if self.script.quota:
            await self.error("insufficient_quota", "You exceeded your current quota.", None)
        try:
            async for text in self.connection:
                event = json.loads(text)
                logged = {key: value for key, value in event.items() if key != "audio"}
                if "audio" in event:
                    logged["bytes"] = len(base64.b64decode(event["audio"]))
                self.stub.log.append({"at": time.monotonic(), "connection": self.number, **logged})
                await self.take(event)
        finally:
            for task in self.active.values():
                task.cancel()

    async def take(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "session.update":
                asked = event["session"]
                heard = asked.get("audio", {}).get("input", {})
                self.config = {"turn_detection": asked.get("turn_detection", heard.get("turn_detection"))}
                await self.tell("session.updated", session=self.session())
            case "input_audio_buffer.append":
                data = base64.b64decode(event["audio"])
                for at in range(0, len(data), _HEARD_AT_ONCE):
                    await self.hear(data[at : at + _HEARD_AT_ONCE])
            case "input_audio_buffer.commit":
                if len(self.buffer) < RATE * 2 // 10:
                    await self.error("input_audio_buffer_commit_empty", "buffer too small", event.get("event_id"))
                else:
                    await self.commit(self.new("item"))
            case "input_audio_buffer.clear":
                self.buffer.clear()
                await self.tell("input_audio_buffer.cleared")
            case "conversation.item.create":
                await self.create(event)
            case "conversation.item.delete":
                self.items = [item for item in self.items if item["id"] != event["item_id"]]
                await self.tell("conversation.item.deleted", item_id=event["item_id"])
            case "conversation.item.truncate":
                await self.truncate(event)
            case "response.create":
                await self.respond(event)
            case "response.cancel":
                await self.cancel(event)

    async def error(self, code: str, message: str, event_id: str | None) -> None:
        shown = {"type": "invalid_request_error", "code": code, "message": message, "param": None, "event_id": event_id}
        await self.tell("error", error=shown)

    # -- the person

    async def hear(self, data: bytes) -> None:
        before_ms = self.position * 1000 // RATE
        self.position += len(data) // 2
        now_ms = self.position * 1000 // RATE
        self.buffer += data
        if not self.config["turn_detection"]:
            return
        loud = any(abs(sample) > _LOUD for (sample,) in struct.iter_unpack("<h", data[: len(data) // 2 * 2]))
        self.quiet_ms = 0 if loud else self.quiet_ms + now_ms - before_ms
        if loud and not self.speaking:
            self.speaking = self.new("item")
            await self.tell("input_audio_buffer.speech_started", audio_start_ms=before_ms, item_id=self.speaking)
        elif self.speaking and self.quiet_ms >= _SILENCE_MS:
            item_id, self.speaking = self.speaking, ""
            await self.tell("input_audio_buffer.speech_stopped", audio_end_ms=now_ms, item_id=item_id)
            await self.commit(item_id)
            if self.script.unasked:
                await self.respond({"type": "response.create"})

    async def commit(self, item_id: str) -> None:
        self.stub.sounds[item_id] = len(self.buffer)
        self.buffer.clear()
        content = [{"type": "input_audio", "transcript": None}]
        item = {"id": item_id, "object": "realtime.item", "type": "message", "role": "user", "status": "completed"}
        previous = self.items[-1]["id"] if self.items else None
        await self.tell("input_audio_buffer.committed", item_id=item_id, previous_item_id=previous)
        await self.add({**item, "content": content}, None)
        if self.script.transcript is not None:
            usage = {"type": "duration", "seconds": 1.0}
            kind = "conversation.item.input_audio_transcription.completed"
            await self.tell(kind, item_id=item_id, content_index=0, transcript=self.script.transcript, usage=usage)

    async def create(self, event: dict[str, Any]) -> None:
        item = {"object": "realtime.item", "status": "completed", "id": self.new("item"), **event["item"]}
        if any(each["id"] == item["id"] for each in self.items):
            await self.error("item_create_invalid_item_id", "there is one of that id", event.get("event_id"))
            return
        await self.add(item, event.get("previous_item_id"))

    async def add(self, item: dict[str, Any], after: str | None) -> None:
        at = len(self.items)
        if after == "root":
            at = 0
        elif after is not None:
            at = next(number for number, each in enumerate(self.items) if each["id"] == after) + 1
        self.items.insert(at, item)
        previous = self.items[at - 1]["id"] if at else None
        shown = _without_sound(item)
        await self.tell("conversation.item.added", previous_item_id=previous, item=shown)
        if item["status"] == "completed":
            await self.tell("conversation.item.done", previous_item_id=previous, item=shown)

    async def truncate(self, event: dict[str, Any]) -> None:
        item = next((each for each in self.items if each["id"] == event["item_id"]), None)
        if item is None or item.get("role") != "assistant":
            await self.error("item_truncate_invalid_item_id", "there is no such item", event.get("event_id"))
            return
        if event["audio_end_ms"] > item.get("sent_ms", 0):
            await self.error("invalid_value", "it is not that long", event.get("event_id"))
            return
        item["cut_ms"] = event["audio_end_ms"]
        fields = {name: event[name] for name in ("item_id", "content_index", "audio_end_ms")}
        await self.tell("conversation.item.truncated", **fields)

    # -- answers

    async def cancel(self, event: dict[str, Any]) -> None:
        response_id = event.get("response_id") or next(iter(self.active), None)
        task = self.active.get(response_id or "")
        if task is None:
            await self.error(
                "response_cancel_not_active", "Cancellation failed: no active response found", event.get("event_id")
            )
            return
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def respond(self, event: dict[str, Any]) -> None:
        asked = event.get("response") or {}
        if self.active and asked.get("conversation") != "none":
            message = "Conversation already has an active response in progress."
            await self.error("conversation_already_has_active_response", message, event.get("event_id"))
            return
        answer = Answer(self, asked)
        self.stub.log.append(
            {
                "at": time.monotonic(),
                "connection": self.number,
                "type": "(asked)",
                "items": [_seen(item) for item in self.items],
            }
        )
        task = self.active[answer.id] = asyncio.create_task(answer.run())
        task.add_done_callback(lambda _: self.active.pop(answer.id, None))


class Answer:
    """One response."""

    def __init__(self, session: Session, asked: dict[str, Any]) -> None:
        self.session, self.asked = session, asked
        self.id = session.new("resp")
        self.output: list[dict[str, Any]] = []

    def shown(self, status: str, details: dict[str, Any] | None = None) -> dict[str, Any]:
        usage = {
            "total_tokens": 30,
            "input_tokens": 20,
            "output_tokens": 10,
            "input_token_details": {"text_tokens": 20, "audio_tokens": 0, "cached_tokens": 0},
            "output_token_details": {"text_tokens": 10, "audio_tokens": 0},
        }
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": [_without_sound(item) for item in self.output],
            "metadata": self.asked.get("metadata"),
            "output_modalities": self.asked.get("output_modalities") or ["audio"],
            **({} if status == "in_progress" else {"usage": usage}),
        }

    async def run(self) -> None:
        session = self.session
        await session.tell("response.created", response=self.shown("in_progress"))
        try:
            if session.script.mute:
                await asyncio.Event().wait()
            await asyncio.sleep(session.script.first_s)
            last = session.items[-1] if session.items else {}
            if session.script.call is not None and last.get("type") != "function_call_output":
                await self.call(session.script.call)
            else:
                await self.say()
        except asyncio.CancelledError:
            details = {"type": "cancelled", "reason": "client_cancelled"}
            with contextlib.suppress(ConnectionClosed):
                await session.tell("response.done", response=self.shown("cancelled", details))
            raise
        session.active.pop(self.id, None)
        await session.tell("response.done", response=self.shown("completed"))
        session.answered += 1
        if session.script.expire_after is not None and session.answered >= session.script.expire_after:
            session.script.expire_after = None
            await session.error("session_expired", "Your session hit the maximum duration.", None)
            await session.connection.close(1001)

    async def begin(self, item: dict[str, Any]) -> None:
        self.output.append(item)
        place = {"response_id": self.id, "output_index": len(self.output) - 1}
        await self.session.tell("response.output_item.added", **place, item=_without_sound(item))
        if self.asked.get("conversation") != "none":
            await self.session.add(item, None)

    async def end(self, item: dict[str, Any]) -> None:
        item["status"] = "completed"
        place = {"response_id": self.id, "output_index": len(self.output) - 1}
        await self.session.tell("response.output_item.done", **place, item=_without_sound(item))
        if self.asked.get("conversation") != "none":
            await self.session.tell("conversation.item.done", previous_item_id=None, item=_without_sound(item))

    async def call(self, call: dict[str, str]) -> None:
        item = {"id": self.session.new("item"), "object": "realtime.item", "type": "function_call", "status": "in_progress"}
        item |= {"name": call["name"], "call_id": self.session.new("call"), "arguments": ""}
        await self.begin(item)
        at = {"response_id": self.id, "item_id": item["id"], "output_index": 0, "call_id": item["call_id"]}
        half = len(call["arguments"]) // 2
        for part in (call["arguments"][:half], call["arguments"][half:]):
            await self.session.tell("response.function_call_arguments.delta", **at, delta=part)
        item["arguments"] = call["arguments"]
        done = {"arguments": call["arguments"], "name": call["name"]}
        await self.session.tell("response.function_call_arguments.done", **at, **done)
        await self.end(item)

    async def say(self) -> None:
        session, script = self.session, self.session.script
        spoken = "audio" in (self.asked.get("output_modalities") or self.asked.get("modalities") or ["audio"])
        item: dict[str, Any] = {"id": session.new("item"), "object": "realtime.item", "type": "message", "role": "assistant"}
        item |= {"status": "in_progress", "content": []}
        await self.begin(item)
        at = {"response_id": self.id, "item_id": item["id"], "output_index": 0, "content_index": 0}
        part = {"type": "audio", "transcript": ""} if spoken else {"type": "text", "text": ""}
        await session.tell("response.content_part.added", **at, part=part)
        await (self.speak(item, at) if spoken else self.write(at))
        kind = "output_audio" if spoken else "output_text"
        item["content"] = [{"type": kind, "transcript" if spoken else "text": script.text}]
        done = {"type": "audio", "transcript": script.text} if spoken else {"type": "text", "text": script.text}
        await session.tell("response.content_part.done", **at, part=done)
        await self.end(item)

    async def write(self, at: dict[str, Any]) -> None:
        for word in self.session.script.text.split(" "):
            await self.session.tell("response.output_text.delta", **at, delta=f"{word} ")
        await self.session.tell("response.output_text.done", **at, text=self.session.script.text)

    async def speak(self, item: dict[str, Any], at: dict[str, Any]) -> None:
        session, script = self.session, self.session.script
        sound = _tone(script.seconds or 0.06 * len(script.text))
        size = script.delta_ms * RATE * 2 // 1000
        deltas = range(0, len(sound), size)
        told = 0
        for number, begin in enumerate(deltas):
            until = math.ceil(len(script.text) * (number + 1) / len(deltas))
            if until > told:
                await session.tell("response.output_audio_transcript.delta", **at, delta=script.text[told:until])
                told = until
            chunk = sound[begin : begin + size]
            item["sent_ms"] = item.get("sent_ms", 0) + len(chunk) * 1000 // (RATE * 2)
            await session.tell("response.output_audio.delta", **at, delta=base64.b64encode(chunk).decode())
            if script.die_after is not None and number + 1 >= script.die_after and script.dies > 0:
                script.dies -= 1
                session.stub.refused_until = time.monotonic() + script.refuse_s
                session.connection.transport.abort()
            await asyncio.sleep(script.pace_s)
        await session.tell("response.output_audio.done", **at)
        await session.tell("response.output_audio_transcript.done", **at, transcript=script.text)


def _without_sound(item: dict[str, Any]) -> dict[str, Any]:
    shown = {key: value for key, value in item.items() if key not in ("sent_ms", "cut_ms")}
    if isinstance(shown.get("content"), list):
        shown["content"] = [{key: value for key, value in part.items() if key != "audio"} for part in shown["content"]]
    return shown


def _seen(item: dict[str, Any]) -> dict[str, Any]:
    """As the test looks at it."""
    said = "".join(str(part.get("text") or part.get("transcript") or part["type"]) for part in item.get("content", []))
    seen = {"type": item["type"], "role": item.get("role"), "text": said, "cut_ms": item.get("cut_ms")}
    return seen | {name: item[name] for name in ("call_id", "output", "name") if name in item}


def _tone(seconds: float) -> bytes:
    """Every sample differs from its neighbours, so that a lost or doubled one is found."""
    samples = (round(8000 * math.sin(2 * math.pi * 220 * n / RATE)) for n in range(round(seconds * RATE)))
    return b"".join(struct.pack("<h", sample) for sample in samples)


async def main() -> None:
    """Until standard input ends."""
    stub = Stub()
    async with serve(
        stub.serve, "127.0.0.1", 0, process_request=stub.admit, max_size=None, compression=None, ping_interval=None
    ) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.read)
        os._exit(0)


if __name__ == "__main__":
    asyncio.run(main())
