"""The stub of an upstream speaks the vendors' protocol: each of its events is held against the types of their own packages."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

from websockets.asyncio.client import connect

from tests.stubs.realtime_upstream_client import UpstreamStub
from tests_clients.driving import refused


def test_each_event_of_the_stub_is_valid() -> None:
    """Turns found by it and by the client, answers in sound and in writing, a call, a cut, a cancellation and an error."""
    with UpstreamStub() as stub:
        events = asyncio.run(_held(stub))
    kinds = {event["type"] for event in events}
    assert {"response.done", "input_audio_buffer.speech_stopped", "conversation.item.truncated", "error"} <= kinds
    assert refused(events) == []


async def _held(stub: UpstreamStub) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    async with connect(f"{stub.url}?model=x", proxy=None, max_size=None) as socket:

        async def tell(kind: str, **fields: Any) -> None:
            await socket.send(json.dumps({"type": kind, **fields}))

        async def until(kind: str) -> dict[str, Any]:
            async with asyncio.timeout(10):
                while True:
                    events.append(json.loads(await socket.recv()))
                    if events[-1]["type"] == kind:
                        return events[-1]

        def sound(value: int, seconds: float) -> str:
            return base64.b64encode(value.to_bytes(2, "little") * round(24_000 * seconds)).decode()

        await tell("session.update", session={"audio": {"input": {"turn_detection": {"type": "server_vad"}}}})
        for value in (9000, 0):
            await tell("input_audio_buffer.append", audio=sound(value, 0.5))
        await until("conversation.item.input_audio_transcription.completed")
        await tell("response.create")
        await until("response.done")
        assistant = next(event["item"]["id"] for event in events if event["type"] == "response.output_item.added")
        await tell("conversation.item.truncate", item_id=assistant, content_index=0, audio_end_ms=100)
        await tell("response.create", response={"output_modalities": ["text"], "conversation": "none"})
        await until("response.done")
        stub.script(call={"name": "weather", "arguments": "{}"})
        await tell("response.create", response={"metadata": {"a": "b"}})
        await until("response.done")
        stub.script(mute=True)
        await tell("response.create")
        await until("response.created")
        await tell("response.cancel")
        await until("response.done")
        await tell("response.cancel")
        await until("error")
        await tell("conversation.item.delete", item_id=assistant)
        await until("conversation.item.deleted")
        stub.script(mute=False, call=None, expire_after=1)
        await tell("response.create")
        await until("error")
    return events
