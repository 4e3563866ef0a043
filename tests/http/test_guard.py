"""Who may ask: SECURITY.md 2, 3, 4, 6 and 7, over HTTP and WebSocket, against a server that listens."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from itertools import product
from typing import Any

import psutil
import pytest
from pydantic import SecretStr
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.http.serving import BEARER, TOKEN, Served, event, served, tell
from voicemode.http.client_secrets import ClientSecrets
from voicemode.http.guard import Access, Guard
from voicemode.http.limits import WrongTokens
from voicemode.http.server import FRAME_BYTES

pytestmark = pytest.mark.anyio

TRANSCRIPTIONS = "/v1/audio/transcriptions"
PROTECTED = (
    ("POST", "/v1/audio/speech"),
    ("POST", "/v1/audio/transcriptions"),
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/realtime/client_secrets"),
    ("POST", "/v1/realtime/sessions"),
    ("POST", "/v1/realtime/calls"),
    ("POST", "/v1/realtime/calls/rtc_1/hangup"),
    ("GET", "/v1/models"),
    ("GET", "/metrics"),
    ("DELETE", "/anything"),
)
EVERY = (*PROTECTED, ("GET", "/healthz"), ("GET", "/readyz"), ("OPTIONS", "/v1/audio/speech"))


@pytest.fixture
async def server() -> AsyncIterator[Served]:
    async with served() as server:
        yield server


async def refused(server: Served, **options: Any) -> int:
    """The status of a refused upgrade."""
    with pytest.raises(InvalidStatus) as caught:
        async with server.socket(**options):
            pass
    return caught.value.response.status_code


FOREIGN_HOSTS = ("evil.example", "127.0.0.1.evil.example:8765", "localhost.evil.example", "10.0.0.1", "", "127.1")
FOREIGN_PAGES = ("https://evil.example", "null", "file://", "http://127.0.0.1.evil.example", "chrome-extension://x")


async def test_a_foreign_host_is_misdirected(server: Served) -> None:
    """421, before anything else is looked at, though the token is right."""
    async with server.client() as client:
        for (method, path), host in product(EVERY, FOREIGN_HOSTS):
            answer = await client.request(method, path, headers={"Host": host})
            assert answer.status_code == 421, (method, path, host)


async def test_a_foreign_page_is_forbidden(server: Served) -> None:
    """403, and no header that would let the page read it."""
    async with server.client() as client:
        for (method, path), origin in product(EVERY, FOREIGN_PAGES):
            answer = await client.request(method, path, headers={"Origin": origin})
            assert answer.status_code == 403, (method, path, origin)
            assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**BEARER, "Origin": "https://evil.example"}, 403),
        ({**BEARER, "Origin": "null"}, 403),
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"X-API-Key": "wrong"}, 401),
    ],
)
async def test_the_same_holds_for_an_upgrade(server: Served, headers: dict[str, str], status: int) -> None:
    """The handshake itself is refused; no session is made."""
    assert await refused(server, headers=headers) == status
    assert server.engines == []


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}, {"X-API-Key": "wrong"}, {"Authorization": TOKEN}])
async def test_what_changes_something_wants_the_token(headers: dict[str, str]) -> None:
    """401 without it or with another one, from loopback too."""
    for method, path in PROTECTED:
        assert await asked(method, path, headers) == 401, (method, path)


async def asked(method: str, path: str, headers: dict[str, str]) -> int:
    """The guard's answer to a program of this machine; 200 where it lets it in."""
    statuses: list[int] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    pairs = [(b"host", b"localhost"), *((name.lower().encode(), value.encode()) for name, value in headers.items())]
    scope = {"type": "http", "method": method, "path": path, "headers": pairs, "client": ("127.0.0.1", 5)}
    await Guard(app, Access(token=SecretStr(TOKEN), secrets=ClientSecrets()))(scope, receive, send)
    return statuses[0]


@pytest.mark.parametrize(("method", "path"), PROTECTED)
async def test_every_route_is_behind_it(server: Served, method: str, path: str) -> None:
    """Over a socket as well."""
    async with server.stranger() as client:
        answer = await client.request(method, path)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"]["code"] == "missing_api_key"


@pytest.mark.parametrize("headers", [BEARER, {"authorization": f"bearer {TOKEN}"}, {"X-API-Key": TOKEN}])
async def test_the_token_is_taken_as_clients_send_it(server: Served, headers: dict[str, str]) -> None:
    """As a Bearer token or an API key."""
    async with server.stranger() as client:
        assert (await client.get("/v1/models", headers=headers)).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.1"])
