"""A stub of speech services: the real OpenAI audio API over real sockets, with sound that costs nothing and failures on
demand. It runs as a process of its own: ``python -m tests.stubs.speech_server [--sites 2] [--ports 8880]``.

It prints one JSON line with its ports and leaves when standard input ends. Each site has a port and a behaviour of its
own; one more port takes orders:

    POST /configure {"site": 0, ...}    see Behaviour; what is not named keeps its value, unknown names are refused
    POST /reset                         default behaviour everywhere, no events, no uploads
    GET  /events                        what was asked and answered, with time.monotonic stamps
    GET  /uploads/{id}                  the sound that came with a transcription, or by a stream
"""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import io
import json
import sys
import threading
import time
import wave
from collections.abc import AsyncIterator, Coroutine, Sequence
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.datastructures import UploadFile
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from tests.stubs.behaviour import Behaviour
from tests.stubs.chat import CHAT_PATH, chat
from tests.stubs.ports import Port
from tests.stubs.sound import RATE, encode, speech
from tests.stubs.spoken_words import trimmed, words_until
from tests.stubs.word_stream import STREAM_PATH, stream

__all__ = ["main"]

_LABELS = {
    "pcm": "audio/pcm",
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
}
_HEARS_DB = 30.0
"""What is softer by so much than the loudest 10 ms of an upload is room, to a stub that counts words."""
_HTML = b"<!DOCTYPE html><html><body>Welcome to the guest network</body></html>"

Event = dict[str, Any]


