"""The server ends while everything that it can hold is open, by SIGTERM and by SIGKILL: what is left in the process table."""

from __future__ import annotations

import asyncio
import contextlib
import json
import shlex
import signal
import socket
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.asyncio.client import ClientConnection, connect

from tests.http.test_realtime_tools import Talk
from tests.http.test_serve import Process, running
from tests.http.test_telephone_call import CALLER, settings_of
from tests.stubs.client import SpeechStub
from tests.stubs.mcp_servers import STDIO
from tests.stubs.twilio import calling, rest_api

pytestmark = pytest.mark.anyio

LONG = "import time; print('I think', flush=True); time.sleep(300)"
DRAIN_S = 0.5
ENDING_S = 10.0
"""Two seconds and a half by the constants; a machine that is busy with other things takes longer."""


def a_free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def until(there: Any, within_s: float = 30.0) -> None:
    async with asyncio.timeout(within_s):
        while not there():
            await asyncio.sleep(0.05)


def children(server: Process) -> list[psutil.Process]:
    found: list[psutil.Process] = psutil.Process(server.process.pid).children(recursive=True)
    return found


def of(marker: str, processes: list[psutil.Process]) -> list[psutil.Process]:
    return [each for each in processes if marker in command(each)]


def command(process: psutil.Process) -> str:
    """Empty when it has just ended."""
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


async def typed(socket: ClientConnection, stub: SpeechStub) -> Talk:
    talk = Talk(socket, stub)
    await talk.tell("session.update", session={"type": "realtime", "output_modalities": ["text"]})
    await talk.say("Hello.")
    return talk


@contextlib.asynccontextmanager
async def everything_open(home: Path, responder: str, processes: int) -> AsyncIterator[tuple[Process, list[psutil.Process]]]:
    """A server with a call that has a job and a server of tools, or a responder at work; a telephone call, gptme's, a page."""
    port, line_of_command = a_free_port(), shlex.join([sys.executable, "-c", LONG, "{text}"])
    async with contextlib.AsyncExitStack() as stack:
        stub, api = stack.enter_context(SpeechStub(1)), stack.enter_context(rest_api())
        settings = settings_of(stub, api, port) | {
            "VOICEMODE_MEMORY": "persistent",
            "VOICEMODE_SERVE_DRAIN_S": str(DRAIN_S),
            "VOICEMODE_SERVE_PROCESSES": str(processes),
            "VOICEMODE_SERVE_MAX_SESSIONS_PER_ADDRESS": "8",
            "VOICEMODE_MCP_SERVERS": f"own={STDIO}",
            "VOICEMODE_JOB_COMMAND": line_of_command,
        }
        if responder == "command":
            settings["VOICEMODE_RESPONDER_COMMAND"] = line_of_command
        server = stack.enter_context(running(home, "--port", str(port), **settings))
        await asyncio.to_thread(server.ready)
        await until(lambda: len(of("serve_process", children(server))) == processes - 1)
        if processes > 1:
            await asyncio.sleep(3.0)

        async def opened(path: str) -> ClientConnection:
            url = f"ws://127.0.0.1:{port}{path}"
            return await stack.enter_async_context(connect(url, additional_headers=server.bearer, proxy=None))

        line = await opened("/api/page/line")
        await line.send(json.dumps({"type": "take", "agent": "test"}))
        await opened("/voice")
        phone = await stack.enter_async_context(calling(f"http://127.0.0.1:{port}/incoming", From=CALLER))
        if responder == "command":
            await phone.press("1#")
            await typed(await opened("/v1/realtime"), stub)
            await until(lambda: len(of("I think", children(server))) == 2)
            await asyncio.sleep(0.5)  # a process that has not begun to be watched when its server dies is not known to anybody
        else:
            for _ in range(2):
                talk = Talk(await opened("/v1/realtime"), stub)
                await talk.configure({"server_label": "own", "require_approval": "never"})
                await talk.configure({"server_label": "voicemode", "require_approval": "never"})
                item = await talk.ask_for("start_job", '{"task": "for ever"}')
                assert json.loads(item["output"])["status"] == "started", item
            # A job may be started twice: the stub wants one until it is told otherwise.
            await until(lambda: len(of("I think", children(server))) >= 2)
            assert len(of(STDIO.split()[-2], children(server))) == 2
        yield server, children(server)


def alive(processes: list[psutil.Process]) -> list[str]:
    left = []
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if each.is_running() and each.status() != psutil.STATUS_ZOMBIE:
                left.append(command(each)[-200:])
    return left


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("responder", ["chat", "command"])
async def test_a_signal_leaves_no_process_behind(tmp_path: Path, responder: str, processes: int) -> None:
    """Within the drain and the two seconds of the end, and in order."""
    async with everything_open(tmp_path, responder, processes) as (server, before):
        began = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        await until(lambda: server.process.poll() is not None)
        took = time.monotonic() - began
        await asyncio.sleep(0.3)
        left = alive(before)
        for each in before:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        assert not left, (took, server.log.read_text())
        assert took < DRAIN_S + ENDING_S
        assert server.process.returncode == 0, server.log.read_text()
        if responder == "chat" and processes == 1:
            with contextlib.closing(sqlite3.connect(tmp_path / ".voicemode" / "history" / "history.db")) as database:
                kept = database.execute(
                    "SELECT text FROM entries WHERE text LIKE '%was cancelled: the server ended.'"
                ).fetchall()
            assert len(kept) >= 2


@pytest.mark.parametrize("responder", ["chat", "command"])
async def test_nor_does_its_death(tmp_path: Path, responder: str) -> None:
    """What works for nobody any more ends by itself."""
    async with everything_open(tmp_path, responder, 1) as (server, before):
        server.process.kill()
        with contextlib.suppress(TimeoutError):
            await until(lambda: not alive(before), 5.0)
        left = alive(before)
        for each in before:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.kill()
        assert not left
