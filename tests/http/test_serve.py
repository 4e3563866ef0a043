"""``voicemode serve`` as people run it: where it listens, what it logs, and how it ends (SECURITY.md 1, 5, 11, 19)."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

pytestmark = pytest.mark.anyio


class Process:
    """A server with a home of its own."""

    def __init__(self, home: Path, *arguments: str, **settings: str) -> None:
        self.home = home
        base = {"PATH": os.environ["PATH"], "HOME": str(home), "LANG": "C.UTF-8"}
        chosen = {"VOICEMODE_DISCOVERY": "false", "VOICEMODE_START_SERVICES": "false", **settings}
        self.log = home / "log"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "voicemode", "serve", *arguments],
                cwd=home,
                env={**base, **chosen},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )

    def ready(self) -> int:
        """Its port, once it listens."""
        deadline = time.monotonic() + 30
        while not (found := re.search(r"listens on http://127\.0\.0\.1:(\d+)", self.log.read_text())):
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.02)
        return int(found.group(1))

    @property
    def token(self) -> str:
        return (self.home / ".voicemode" / "token").read_text().strip()

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@contextlib.contextmanager
def running(home: Path, *arguments: str, **settings: str) -> Iterator[Process]:
    process = Process(home, *arguments, **settings)
    try:
        yield process
    finally:
        process.process.kill()
        process.process.wait(10)


async def ended(process: Process, within_s: float) -> int:
    """Its status; fails when it is not gone in time."""
    return await asyncio.to_thread(process.process.wait, within_s)


async def test_by_default_only_this_machine_reaches_it(tmp_path: Path) -> None:
    """Every listening socket of the process is on loopback; the token was made, its owner's alone."""
    with running(tmp_path, "--port", "0") as server:
        port = server.ready()
        listening = [c.laddr.ip for c in psutil.Process(server.process.pid).net_connections() if c.status == psutil.CONN_LISTEN]
        assert listening == ["127.0.0.1"]
        path = tmp_path / ".voicemode" / "token"
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert (await client.get("/v1/models")).status_code == 401
            assert (await client.get("/v1/models", headers=server.bearer)).status_code == 200
            assert (await client.get("/healthz")).json()["service"] == "voicemode"
        assert server.token not in server.log.read_text()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
async def test_it_listens_nowhere_else_without_the_flag(tmp_path: Path, host: str) -> None:
    """Refused before anything is bound; the sentence says what is missing."""
    with running(tmp_path, "--host", host, "--port", "0") as server:
        assert await ended(server, 30) == 2
        assert "VOICEMODE_SERVE_ALLOW_REMOTE" in server.log.read_text()


async def test_nor_with_a_token_that_can_be_guessed(tmp_path: Path) -> None:
    """The flag alone is not enough."""
    with running(tmp_path, "--host", "0.0.0.0", "--port", "0", "--allow-remote", VOICEMODE_SERVE_TOKEN="short") as server:
        assert await ended(server, 30) == 2
        assert "short" not in server.log.read_text()


async def test_a_taken_port_is_told(tmp_path: Path) -> None:
    """With status 2, without a traceback."""
    (tmp_path / "other").mkdir()
    with running(tmp_path, "--port", "0") as first, running(tmp_path / "other", "--port", str(first.ready())) as second:
        assert await ended(second, 30) == 2
        assert "cannot listen" in second.log.read_text()
        assert "Traceback" not in second.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it(tmp_path: Path, number: int) -> None:
    """Within two seconds when nobody talks, with status 0, and without a word of complaint."""
    with running(tmp_path, "--port", "0") as server:
        server.ready()
        server.process.send_signal(number)
        assert await ended(server, 2.0) == 0
        assert "Traceback" not in server.log.read_text()


async def opened(server: Process, port: int) -> Any:
    socket = await connect(f"ws://127.0.0.1:{port}/v1/realtime", additional_headers=server.bearer, proxy=None)
    assert json.loads(await socket.recv())["type"] == "session.created"
    return socket


async def test_a_signal_lets_conversations_end_and_nobody_new_in(tmp_path: Path) -> None:
    """The caller goes on, others get 503; when the caller has gone, the process is."""
    with running(tmp_path, "--port", "0", VOICEMODE_SERVE_DRAIN_S="30") as server:
        port = server.ready()
        socket = await opened(server, port)
        server.process.send_signal(signal.SIGTERM)
        answer = await refusal(server, port)
        assert (answer.status_code, int(answer.headers["Retry-After"]) > 0) == (503, True)
        await socket.send(json.dumps({"type": "input_audio_buffer.clear"}))
        while json.loads(await socket.recv())["type"] != "input_audio_buffer.cleared":
            pass
        await socket.close()
        assert await ended(server, 2.5) == 0


async def refusal(server: Process, port: int) -> Any:
    """The first refusal of a newcomer: a signal takes a moment to arrive."""
    async with asyncio.timeout(5):
        while True:
            try:
                await (await opened(server, port)).close()
            except InvalidStatus as refused:
                return refused.response


async def test_after_the_deadline_conversations_are_ended(tmp_path: Path) -> None:
    """1001, and two seconds later the process is gone."""
    with running(tmp_path, "--port", "0", VOICEMODE_SERVE_DRAIN_S="0.2") as server:
        socket = await opened(server, server.ready())
        server.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(5):
            with contextlib.suppress(ConnectionClosed):
                async for _ in socket:
                    pass
        assert socket.close_code == 1001
        assert await ended(server, 2.5) == 0


async def test_a_second_signal_ends_it_at_once(tmp_path: Path) -> None:
    """Whatever is still going on."""
    with running(tmp_path, "--port", "0", VOICEMODE_SERVE_DRAIN_S="60") as server:
        socket = await opened(server, server.ready())
        server.process.send_signal(signal.SIGINT)
        await asyncio.sleep(0.3)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGINT)
        assert await ended(server, 1.0) == 128 + signal.SIGINT
        await socket.close()


async def test_no_log_holds_a_key_or_what_was_said(tmp_path: Path) -> None:
    """Also with everything logged (SECURITY.md 19)."""
    with running(tmp_path, "--port", "0", "--json-logs", VOICEMODE_LOG_LEVEL="debug") as server:
        port = server.ready()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            await client.get("/v1/models", headers={"X-API-Key": "stolen-key"})
            await client.post("/v1/audio/speech", headers=server.bearer, json={"input": "utterly private"}, timeout=30)
        socket = await opened(server, port)
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "deeply private"}]}
        await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
        await socket.recv()
        await socket.close()
        server.process.send_signal(signal.SIGTERM)
        await ended(server, 10)
        log = server.log.read_text()
        assert not any(word in log for word in ("stolen-key", "private", server.token))
        lines = [line for line in log.splitlines() if line.startswith("{")]
        assert all(json.loads(line)["level"] for line in lines)


def test_the_token_is_printed_for_people(tmp_path: Path) -> None:
    """Alone on its line, so that a shell can take it; --new makes another one."""

    def token(*arguments: str) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
        command = [sys.executable, "-m", "voicemode", "token", *arguments]
        return subprocess.check_output(command, env=env, cwd=tmp_path, stdin=subprocess.DEVNULL, text=True)

    first = token()
    assert re.fullmatch(r"vm_[\w-]{40,}\n", first)
    assert token() == first
    assert token("--new") not in ("", first)
