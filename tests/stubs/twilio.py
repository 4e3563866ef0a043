"""A stub of Twilio, made from what is published of it: its REST API, its webhooks with their signatures, its media streams.

https://www.twilio.com/docs/voice/media-streams/websocket-messages, https://www.twilio.com/docs/voice/api/call-resource,
https://www.twilio.com/docs/usage/webhooks/webhooks-security

The telephone at its end plays what it is sent in order, 20 ms at a time, and answers a mark when all before it was played.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl
from xml.etree import ElementTree as ET

import httpx2
import numpy as np
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicemode.audio import Samples
from voicemode.core.g711 import ulaw_decode, ulaw_encode

__all__ = ["ACCOUNT", "AUTH_TOKEN", "Phone", "RestApi", "StreamRefusedError", "calling", "dial", "rest_api", "signed"]

ACCOUNT = "AC" + "0123456789abcdef" * 2
AUTH_TOKEN = "an-auth-token-of-these-tests"
RATE = 8000
_TICK = 160
"""Samples of 20 ms."""
_SILENCE = b"\xff" * _TICK


def signed(url: str, form: Mapping[str, str], token: str = AUTH_TOKEN) -> str:
    """As the documentation says: the address and then each name and value, in the order of the names."""
    text = url + "".join(f"{name}{form[name]}" for name in sorted(form))
    return base64.b64encode(hmac.new(token.encode(), text.encode(), hashlib.sha1).digest()).decode()


async def dial(url: str, *, to: str = "", **form: str) -> httpx2.Response:
    """The webhook of a call at ``url``; ``to`` is where it really goes, as behind a proxy."""
    base = {
        "AccountSid": ACCOUNT,
        "CallSid": "CA" + "1" * 32,
        "Direction": "inbound",
        "To": "+493099999999",
        "ApiVersion": "2010-04-01",
    }
    fields = {**base, **form}
    async with httpx2.AsyncClient(trust_env=False, timeout=20) as web:
        return await web.post(to or url, data=fields, headers={"X-Twilio-Signature": signed(url, fields)})


class StreamRefusedError(Exception):
    """The TwiML has no stream; the text is its verb, with its attributes."""


@dataclass(eq=False)
class Phone:
    """A telephone whose call is under way."""

    socket: ClientConnection
    stream_sid: str
    call_sid: str
    tick_s: float = 0.02
    """Less: in compressed time."""
    heard: list[bytes] = field(default_factory=list)
    """What its owner heard, 20 ms each, silence included."""
    clears: list[int] = field(default_factory=list)
    """At which tick each clear came."""
    cleared_bytes: int = 0
    marked: list[str] = field(default_factory=list)
    close_code: int | None = None
    _buffer: deque[bytes | str] = field(default_factory=deque)
    """Sound, and marks between it."""
    _saying: bytes = b""
    _sequence: int = 1

    @property
    def ticks(self) -> int:
        return len(self.heard)

    @property
    def samples(self) -> Samples:
        """All that was heard, 8 kHz."""
        return ulaw_decode(b"".join(self.heard))

    def say(self, samples: Samples) -> None:
        """Speak, 8 kHz, behind what is being said."""
        self._saying += ulaw_encode(samples)

    @property
    def is_saying(self) -> bool:
        return bool(self._saying)

    async def press(self, digits: str) -> None:
        for digit in digits:
            await self.send("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def until(self, holds: Callable[[], bool], within_s: float = 20.0) -> None:
        async with asyncio.timeout(within_s):
            while not holds():
                await asyncio.sleep(self.tick_s / 2)

    async def hang_up(self) -> None:
        await self.send("stop", stop={"accountSid": ACCOUNT, "callSid": self.call_sid})
        await self.socket.close()

    async def send(self, event: str, **content: Any) -> None:
        self._sequence += 1
        message = {"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.stream_sid, **content}
        with contextlib.suppress(ConnectionClosed):
            await self.socket.send(json.dumps(message))

    async def live(self) -> None:
        """Speak and listen until the call is over."""
        receiving = asyncio.create_task(self._receive())
        loop = asyncio.get_running_loop()
        due = loop.time()
        try:
            while not receiving.done():
                await self._tick()
                due += self.tick_s
                await asyncio.sleep(max(due - loop.time(), 0))
            self.close_code = self.socket.close_code
        finally:
            receiving.cancel()

    async def _tick(self) -> None:
        said, self._saying = self._saying[:_TICK], self._saying[_TICK:]
        payload = base64.b64encode(said.ljust(_TICK, b"\xff")).decode()
        media = {"track": "inbound", "chunk": str(self.ticks + 1), "timestamp": str(20 * self.ticks), "payload": payload}
        await self.send("media", media=media)
        await self._play()

    async def _play(self) -> None:
        played = b""
        while self._buffer and len(played) < _TICK:
            head = self._buffer.popleft()
            if isinstance(head, str):
                await self._mark(head)
                continue
            room = _TICK - len(played)
            played += head[:room]
            if head[room:]:
                self._buffer.appendleft(head[room:])
        self.heard.append(played.ljust(_TICK, b"\xff"))
        while self._buffer and isinstance(self._buffer[0], str):
            await self._mark(str(self._buffer.popleft()))

    async def _mark(self, name: str) -> None:
        self.marked.append(name)
        await self.send("mark", mark={"name": name})

    async def _receive(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for text in self.socket:
                await self._take(json.loads(text))

    async def _take(self, message: dict[str, Any]) -> None:
        assert message["streamSid"] == self.stream_sid, message
        match message:
            case {"event": "media", "media": {"payload": payload}}:
                self._buffer.append(base64.b64decode(payload, validate=True))
            case {"event": "mark", "mark": {"name": name}}:
                self._buffer.append(name)
            case {"event": "clear"}:
                self.clears.append(self.ticks)
                waiting, self._buffer = self._buffer, deque()
                self.cleared_bytes += sum(len(each) for each in waiting if isinstance(each, bytes))
                for each in waiting:
                    if isinstance(each, str):
                        await self._mark(each)
            case _:
                raise AssertionError(f"Twilio knows no such message: {message}")


@contextlib.asynccontextmanager
async def calling(
    url: str, *, tick_s: float = 0.02, start: Mapping[str, Any] | None = None, **form: str
) -> AsyncIterator[Phone]:
    """A call from the webhook to its end. ``start`` changes what the stream says of itself. Raises StreamRefusedError."""
    answer = await dial(url, **form)
    answer.raise_for_status()
    assert answer.headers["content-type"].startswith("text/xml")
    root = ET.fromstring(answer.text)
    stream = root.find("Connect/Stream")
    if stream is None:
        raise StreamRefusedError(" ".join(f"{each.tag} {each.attrib}" for each in root))
    parameters = {each.attrib["name"]: each.attrib["value"] for each in stream.findall("Parameter")}
    assert all(len(name) + len(value) < 500 for name, value in parameters.items()), "Twilio's limit of a parameter"
    call_sid = form.get("CallSid", "CA" + "1" * 32)
    async with connect(stream.attrib["url"], proxy=None) as socket:
        phone = Phone(socket, "MZ" + "2" * 32, call_sid, tick_s)
        await socket.send(json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        described = {
            "streamSid": phone.stream_sid,
            "accountSid": ACCOUNT,
            "callSid": call_sid,
            "tracks": ["inbound"],
            "customParameters": parameters,
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE, "channels": 1},
            **(start or {}),
        }
        await phone.send("start", start=described)
        living = asyncio.create_task(phone.live())
        try:
            yield phone
        finally:
            await phone.hang_up()
            living.cancel()
            await asyncio.wait({living})


@dataclass(eq=False)
class RestApi:
    """What was asked of the REST API."""

    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Path and form of each that was let in."""
    refused: int = 0
    status: int = 201
    error: dict[str, Any] = field(default_factory=dict)
    hang: threading.Event | None = None
    """Until it is set nobody is answered."""


