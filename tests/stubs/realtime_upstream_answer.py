"""One response of the stub of a vendor's realtime API, event by event."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import math
import time
from typing import TYPE_CHECKING, Any

from websockets.exceptions import ConnectionClosed

from tests.stubs.realtime_upstream_script import RATE, tone, without_sound

if TYPE_CHECKING:
    from tests.stubs.realtime_upstream import Session

__all__ = ["Answer"]


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
            "output": [without_sound(item) for item in self.output],
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
        await self.session.tell("response.output_item.added", **place, item=without_sound(item))
        if self.asked.get("conversation") != "none":
            await self.session.add(item, None)

    async def end(self, item: dict[str, Any]) -> None:
        item["status"] = "completed"
        place = {"response_id": self.id, "output_index": len(self.output) - 1}
        await self.session.tell("response.output_item.done", **place, item=without_sound(item))
        if self.asked.get("conversation") != "none":
            await self.session.tell("conversation.item.done", previous_item_id=None, item=without_sound(item))

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
        sound = tone(script.seconds or 0.06 * len(script.text))
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
            delta = base64.b64encode(chunk).decode()
            session.stub.log.append({"at": time.monotonic(), "connection": session.number, "type": "(delta)"})
            await session.tell("response.output_audio.delta", **at, delta=delta)
            if script.die_after is not None and number + 1 >= script.die_after and script.dies > 0:
                script.dies -= 1
                session.stub.refused_until = time.monotonic() + script.refuse_s
                session.connection.transport.abort()
            await asyncio.sleep(script.pace_s)
        await session.tell("response.output_audio.done", **at)
        await session.tell("response.output_audio_transcript.done", **at, transcript=script.text)