class Log:
    """What happened at all sites, in order of arrival."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.uploads: dict[int, bytes] = {}
        self._ids = 0

    def begin(self, site: int, kind: str, request: HTTPConnection) -> Event:
        self._ids += 1
        event = {
            "id": self._ids,
            "site": site,
            "kind": kind,
            "at_head": time.monotonic(),
            "client_port": request.client.port if request.client else None,
            "user_agent": request.headers.get("user-agent", ""),
            "authorization": request.headers.get("authorization", ""),
        }
        self.events.append(event)
        return event

    def clear(self) -> None:
        self.events.clear()
        self.uploads.clear()


class Exchange:
    """One request and its answer."""

    def __init__(self, behaviour: Behaviour, event: Event, request: Request, send: Send) -> None:
        self.behaviour, self.event, self.request, self._send = behaviour, event, request, send
        self._started = False

    async def start(self, status: int, label: str, **headers: str) -> None:
        fields = {"content-type": label} | {name.replace("_", "-"): value for name, value in headers.items()}
        pairs = [(name.encode(), value.encode()) for name, value in fields.items()]
        self.event["status"] = status
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})

    async def write(self, data: bytes) -> None:
        # Before and not after: what a client does with the first byte must never seem to take less time than it did.
        now = time.monotonic()
        self.event.setdefault("at_first", now)
        self.event.setdefault("at_pieces", []).append(now)
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def finish(self) -> None:
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        self.event["at_done"] = time.monotonic()

    async def answer(self, status: int, label: str, body: bytes, **headers: str) -> None:
        await self.start(status, label, content_length=str(len(body)), **headers)
        await self.write(body)
        await self.finish()

    async def refuse(self, status: int, text: str, **headers: str) -> None:
        await self.answer(status, "application/json", json.dumps({"error": {"message": text}}).encode(), **headers)

    async def fails(self, mode: str, said: str) -> bool:
        """Answer the modes that every task knows; False when the mode is another."""
        b = self.behaviour
        if b.key is not None and self.event["authorization"] != f"Bearer {b.key}":
            await self.refuse(401, f"Incorrect API key provided: {self.event['authorization']}")
        elif mode.isdigit():
            retry = {} if b.retry_after_s is None else {"retry_after": str(b.retry_after_s)}
            text = b.error_text.replace("{input}", said).replace("{key}", self.event["authorization"])
            await self.refuse(int(mode), text, **retry)
        elif mode == "html":
            await self.answer(200, "text/html; charset=utf-8", _HTML)
        elif mode == "redirect":
            await self.answer(b.redirect_status, "text/plain", b"elsewhere", location=b.redirect_to)
        elif mode == "hang":
            await asyncio.Event().wait()
        else:
            return False
        return True


class Site:
    """One port with the API of a speech service."""

    def __init__(self, number: int, log: Log, port: int = 0) -> None:
        self.number, self.log, self.behaviour = number, log, Behaviour()
        self.port = Port(self, port)

    async def apply(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        await (self.port.close() if behaviour.refuse else self.port.open())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await self._stream(WebSocket(scope, receive, send))
            return
        request = Request(scope, receive)
        kinds = {
            "/v1/audio/speech": "tts",
            "/v1/audio/transcriptions": "stt",
            "/v1/models": "models",
            CHAT_PATH: "chat",
            "/v1/audio/voices": "voices",
        }
        kind = kinds.get(scope["path"], "unknown")
        event = self.log.begin(self.number, kind, request)
        exchange = Exchange(self.behaviour, event, request, send)
        if self.behaviour.whisper_cpp is not None and not (kind == "stt" and request.method == "POST"):
            await self._as_whisper_cpp(exchange)
        elif kind == "tts":
            said = await request.json()
            await _until_gone(self._speech(exchange, said), receive, event)
        elif kind == "chat":
            await _until_gone(chat(exchange, await request.json()), receive, event)
        elif kind == "stt":
            await self._upload(request, event)
            await _until_gone(self._transcription(exchange), receive, event)
        elif kind == "models":
            await _until_gone(self._models(exchange), receive, event)
        elif kind == "voices" and self.behaviour.voice_list is not None:
            await exchange.answer(200, "application/json", json.dumps(self.behaviour.voice_list).encode())
        else:
            await exchange.refuse(404, f"no such path: {scope['path']}")

    async def _stream(self, socket: WebSocket) -> None:
        event = self.log.begin(self.number, "stream", socket)
        if socket.url.path != STREAM_PATH:
            await socket.close()
            return
        self.log.uploads[event["id"]] = await stream(socket, self.behaviour, event)

    async def _models(self, exchange: Exchange) -> None:
        if not await exchange.fails(self.behaviour.models_mode, ""):
            rows = self.behaviour.rows
            if rows is None:
                rows = [{"id": model, "object": "model"} for model in self.behaviour.models]
            await exchange.answer(200, "application/json", json.dumps({"object": "list", "data": rows}).encode())

    async def _as_whisper_cpp(self, exchange: Exchange) -> None:
        """Everything but a transcription: a page at /, OPTIONS where it transcribes, and else an empty 404."""
        request = exchange.request
        if request.method == "OPTIONS" and request.url.path == self.behaviour.whisper_cpp:
            await exchange.answer(200, "text/plain", b"", server="whisper.cpp")
        elif request.url.path == "/":
            await exchange.answer(200, "text/html", b"<html><title>Whisper.cpp Server</title></html>", server="whisper.cpp")
        else:
            await exchange.answer(404, "text/plain", b"", server="whisper.cpp")

    async def _speech(self, exchange: Exchange, body: dict[str, Any]) -> None:
        b, event = self.behaviour, exchange.event
        event |= {"at_body": time.monotonic(), "body": body}
        wanted = body.get("response_format", "mp3")
        if await exchange.fails(b.tts_mode, body["input"]):
            return
        if b.tts_mode == "json":
            await exchange.answer(200, "application/json", b'{"error": "out of memory"}')
        elif wanted not in b.formats:
            await exchange.refuse(400, f"response_format '{wanted}' is not offered")
        elif b.voices is not None and body.get("voice") not in b.voices:
            await exchange.refuse(400, f"voice '{body.get('voice')}' not found; there are: {', '.join(b.voices)}")
        else:
            await self._sound(exchange, body["input"], b.deliver or wanted)

    async def _sound(self, exchange: Exchange, text: str, container: str) -> None:
        b, event = self.behaviour, exchange.event
        samples = speech(text, b.voice, b.seconds_per_char)
        data = encode(samples, container, streamed=b.streamed_wav)
        if b.tts_mode == "garbage":
            data = bytes(i * 7919 % 251 for i in range(len(data)))
        elif b.tts_mode == "empty":
            data = b""
        elif b.tts_mode == "odd":
            data += b"\x01"
        event |= {"seconds": len(samples) / RATE, "bytes": len(data), "container": container}
        await asyncio.sleep(b.first_byte_s)
        length = {"content_length": str(len(data))} if b.tts_mode == "truncated" else {}
        await exchange.start(200, b.label or _LABELS[container], **length)
        async for piece, spoken_s in _pieces(data, len(samples) / RATE, b):
            if b.tts_mode == "stall" and spoken_s >= b.stall_after_s:
                await asyncio.Event().wait()
            if b.tts_mode in ("truncated", "cut") and spoken_s >= event["seconds"] / 2:
                raise ConnectionError("told to break off")  # uvicorn closes the connection
            await exchange.write(piece)
        await exchange.finish()

    async def _upload(self, request: Request, event: Event) -> None:
        async with request.form() as form:
            event["fields"] = {name: value for name, value in form.items() if isinstance(value, str)}
            file = form.get("file")
            if isinstance(file, UploadFile):
                event["filename"], self.log.uploads[event["id"]] = file.filename, await file.read()
        event["at_body"] = time.monotonic()

    async def _transcription(self, exchange: Exchange) -> None:
        b, fields = self.behaviour, exchange.event["fields"]
        if await exchange.fails(b.stt_mode, fields.get("prompt", "")):
            return
        await asyncio.sleep(b.stt_delay_s)
        if b.stt_mode == "garbage":
            await exchange.answer(200, "application/json", b"{not json")
        elif b.stt_mode == "truncated":
            await exchange.start(200, "application/json", content_length="500")
            await exchange.write(b'{"text": "half')
            raise ConnectionError("told to break off")
        elif fields.get("response_format") == "text":
            await exchange.answer(200, "text/plain; charset=utf-8", self._words_of(exchange).encode())
        else:
            answer = {"text": self._words_of(exchange)} if b.stt_answer is None else b.stt_answer
            await exchange.answer(200, "application/json", json.dumps(answer).encode())

    def _words_of(self, exchange: Exchange) -> str:
        b = self.behaviour
        if not b.stt_words:
            return b.stt_text
        with wave.open(io.BytesIO(self.log.uploads[exchange.event["id"]])) as wav:
            samples = np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2")
            sound = trimmed(samples, wav.getframerate(), _HEARS_DB)
            said_s = len(sound) / wav.getframerate()
        exchange.event["said_s"] = said_s
        return words_until([(at_s, word) for at_s, word in b.stt_words], said_s)


async def _pieces(data: bytes, seconds: float, behaviour: Behaviour) -> AsyncIterator[tuple[bytes, float]]:
    """Cut an answer, at its rate; each piece comes with the seconds of sound before it."""
    per_second = max(1.0, len(data) / seconds)
    # Odd lengths, so that samples are split between pieces as networks do.
    size = max(1, round(per_second * behaviour.piece_s)) | 1
    began = time.monotonic()
    for at in range(0, len(data), size):
        if behaviour.rate_x:
            await asyncio.sleep(began + at / per_second / behaviour.rate_x - time.monotonic())
        yield data[at : at + size], at / per_second


async def _until_gone(work: Coroutine[Any, Any, None], receive: Receive, event: Event) -> None:
    """Answer, unless the client goes away first; then note when it did."""
    working, watching = asyncio.create_task(work), asyncio.create_task(_gone(receive))
    try:
        await asyncio.wait({working, watching}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            event["gone_at"] = time.monotonic()
        else:
            await working
    finally:
        working.cancel()
        watching.cancel()
        await asyncio.gather(working, watching, return_exceptions=True)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Admin:
    """The port that takes orders."""

    def __init__(self, sites: list[Site], log: Log) -> None:
        self._sites, self._log = sites, log
        routes = [
            Route("/configure", self._configure, methods=["POST"]),
            Route("/reset", self._reset, methods=["POST"]),
            Route("/events", self._events),
            Route("/uploads/{id:int}", self._uploads),
        ]
        self.port = Port(Starlette(routes=routes))

    async def _configure(self, request: Request) -> Response:
        order: dict[str, Any] = await request.json()
        site = self._sites[order.pop("site", 0)]
        try:
            await site.apply(dataclasses.replace(site.behaviour, **order))
        except TypeError as error:
            return JSONResponse({"error": str(error)}, status_code=400)
        return JSONResponse({})

    async def _reset(self, _: Request) -> Response:
        for site in self._sites:
            await site.apply(Behaviour())
        self._log.clear()
        return JSONResponse({})

    async def _events(self, _: Request) -> Response:
        return JSONResponse(self._log.events)

    async def _uploads(self, request: Request) -> Response:
        return Response(self._log.uploads.get(request.path_params["id"], b""), media_type="audio/wav")


async def serve(sites: int, ports: Sequence[int], behaviour: str) -> None:
    log = Log()
    running = [Site(number, log, port) for number, port in zip(range(sites), [*ports, *[0] * sites], strict=False)]
    admin = Admin(running, log)
    for site in running:
        await site.apply(Behaviour(**json.loads(behaviour)))
    await admin.port.open()
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait_for_eof() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_eof, daemon=True).start()
    print(json.dumps({"sites": [site.port.number for site in running], "admin": admin.port.number}), flush=True)
    await ended.wait()
    await asyncio.gather(*(port.close() for port in (admin.port, *(site.port for site in running))))


def main() -> None:
    parser = argparse.ArgumentParser(description="A stub of OpenAI-compatible speech services, for tests.")
    parser.add_argument("--sites", type=int, default=2, help="how many endpoints to serve (default 2)")
    parser.add_argument("--ports", default="", help="ports of the first endpoints, by commas (default: free ones)")
    parser.add_argument("--behaviour", default="{}", help="of all of them at first, as JSON")
    chosen = parser.parse_args()
    ports = [int(port) for port in chosen.ports.split(",") if port]
    asyncio.run(serve(chosen.sites, ports, chosen.behaviour))


if __name__ == "__main__":
    main()
