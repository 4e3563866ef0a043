"""A client of ``voicemode serve`` whose answers come from the stub of an upstream."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
from websockets.asyncio.client import ClientConnection, connect

from voicemode.audio import Samples
from voicemode.core.resample import StreamResampler

__all__ = ["Talk", "spoken", "talk"]

_CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
_CHUNK = 480
_DEADLINE_S = 30.0
_FASTER = 4
"""Than real time: what is decided counts by the sound."""


def spoken() -> Samples:
    """A sentence of a person at 24 kHz, and a second of silence."""
    with wave.open(str(_CLIP)) as clip:
        samples = np.frombuffer(clip.readframes(clip.getnframes()), "<i2").astype(np.int16)
    resampler = StreamResampler(16_000, 24_000)
    return np.concatenate([resampler.push(samples), resampler.flush(), np.zeros(24_000, np.int16)])


class Talk:
    """One connection, and everything that came over it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.events: list[dict[str, Any]] = []
        self._read = 0

    async def tell(self, kind: str, **fields: Any) -> None:
        await self._socket.send(json.dumps({"type": kind, **fields}))

    async def until(self, kind: str, deadline_s: float = _DEADLINE_S) -> dict[str, Any]:
        """The next event of that kind."""
        async with asyncio.timeout(deadline_s):
            while True:
                event: dict[str, Any] = json.loads(await self._socket.recv())
                self.events.append(event)
                if event["type"] == kind:
                    return event

    async def listen_for(self, seconds: float) -> list[dict[str, Any]]:
        """What comes meanwhile."""
        before = len(self.events)
        with contextlib.suppress(TimeoutError):
            await self.until("(never)", seconds)
        return self.events[before:]

    async def write(self, text: str) -> None:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
        await self.tell("conversation.item.create", item=item)

    async def ask(self, text: str, **response: Any) -> dict[str, Any]:
        """Write something; the ``response.done`` of its answer."""
        await self.write(text)
        await self.tell("response.create", response=response)
        return await self.until("response.done")

    async def speak(self, samples: Samples) -> None:
        for at in range(0, len(samples), _CHUNK):
            data = base64.b64encode(samples[at : at + _CHUNK].astype("<i2").tobytes()).decode()
            await self.tell("input_audio_buffer.append", audio=data)
            await asyncio.sleep(_CHUNK / 24_000 / _FASTER)

    def sound(self, response_id: str) -> bytes:
        """All of that answer."""
        deltas = (event for event in self.of(response_id) if event["type"] == "response.output_audio.delta")
        return b"".join(base64.b64decode(event["delta"]) for event in deltas)

    def of(self, response_id: str) -> list[dict[str, Any]]:
        """What was told of that response, in order."""
        return [event for event in self.events if event.get("response_id") == response_id]

    def words(self) -> list[str]:
        """The person's, as they were written down."""
        kind = "conversation.item.input_audio_transcription.completed"
        return [event["transcript"] for event in self.events if event["type"] == kind]


@contextlib.asynccontextmanager
async def talk(url: str, headers: dict[str, str], **session: Any) -> AsyncIterator[Talk]:
    """A session that is set up: the end of a turn is 300 ms of silence."""
    async with connect(url, additional_headers=headers, proxy=None, max_size=None) as socket:
        held = Talk(socket)
        await held.until("session.created")
        detection = {"type": "server_vad", "silence_duration_ms": 300}
        audio = {"input": {"turn_detection": detection, "transcription": {"model": "whisper-1"}}}
        await held.tell("session.update", session={"type": "realtime", "audio": audio, **session})
        await held.until("session.updated")
        yield held
