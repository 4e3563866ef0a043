"""A service in a process of its own, as others meet it: the frame with a stub of an engine."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests_services.running import SERVICES, Running, running
from tests_services.service.stub_service import SAID, STEP_MS

MODULE = "tests_services.service.stub_service"
PATHS = {"PYTHONPATH": os.pathsep.join([str(SERVICES), str(SERVICES.parent)])}
TOKEN = "a token of sixteen or more"
KEY = {"authorization": f"Bearer {TOKEN}"}


@contextmanager
def stub(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Iterator[Running]:
    with running(MODULE, folder, arguments, env={**PATHS, **(env or {})}) as service:
        yield service


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with stub(tmp_path_factory.mktemp("stub"), "--workers", "2") as found:
        yield found


def listening(process: int) -> set[str]:
    """The addresses a process listens on."""
    found = psutil.Process(process).net_connections(kind="inet")
    return {each.laddr.ip for each in found if each.status == psutil.CONN_LISTEN}


def test_only_this_machine_can_reach_it(service: Running) -> None:
    """SECURITY 1."""
    assert listening(service.process.pid) == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [({"host": "evil.example"}, 421), ({"origin": "https://evil.example"}, 403), ({"origin": "null"}, 403)],
)
def test_foreign_names_and_pages_are_refused(service: Running, headers: dict[str, str], status: int) -> None:
    """SECURITY 2 and 3: on every path, known or not, also where a socket is asked for."""
    for path in ("/health", "/v1/count", "/openapi.json", "/nothing"):
        assert httpx2.get(f"{service.url}{path}", headers=headers).status_code == status

    async def upgrade() -> int:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{service.port}/v1/lengths", additional_headers=headers, proxy=None):
                pass
        return refused.value.response.status_code

    if "host" not in headers:  # this client always sends its own
        assert asyncio.run(upgrade()) == status


def test_no_other_site_may_read_answers(service: Running) -> None:
    """SECURITY 6: nothing is said about other origins at all."""
    for method in ("GET", "OPTIONS"):
        answer = httpx2.request(method, f"{service.url}/v1/count", headers={"origin": "http://localhost:1"})
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
@pytest.mark.parametrize(("flag", "token"), [([], ""), (["--allow-remote"], ""), ([], TOKEN)])
def test_it_does_not_listen_for_others_without_token_and_flag(host: str, flag: list[str], token: str) -> None:
    """SECURITY 5: it says what is missing, and ends."""
    command = [sys.executable, "-m", MODULE, "--host", host, *flag]
    env = {"PATH": os.environ["PATH"], **PATHS, "VOICEMODE_STUB_TOKEN": token}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 2
    assert "--allow-remote" in ended.stderr
    assert TOKEN not in ended.stderr


def test_others_need_the_token(tmp_path: Path) -> None:
    """SECURITY 4: whatever does something, and whatever tells something; /health says only that it is there."""
    environ = {"VOICEMODE_STUB_TOKEN": TOKEN}
    with stub(
        tmp_path, "--host", "0.0.0.0", "--allow-remote", "--allowed-hosts", "speech.lan, whisper", env=environ
    ) as service:
        assert listening(service.process.pid) == {"0.0.0.0"}
        url = f"{service.url}/v1/count"
        assert httpx2.post(url, json={}).status_code == 401
        assert httpx2.post(url, json={}, headers={"authorization": "Bearer none"}).status_code == 401
        assert httpx2.get(f"{service.url}/metrics").status_code == 401
        assert httpx2.post(url, json={}, headers=KEY).status_code == 200
        assert httpx2.post(url, json={}, headers={**KEY, "host": "whisper:8880"}).status_code == 200
        assert httpx2.post(url, json={}, headers={**KEY, "host": "evil.example"}).status_code == 421
        assert set(service.health()) == {"status", "service", "version"}
        assert "jobs" in httpx2.get(f"{service.url}/health", headers=KEY).json()
        assert TOKEN not in service.log


def blocks(count: int) -> Iterator[bytes]:
    for _ in range(count):
        yield bytes(1 << 20)


@pytest.mark.parametrize("declared", [True, False])
def test_an_upload_that_is_too_large_is_refused_and_not_kept(service: Running, declared: bool) -> None:
    """SECURITY 7: 413, whether or not the client said before how long it is; the memory it takes is bounded."""
    before = service.resident_kb()
    headers = {"content-length": str(256 << 20)} if declared else {}
    answer = httpx2.post(f"{service.url}/v1/length", content=blocks(256), headers=headers, timeout=60)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert service.resident_kb() < before + 16_000
    assert httpx2.post(f"{service.url}/v1/length", content=bytes(4 << 20)).json() == {"bytes": 4 << 20}


def test_a_client_that_sends_everything_before_it_reads_learns_why(service: Running) -> None:
    """Most do. Closing at once would reset the connection under them."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=30) as client:
        client.sendall(b"POST /v1/length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 67108864\r\n\r\n")
        client.sendall(bytes(64 << 20))
        assert client.recv(65_536).startswith(b"HTTP/1.1 413")


