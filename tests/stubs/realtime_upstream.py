"""A stub of a vendor's realtime API, in a process of its own: ``python -m tests.stubs.realtime_upstream``.

Written against the vendors' documents and not with voicemode's code, so that a mistake of ours is not made twice. It prints its
port, serves ``/v1/realtime`` to clients and ``/control`` to the test (JSON in, JSON out), and ends with its standard input. It
hears nothing: what it answers is scripted, and a person who speaks is whoever is louder than a threshold.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import struct
import sys
import time
from http import HTTPStatus
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from tests.stubs.realtime_upstream_answer import Answer
from tests.stubs.realtime_upstream_script import BETA, RATE, Script, seen, without_sound

__all__: list[str] = []

_LOUD = 1000
"""Of 16-bit samples: somebody speaks."""
_SILENCE_MS = 300
_HEARD_AT_ONCE = RATE * 2 // 50
"""Bytes: 20 ms."""


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
        name = BETA.get(kind, kind) if self.script.beta else kind
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
        shown = without_sound(item)
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
                "items": [seen(item) for item in self.items],
            }
        )
        task = self.active[answer.id] = asyncio.create_task(answer.run())
        task.add_done_callback(lambda _: self.active.pop(answer.id, None))


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
