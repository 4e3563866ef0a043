"""Where ``voicemode serve`` can be reached: on loopback, unless a person says otherwise and there is a token.
(SECURITY 1 and 5.)

HTTP and WebSocket share one listening socket. Each call over WebRTC opens sockets of its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from collections.abc import AsyncIterator, Iterator
from ipaddress import ip_address
from pathlib import Path

import httpx2
import psutil
import pytest

from tests.http.test_serve import Process, ended, running
from tests.security.assembled import CALLS, SDP
from tests.transports.test_webrtc_sdp import OFFER
from tests.transports.webrtc_client import client
from voicemode.errors import SettingsError
from voicemode.http.server import listen
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

KEY = "dGhlIHNhbXBsZSBub25jZQ=="


def open_at(server: Process) -> dict[str, set[str]]:
    """The addresses of every socket of the process that others can send to, by protocol."""
    found: dict[str, set[str]] = {"tcp": set(), "udp": set()}
    for each in psutil.Process(server.process.pid).net_connections(kind="inet"):
        if each.type == socket.SOCK_DGRAM:
            found["udp"].add(each.laddr.ip)
        elif each.status == psutil.CONN_LISTEN:
            found["tcp"].add(each.laddr.ip)
    return found


def own_address() -> str:
    """One of this machine's that is not loopback."""
    addresses: list[str] = [each.address for interface in psutil.net_if_addrs().values() for each in interface]
    found = [each for each in addresses if re.fullmatch(r"[\d.]+", each) and not ip_address(each).is_loopback]
    if not found:
        pytest.skip("this machine has loopback only")
    return found[0]


@contextlib.asynccontextmanager
async def call(server: Process, at: str) -> AsyncIterator[str]:
    """A WebRTC call that is connected; the server's answer."""
    web = httpx2.AsyncClient(base_url=at, headers=server.bearer, trust_env=False, timeout=30)
    async with web, client() as far:
        answer = await web.post(CALLS, headers=SDP, content=await far.offer())
        assert answer.status_code == 201, answer.text
        await far.take(answer.text)
        await far.until(lambda: len(far.messages) > 0)
        yield answer.text


def candidates(answer: str) -> set[str]:
    """Where an answer says that a call is heard."""
    return {line.split()[4] for line in answer.splitlines() if line.startswith("a=candidate:")}


@pytest.mark.parametrize("more", [(), ("--allow-remote",)], ids=["default", "with the flag but no other address"])
async def test_every_socket_is_on_loopback(tmp_path: Path, more: tuple[str, ...]) -> None:
    """SECURITY 1, for HTTP and WebSocket, and for WebRTC while a call goes on."""
    with running(tmp_path, "--port", "0", *more) as server:
        at = f"http://127.0.0.1:{server.ready()}"
        assert open_at(server) == {"tcp": {"127.0.0.1"}, "udp": set()}
        async with call(server, at) as answer:
            assert candidates(answer) == {"127.0.0.1"}
            assert open_at(server) == {"tcp": {"127.0.0.1"}, "udp": {"127.0.0.1"}}
        with contextlib.closing(socket.socket()) as other:
            other.settimeout(2)
            assert other.connect_ex((own_address(), int(at.rpartition(":")[2]))) != 0


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "", "0", "192.0.2.2", "127.1", "localhost.example", "::ffff:127.0.0.1", "0x7f000001"]
)
def test_no_other_address_without_the_flag(host: str) -> None:
    """SECURITY 5: whatever some resolvers would make of it, nothing is bound and no name is looked up."""
    with pytest.raises(SettingsError) as caught:
        listen(Settings(), host, 0).socket.close()
    assert "VOICEMODE_SERVE_ALLOW_REMOTE" in str(caught.value)


def test_a_name_that_leads_elsewhere_is_no_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """SECURITY 1 and 5: "localhost" is whatever a file of this machine says."""
    elsewhere = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("0.0.0.0", 0))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: elsewhere)
    with pytest.raises(SettingsError) as caught:
        listen(Settings(), "localhost", 0).socket.close()
    assert "VOICEMODE_SERVE_ALLOW_REMOTE" in str(caught.value)


@pytest.mark.parametrize(
    ("token", "mode"), [("short", 0o600), ("", 0o600), ("vm_long-enough-0123456789", 0o644)], ids=["short", "none", "public"]
)
async def test_the_flag_is_not_enough_without_a_good_token(tmp_path: Path, token: str, mode: int) -> None:
    """SECURITY 5: one that can be guessed, is empty, or that others can read; nothing is heard meanwhile."""
    path = tmp_path / ".voicemode" / "token"
    path.parent.mkdir(mode=0o700)
    path.write_text(token)
    path.chmod(mode)
    with running(tmp_path, "--host", "0.0.0.0", "--port", "0", "--allow-remote") as server:
        assert await ended(server, 30) == 2
        assert "token" in server.log.read_text()
        assert "listens on" not in server.log.read_text()


@pytest.fixture
def remote(tmp_path: Path) -> Iterator[tuple[Process, str]]:
    """A server for others, and its address as they see it."""
    with running(tmp_path, "--host", "0.0.0.0", "--port", "0", "--allow-remote") as server:
        while not (found := re.search(r"listens on http://0\.0\.0\.0:(\d+)", server.log.read_text())):
            assert server.process.poll() is None, server.log.read_text()
        yield server, f"http://{own_address()}:{found.group(1)}"


async def test_with_both_it_is_reached_from_elsewhere_by_the_token_only(remote: tuple[Process, str]) -> None:
    """SECURITY 4 and 5, over HTTP, WebSocket and WebRTC: otherwise the tests above would see every door shut."""
    server, at = remote
    assert open_at(server)["tcp"] == {"0.0.0.0"}
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": KEY}
    async with httpx2.AsyncClient(base_url=at, trust_env=False, timeout=30) as web:
        assert (await web.get("/v1/models")).status_code == 401
        assert (await web.get("/v1/realtime", headers=upgrade)).status_code == 401
        assert (await web.post(CALLS, headers=SDP, content=OFFER)).status_code == 401
        assert open_at(server)["udp"] == set()
        assert (await web.get("/v1/models", headers=server.bearer)).status_code == 200
        assert (await web.get("/v1/models", headers={**server.bearer, "Host": "evil.example"})).status_code == 421
    async with asyncio.timeout(30), call(server, at) as answer:
        assert at.split("/")[2].partition(":")[0] in candidates(answer)
