"""The server of ``voicemode serve`` in this process, put together as the program does it, and the doors it is entered by.

A door is a way in over one of its transports: plain HTTP, a WebSocket, or the signalling of a WebRTC call.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
from websockets.asyncio.client import ClientConnection, connect

from tests.transports.test_webrtc_sdp import OFFER
from tests.transports.webrtc_client import Client, client
from voicemode.assemble_server import RealtimeServer, build_server
from voicemode.http.client_secrets import ClientSecrets
from voicemode.http.guard import Guard
from voicemode.http.server import Server, listen, server_config
from voicemode.load_config import load_settings

__all__ = ["CALLS", "DOORS", "SDP", "SECRETS", "Answer", "House", "house", "in_webrtc"]

SECRETS, CALLS = "/v1/realtime/client_secrets", "/v1/realtime/calls"
SDP = {"Content-Type": "application/sdp"}
_UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}
DOORS = {
    "speech": 503,
    "models": 200,
    "client secrets": 200,
    "websocket": 101,
    "sideband": 101,
    "webrtc": 201,
    "hang-up": 200,
}
"""Each with the status of who is let in: 503, since no endpoint is there that could speak."""


@dataclass(frozen=True)
class Answer:
    """What came back before anything else."""

    status: int
    headers: Mapping[str, str]
    body: str


@dataclass(eq=False)
class House:
    """A server that listens on loopback."""

    server: RealtimeServer
    port: int

    @property
    def token(self) -> str:
        return self.server.token.get_secret_value()

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def secrets(self) -> ClientSecrets:
        """Those that live."""
        guard = self.server.app
        assert isinstance(guard, Guard)
        return guard._access.secrets

    @property
    def netloc(self) -> str:
        return f"127.0.0.1:{self.port}"

    def web(self, **options: Any) -> httpx2.AsyncClient:
        """With the token."""
        return httpx2.AsyncClient(base_url=f"http://{self.netloc}", headers=self.bearer, trust_env=False, timeout=30, **options)

    @contextlib.asynccontextmanager
    async def socket(self, query: str = "", headers: Mapping[str, str] | None = None) -> AsyncIterator[ClientConnection]:
        """A WebSocket, with the token unless other headers are given."""
        given = dict(self.bearer if headers is None else headers)
        address = f"ws://{self.netloc}/v1/realtime{query}"
        async with connect(address, additional_headers=given, proxy=None, max_size=None) as socket:
            yield socket

    async def knock(self, door: str, headers: Mapping[str, str], *, call: str = "rtc_none") -> Answer:
        """Ask to come in, with these headers and no others that matter. ``call`` is whose sideband or end it is about."""
        method, path, body, more = {
            "speech": ("POST", "/v1/audio/speech", '{"input": "Hello."}', {}),
            "models": ("GET", "/v1/models", "", {}),
            "client secrets": ("POST", SECRETS, "{}", {}),
            "websocket": ("GET", "/v1/realtime", "", _UPGRADE),
            "sideband": ("GET", f"/v1/realtime?call_id={call}", "", _UPGRADE),
            "webrtc": ("POST", CALLS, OFFER, SDP),
            "hang-up": ("POST", f"{CALLS}/{call}/hangup", "", {}),
        }[door]
        fields = {"Host": self.netloc, "Content-Length": str(len(body)), **more, **headers}
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return await self.ask(f"{method} {path} HTTP/1.1\r\n{head}\r\n{body}")

    async def ask(self, request: str) -> Answer:
        """Send it as it stands."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            async with asyncio.timeout(20):
                writer.write(request.encode())
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").splitlines()
                headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:-1])}
                status = int(head[0].split()[1])
                length = int(headers.get("content-length", "0"))
                body = await reader.readexactly(length) if status != 101 else b""
            return Answer(status, headers, body.decode())
        finally:
            writer.close()

    @contextlib.asynccontextmanager
    async def conversation(self) -> AsyncIterator[str]:
        """One that is under way; its name."""
        earlier = set(self.server.conversations.calls._open)  # a moment ago somebody left one, and it may not have ended yet
        async with self.socket() as socket:
            assert json.loads(await socket.recv())["type"] == "session.created"
            (name,) = set(self.server.conversations.calls._open) - earlier
            yield name

    @property
    def calls(self) -> int:
        """How many are under way."""
        return self.server.conversations.calls.places.taken

    async def idle(self) -> None:
        """All calls have ended."""
        async with asyncio.timeout(15):
            while self.calls:
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def in_webrtc(house: House, headers: Mapping[str, str] | None = None, **request: Any) -> AsyncIterator[Client]:
    """A WebRTC call up to its first event. ``request`` is sent in the place of the bare offer, whose field it may lack."""
    async with client() as far, house.web() as web:
        offer = await far.offer()
        if "session" in request:
            sent: dict[str, Any] = {"files": {"sdp": (None, offer), "session": (None, json.dumps(request["session"]))}}
        else:
            sent = {"content": offer}
        kind = {} if "session" in request else SDP
        answer = await web.post(CALLS, headers={**kind, **(headers or {})}, **sent)
        assert answer.status_code == 201, answer.text
        await far.take(answer.text)
        await far.until(lambda: len(far.messages) > 0)
        yield far


@contextlib.asynccontextmanager
async def house(home: Path, environ: Mapping[str, str] | None = None, /, **settings: str) -> AsyncIterator[House]:
    """Up while the block runs. Without endpoints and engines, unless ``settings`` name some."""
    chosen = {"builtin": "false", "discovery": "false", "start_services": "false", **settings}
    given = {**(environ or {}), **{f"VOICEMODE_{name.upper()}": value for name, value in chosen.items()}}
    loaded = load_settings(given, home, home)
    server = build_server(loaded, given, host="127.0.0.1")
    listening = listen(loaded.settings, "127.0.0.1", 0)
    running = Server(server_config(server.app))
    serving = asyncio.create_task(running.serve(sockets=[listening.socket]))
    server.processes.start()
    while not running.started or server.processes.ready < loaded.settings.serve_processes - 1:
        await asyncio.sleep(0.005)
    try:
        yield House(server, listening.port)
    finally:
        server.conversations.calls.end_all("the test ends")
        running.should_exit = True
        await serving
        await server.aclose()
        listening.socket.close()