def test_a_declared_monster_is_refused_before_it_is_sent(service: Running) -> None:
    """2 GB that a client announces and waits to be asked for: it learns at once that nobody wants them."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as client:
        client.sendall(
            b"POST /v1/length HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2000000000\r\nExpect: 100-continue\r\n\r\n"
        )
        assert client.recv(65_536).startswith(b"HTTP/1.1 413")


def test_a_message_that_is_too_large_closes_the_socket(service: Running) -> None:
    """SECURITY 7: 1009; one that is as large as allowed is taken."""

    async def sent_and_answered(client: ClientConnection, data: bytes) -> str | bytes:
        await client.send(data)  # may be refused while it is still being sent
        return await client.recv()

    async def talk() -> int | None:
        async with connect(f"ws://127.0.0.1:{service.port}/v1/lengths", proxy=None) as client:
            await client.send(bytes(2 << 20))
            assert await client.recv() == str(2 << 20)
            with pytest.raises(ConnectionClosed):
                await sent_and_answered(client, bytes((2 << 20) + 1))
            return client.close_code

    before = service.resident_kb()
    assert asyncio.run(talk()) == 1009
    assert service.resident_kb() < before + 32_000


def test_what_was_said_is_in_no_error_and_no_log(service: Running) -> None:
    """SECURITY 19 and 33: an engine may put anything into an exception."""
    answer = httpx2.get(f"{service.url}/broken")
    assert answer.status_code == 500
    with pytest.raises(httpx2.RemoteProtocolError):  # cut off, so that nobody takes it for whole
        httpx2.get(f"{service.url}/breaks-off")

    async def talk() -> int | None:
        async with connect(f"ws://127.0.0.1:{service.port}/v1/lengths", proxy=None) as client:
            await client.send(b"")
            with pytest.raises(ConnectionClosed):
                await client.recv()
            return client.close_code

    assert asyncio.run(talk()) in (1006, 1011)
    assert "RuntimeError" in service.log
    assert SAID not in answer.text + service.log
    wrong = httpx2.post(f"{service.url}/v1/count", json={"steps": SAID})
    assert wrong.status_code == 400
    assert SAID not in wrong.text + service.log


def test_requests_are_not_logged(service: Running) -> None:
    """Who asked for what is nobody's business."""
    httpx2.post(f"{service.url}/v1/count?swordfish", json={})
    assert "swordfish" not in service.log


def test_two_hundred_clients_at_once_leave_nothing_behind(service: Running) -> None:
    """Half of them leave after the first bytes; the others get everything, and no job or descriptor remains."""

    async def stay(client: httpx2.AsyncClient) -> str:
        return (await client.post("/v1/count", json={"steps": 4}, headers={STEP_MS: "1"})).text

    async def leave(client: httpx2.AsyncClient) -> str:
        async with client.stream("POST", "/v1/count", json={"steps": 50}, headers={STEP_MS: "20"}) as answer:
            return await anext(answer.aiter_text())

    async def crowd() -> list[str]:
        limits = httpx2.Limits(max_connections=200)
        async with httpx2.AsyncClient(base_url=service.url, timeout=60, limits=limits, trust_env=False) as client:
            return await asyncio.gather(*(leave(client) if number % 2 else stay(client) for number in range(200)))

    before = service.open_files()
    answers = asyncio.run(crowd())
    assert set(answers[::2]) == {"0\n1\n2\n3\n"}
    assert all(answer.startswith("0\n") for answer in answers[1::2])
    assert service.idle()
    assert service.open_files() <= before + 2


def test_more_clients_than_places_are_told_when_to_come_back(tmp_path: Path) -> None:
    """429 with Retry-After, and the places are free again when those who had them leave."""

    async def crowd(url: str) -> None:
        async with httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
            busy = [asyncio.create_task(client.post("/v1/count", json={}, headers={STEP_MS: "5_000"})) for _ in range(2)]
            while (await client.get("/health")).json()["jobs"] < 2:
                await asyncio.sleep(0.005)
            refused = await client.post("/v1/count", json={})
            assert refused.status_code == 429
            assert int(refused.headers["retry-after"]) >= 1
            for task in busy:
                task.cancel()
            await asyncio.gather(*busy, return_exceptions=True)

    with stub(tmp_path, "--queue", "2") as service:
        asyncio.run(crowd(service.url))
        assert service.idle()
        assert httpx2.post(f"{service.url}/v1/count", json={}).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_while_the_engine_works(tmp_path: Path, number: signal.Signals) -> None:
    """Whoever sent it sees that it did; nobody waits for the engine's minutes."""

    async def ask(url: str) -> AsyncIterator[None]:
        async with httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False) as client:
            asked = asyncio.create_task(client.post("/v1/count", json={"steps": 50}, headers={STEP_MS: "5_000"}))
            while not (await client.get("/health")).json()["busy"]:
                await asyncio.sleep(0.005)
            yield
            await asyncio.gather(asked, return_exceptions=True)

    async def signalled(service: Running) -> int:
        async for _ in ask(service.url):
            service.process.send_signal(number)
            return await asyncio.to_thread(service.process.wait, 5)
        raise AssertionError

    with stub(tmp_path) as service:
        assert asyncio.run(signalled(service)) == -number


def test_a_port_that_is_taken_is_named(service: Running) -> None:
    """And the one that has it goes on."""
    command = [sys.executable, "-m", MODULE, "--port", str(service.port)]
    env = {"PATH": os.environ["PATH"], **PATHS}
    ended = subprocess.run(command, env=env, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert f"127.0.0.1:{service.port}" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert service.health()["status"] == "ok"
