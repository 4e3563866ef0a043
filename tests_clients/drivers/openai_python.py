"""``openai`` (Python): the connection of ``AsyncOpenAI().realtime``, with the playback a program around it has."""

from __future__ import annotations

import asyncio
import base64
import json

from openai import AsyncOpenAI
from openai.resources.realtime.realtime import AsyncRealtimeConnection
from openai.types.realtime import RealtimeServerEvent

from person import INSTRUCTIONS, MOVE, Loudspeaker, Microphone, Order, conversation, drive, move, saw


class Client:
    """What people write around the connection: play, stop on speech, say how much was heard, call functions."""

    def __init__(self, connection: AsyncRealtimeConnection) -> None:
        self._connection = connection
        self.loudspeaker = Loudspeaker()
        self.microphone = Microphone(self._append)
        self._speaking = ""
        self._began_s = 0.0

    async def configure(self) -> None:
        await self._connection.session.update(
            session={
                "type": "realtime",
                "instructions": INSTRUCTIONS,
                "audio": {
                    "input": {
                        "transcription": {"model": "gpt-4o-mini-transcribe"},
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 600},
                    },
                    "output": {"voice": "marin"},
                },
                "tools": [{"type": "function", "name": "move", "description": "Drive.", "parameters": MOVE}],
            }
        )

    async def receive(self) -> None:
        """Until the connection closes."""
        async for event in self._connection:
            await self._heed(event)

    async def _heed(self, event: RealtimeServerEvent) -> None:
        match event.type:
            case "response.output_audio.delta":
                if event.item_id != self._speaking:
                    self._speaking, self._began_s = event.item_id, self.loudspeaker.heard_s
                self.loudspeaker.play(base64.b64decode(event.delta))
            case "input_audio_buffer.speech_started":
                await self._fall_silent()
            case "conversation.item.input_audio_transcription.completed":
                saw("user_said", text=event.transcript)
            case "response.output_audio_transcript.done":
                saw("assistant_said", text=event.transcript)
            case "response.function_call_arguments.done":
                output = move(**json.loads(event.arguments))
                await self._connection.conversation.item.create(
                    item={"type": "function_call_output", "call_id": event.call_id, "output": output}
                )
                await self._connection.response.create()
            case "error":
                saw("error", error=event.error.model_dump())

    async def _fall_silent(self) -> None:
        stops = self.loudspeaker.stops
        self.loudspeaker.stop()
        if self.loudspeaker.stops > stops:
            heard_ms = round((self.loudspeaker.heard_s - self._began_s) * 1000)
            await self._connection.conversation.item.truncate(item_id=self._speaking, content_index=0, audio_end_ms=heard_ms)

    async def _append(self, pcm: bytes) -> None:
        await self._connection.input_audio_buffer.append(audio=base64.b64encode(pcm).decode())


async def main(order: Order) -> None:
    api = AsyncOpenAI(api_key=order.key, base_url=f"{order.url}/v1")
    async with api.realtime.connect(model="gpt-realtime") as connection:
        client = Client(connection)
        await client.configure()
        async with asyncio.TaskGroup() as group:
            works = [client.receive(), client.microphone.run(), client.loudspeaker.run()]
            tasks = [group.create_task(work) for work in works]
            await conversation(order, client.microphone, client.loudspeaker)
            for task in tasks:
                task.cancel()
    client.loudspeaker.save(order.heard)


if __name__ == "__main__":
    drive(main)
