"""The stub's side of voicemode-1, the stream of voicemode's Whisper service (docs/services.md)."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import numpy as np
from starlette.responses import Response
from starlette.websockets import WebSocket

from tests.stubs.behaviour import Behaviour
from tests.stubs.spoken_words import trimmed, words_until

__all__ = ["STREAM_PATH", "stream"]

STREAM_PATH = "/v1/audio/stream"
_RATE = 16_000
_NEW_BYTES = _RATE
"""Half a second: a partial result for each."""
_HEARS_DB = 30.0


async def stream(socket: WebSocket, behaviour: Behaviour, event: dict[str, Any]) -> bytes:
    """Serve one client to its end; all the sound that came. ``event`` is told what happened."""
    event |= {"query": dict(socket.query_params), "flushes": []}
    if behaviour.key is not None and event["authorization"] != f"Bearer {behaviour.key}":
        await socket.send_denial_response(Response(status_code=401))
        return b""
    if behaviour.stream_mode.isdigit():
        headers = {"location": behaviour.redirect_to}
        await socket.send_denial_response(Response(status_code=int(behaviour.stream_mode), headers=headers))
        return b""
    if behaviour.stream_mode == "hang":
        await asyncio.Event().wait()
    await socket.accept()
    await socket.send_json({"type": "ready", "sample_rate": _RATE, "model": "stub"})
    return await _Words(socket, behaviour, event).run()


class _Words:
    def __init__(self, socket: WebSocket, behaviour: Behaviour, event: dict[str, Any]) -> None:
        self._socket, self._behaviour, self._event = socket, behaviour, event
        self._sound = bytearray()
        self._told = 0
        self._settled = ""

    async def run(self) -> bytes:
        try:
            while True:
                message = await self._socket.receive()
                if message["type"] == "websocket.disconnect":
                    break
                if message.get("bytes") is not None:
                    self._sound += message["bytes"]
                    await self._partial()
                else:
                    await self._control(json.loads(message["text"]))
        except (RuntimeError, OSError):  # it left before, or was sent away
            pass
        self._event["gone_at"] = time.monotonic()
        return bytes(self._sound)

    async def _partial(self) -> None:
        mode = self._behaviour.stream_mode
        if len(self._sound) - self._told < _NEW_BYTES:
            return
        self._told = len(self._sound)
        if mode == "garbage":
            await self._socket.send_text("{not json")
        elif mode == "cut":
            await self._socket.close(1011)
        elif mode == "busy":
            body = {"message": self._behaviour.error_text.replace("{key}", self._event["authorization"])}
            await self._socket.send_json({"type": "error", "error": body})
            await self._socket.close(1013)
        else:
            words = self._words().split()
            settled = " ".join(words[:-1])[len(self._settled) :]
            self._settled += settled
            tail = f" {words[-1]}" if words else ""
            seconds = len(self._sound) / 2 / _RATE
            await self._socket.send_json({"type": "partial", "settled": settled, "tail": tail, "until": round(seconds, 3)})

    async def _control(self, message: dict[str, Any]) -> None:
        seconds = round(len(self._sound) / 2 / _RATE, 3)
        if message["type"] == "flush":
            self._event["flushes"].append({"at": time.monotonic(), "seconds": seconds})
            if self._behaviour.stream_mode != "mute":
                await asyncio.sleep(self._behaviour.stt_delay_s)
                await self._socket.send_json({"type": "flushed", "text": self._words(), "until": seconds})
            return
        final = {"text": self._words(), "settled": "", "language": "en", "duration": seconds}
        await self._socket.send_json({"type": "final", **final})
        await self._socket.close(1000)

    def _words(self) -> str:
        b = self._behaviour
        if not b.stt_words:
            return b.stt_text
        samples = np.frombuffer(bytes(self._sound), dtype="<i2")
        return words_until([(at_s, word) for at_s, word in b.stt_words], len(trimmed(samples, _RATE, _HEARS_DB)) / _RATE)