@contextlib.contextmanager
def rest_api() -> Iterator[RestApi]:
    """Twilio's REST API on loopback, as far as calls need it."""
    api = RestApi()
    wanted = "Basic " + base64.b64encode(f"{ACCOUNT}:{AUTH_TOKEN}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = dict(parse_qsl(self.rfile.read(int(self.headers["content-length"])).decode()))
            if self.headers["authorization"] != wanted:
                api.refused += 1
                self._answer(401, {"code": 20003, "message": "Authenticate", "status": 401})
                return
            api.requests.append((self.path, form))
            if api.hang is not None:
                api.hang.wait(20)
            sid = self.path.rpartition("/")[2].removesuffix(".json") if "/Calls/" in self.path else "CA" + "3" * 32
            self._answer(api.status, api.error or {"sid": sid, "status": form.get("Status", "queued")})

        def _answer(self, status: int, body: Mapping[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=lambda: server.serve_forever(0.02), daemon=True)
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield api
    finally:
        if api.hang is not None:
            api.hang.set()
        server.shutdown()
        server.server_close()


def at_telephone_rate(samples: Samples, rate: int) -> Samples:
    """As a telephone network carries it."""
    import soxr

    sound: Samples = soxr.resample(samples.astype(np.float32), rate, RATE).astype(np.int16)
    return sound