async def test_an_upgrade_under_a_foreign_name_is_misdirected(server: Served, host: str) -> None:
    """As DNS rebinding would bring it."""
    head = f"GET /v1/realtime HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {TOKEN}\r\nUpgrade: websocket\r\n"
    head += "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    assert await status_of(server, head) == b"421"
    assert server.engines == []


async def status_of(server: Served, head: str) -> bytes:
    """Of the answer to a request as it stands."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.listening.port)
    writer.write(head.encode())
    status = (await asyncio.wait_for(reader.readline(), 10)).split()[1]
    writer.close()
    return status


async def test_a_page_gives_its_key_as_a_subprotocol(server: Served) -> None:
    """And the server selects "realtime", nothing of the key."""
    offered = ("realtime", f"openai-insecure-api-key.{TOKEN}", "openai-agents-sdk.0.20.0")
    async with server.socket(headers={"Origin": server.url}, subprotocols=offered) as socket:
        assert socket.subprotocol == "realtime"
        assert (await event(socket))["type"] == "session.created"


async def test_a_page_with_a_wrong_key_is_told_and_closed_with_1008(server: Served) -> None:
    """A browser hides the status of a refused upgrade from its page."""
    async with server.socket(headers={}, subprotocols=("realtime", "openai-insecure-api-key.wrong")) as socket:
        assert (await event(socket))["error"]["code"] == "invalid_api_key"
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1008
    assert server.engines == []


async def test_health_is_open_and_says_little(server: Served) -> None:
    """Alive, ready or not; who would serve is for those with the token."""
    async with server.stranger() as stranger, server.client() as client:
        assert (await stranger.get("/healthz")).json()["status"] == "ok"
        assert (await stranger.get("/readyz")).json()["checks"] == {"stt": False, "tts": False, "responder": True}
        assert (await client.get("/readyz")).json()["checks"]["responder"]["by"] == ["echo"]


async def test_only_pages_on_the_list_may_ask_and_never_with_credentials() -> None:
    """No wildcard anywhere; preflight is answered without a key, since browsers send none."""
    page = "https://app.example"
    async with served(access={"origins": frozenset({page})}) as server, server.stranger() as client:
        asked = {
            "Origin": page,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization,content-type",
        }
        preflight = await client.options("/v1/realtime/calls", headers=asked)
        answer = await client.get("/v1/models", headers={"Origin": page, **BEARER})
        denied = await client.get("/v1/models", headers={"Origin": page})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-headers"] == "authorization,content-type"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert (answer.status_code, denied.status_code) == (200, 401)
    for each in (preflight, answer, denied):
        assert each.headers["access-control-allow-origin"] == page
        assert each.headers["vary"] == "Origin"
        assert "access-control-allow-credentials" not in each.headers
    assert "Location" in answer.headers["access-control-expose-headers"]


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1:3000"])
async def test_pages_of_this_machine_may_ask(server: Served, origin: str) -> None:
    """They still need a key."""
    async with server.client() as client, server.stranger() as stranger:
        assert (await client.get("/v1/models", headers={"Origin": origin})).status_code == 200
        assert (await stranger.get("/v1/models", headers={"Origin": origin})).status_code == 401


async def test_names_of_the_settings_are_hosts() -> None:
    """And with remote access any address is one, but no other name."""
    async with served(access={"hosts": frozenset({"voice.lan"}), "remote": True}) as server, server.client() as client:
        for host in ("voice.lan:8765", "192.168.1.7:8765", "[fe80::1]:8765"):
            assert (await client.get("/healthz", headers={"Host": host})).status_code == 200
        assert (await client.get("/healthz", headers={"Host": "evil.example"})).status_code == 421


@pytest.mark.parametrize("forwarded", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "X-Real-IP"])
async def test_forwarding_headers_change_nothing(server: Served, forwarded: str) -> None:
    """Nobody is believed to be a proxy."""
    async with server.stranger() as client:
        assert (await client.get("/v1/models", headers={forwarded: "127.0.0.1"})).status_code == 401


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize(("path", "mib"), [("/v1/audio/speech", 1), ("/v1/chat/completions", 3), (TRANSCRIPTIONS, 3)])
async def test_a_body_that_is_too_large_is_413_and_is_not_kept(announced: bool, path: str, mib: int) -> None:
    """Whether its length was announced or not; the memory of the process does not grow by what was sent."""
    chunk = b"x" * (1 << 20)
    form = path == TRANSCRIPTIONS
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' if form else b" "
    kind = "multipart/form-data; boundary=b" if form else "application/json"

    async def body() -> AsyncIterator[bytes]:
        yield head
        for _ in range(64):
            yield chunk

    content: Any = head + chunk * 64 if announced else body()
    async with served(access={"max_upload": 3 << 20}) as server, server.client() as client:
        before = psutil.Process(os.getpid()).memory_info().rss
        answer = await client.post(path, content=content, headers={"Content-Type": kind})
        after = psutil.Process(os.getpid()).memory_info().rss
    assert answer.status_code == 413
    assert f"{mib} MiB" in answer.json()["error"]["message"]
    assert after - before < 40 << 20


@pytest.mark.parametrize("length", ["-1", "x", "9" * 30])
async def test_a_length_that_is_none_is_refused(server: Served, length: str) -> None:
    """By the HTTP parser or the guard, whichever comes first."""
    head = "POST /v1/audio/speech HTTP/1.1\r\nHost: localhost\r\n"
    head += f"Authorization: Bearer {TOKEN}\r\nContent-Length: {length}\r\n\r\n"
    assert await status_of(server, head) in (b"400", b"413")


@pytest.mark.parametrize("pieces", [1, 40])
async def test_a_frame_that_is_too_large_is_closed_with_1009(server: Served, pieces: int) -> None:
    """In one frame, or as many fragments of one message; the server goes on."""
    async with server.socket(max_size=None) as socket:
        await event(socket)
        text = "x" * (FRAME_BYTES + 1)
        step = -(-len(text) // pieces)
        parts = [text[at : at + step] for at in range(0, len(text), step)]
        with contextlib.suppress(ConnectionClosed):  # before all of it was sent
            await socket.send(parts if pieces > 1 else text)
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd is not None
    assert caught.value.rcvd.code == 1009
    async with server.socket() as other:
        assert (await event(other))["type"] == "session.created"


async def test_a_message_of_the_protocols_largest_size_is_taken(server: Served) -> None:
    """15 MiB of base64 in one append."""
    async with server.socket(max_size=None) as socket:
        await event(socket)
        await tell(socket, "input_audio_buffer.append", audio="A" * (15 << 20))
        assert (await event(socket))["type"] == "echo.input_audio_buffer.append"


async def test_wrong_tokens_are_slowed_down(server: Served) -> None:
    """429 with Retry-After after ten of them, while the right token of this machine still gets in."""
    async with server.stranger() as stranger, server.client() as client:
        statuses = [(await stranger.get("/v1/models", headers={"X-API-Key": "wrong"})).status_code for _ in range(12)]
        last = await stranger.get("/v1/models", headers={"X-API-Key": "wrong"})
        assert statuses == [401] * 10 + [429] * 2
        assert int(last.headers["retry-after"]) >= 1
        assert (await client.get("/v1/models")).status_code == 200


async def test_other_machines_are_not_even_compared_then() -> None:
    """Where others can reach it, trying on teaches nothing: the right token is refused too, until time has passed."""
    now = 0.0
    wrong = WrongTokens(clock=lambda: now)
    statuses: list[int] = []

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def send(message: Any) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    guard = Guard(app, Access(token=SecretStr(TOKEN), secrets=ClientSecrets(), remote=True), wrong)

    async def ask(key: str) -> int:
        headers = [(b"host", b"10.0.0.2"), (b"authorization", f"Bearer {key}".encode())]
        scope = {"type": "http", "method": "GET", "path": "/v1/models", "headers": headers, "client": ("10.0.0.9", 5)}
        await guard(scope, receive, send)
        return statuses[-1]

    assert [await ask("wrong") for _ in range(10)] == [401] * 10
    assert await ask(TOKEN) == 429
    now = 7.0
    assert await ask(TOKEN) == 200


async def test_unknown_addresses_and_methods_are_told(server: Served) -> None:
    """404 and 405, to those with the token only."""
    async with server.client() as client:
        assert (await client.get("/nowhere")).json()["error"]["code"] == "not_found"
        assert (await client.get("/v1/audio/speech")).status_code == 405
        assert (await client.post("/healthz")).status_code == 405
    with pytest.raises(InvalidStatus) as caught:
        async with server.socket(query="/nowhere"):
            pass
    assert caught.value.response.status_code == 404
