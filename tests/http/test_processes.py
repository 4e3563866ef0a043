"""Conversations in further processes: whoever talks notices nothing of it, and nobody but them when one dies."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.security.assembled import SECRETS, House, house
from voicemode.http.processes import Processes
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[House]:
    """A server of two processes."""
    async with house(tmp_path, serve_processes="2", serve_max_sessions="4") as here:
        yield here


def others() -> list[psutil.Process]:
    """Those that hold conversations and nothing else."""
    living = (each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE)
    return [each for each in living if "voicemode.serve_process" in each.cmdline()]


def other() -> psutil.Process:
    """The only one."""
    (child,) = others()
    return child


def elsewhere(here: House) -> int:
    """Conversations that the other process holds."""
    return here.server.processes.conversations


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.02)


async def event(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next one of that kind."""
    async with asyncio.timeout(20):
        while True:
            told: dict[str, Any] = json.loads(await socket.recv())
            if told["type"] == kind:
                return told


async def ask(socket: ClientConnection, text: str) -> str:
    """Say something in writing; what is answered, in writing."""
    content = [{"type": "input_text", "text": text}]
    item = {"type": "message", "role": "user", "content": content}
    await socket.send(json.dumps({"type": "conversation.item.create", "item": item}))
    await socket.send(json.dumps({"type": "response.create", "response": {"output_modalities": ["text"]}}))
    done = await event(socket, "response.done")
    answer: str = done["response"]["output"][0]["content"][0]["text"]
    return answer


async def test_conversations_are_shared_out_and_answered_alike(two: House) -> None:
    """Two are here and two there; each is answered."""
    async with two.socket() as first, two.socket() as second, two.socket() as third, two.socket() as fourth:
        for number, socket in enumerate((first, second, third, fourth)):
            assert f"number {number}" in await ask(socket, f"number {number}")
        assert (elsewhere(two), two.calls) == (2, 4)
    await two.idle()
    assert elsewhere(two) == 0


async def test_the_limit_is_that_of_all_together(two: House) -> None:
    """Of four places a fifth gets none, wherever the four are."""
    async with two.socket(), two.socket(), two.socket(), two.socket():
        with pytest.raises(InvalidStatus) as refused:
            async with two.socket():
                pass
        assert refused.value.response.status_code == 503


async def test_nobody_comes_to_another_process_without_the_token(two: House) -> None:
    """Who is not let in is refused here."""
    with pytest.raises(InvalidStatus) as refused:
        async with two.socket(headers={"Authorization": "Bearer ek_wrong"}):
            pass
    assert refused.value.response.status_code == 401
    assert elsewhere(two) == 0


async def test_the_other_process_listens_nowhere(two: House) -> None:
    """It has the connections that it was handed, and inherited no other."""
    child = other()
    assert [each for each in child.net_connections("inet") if each.status == psutil.CONN_LISTEN] == []
    before = len(child.net_connections("tcp"))
    async with two.socket() as socket:
        await event(socket, "session.created")
        assert elsewhere(two) == 1
        assert len(child.net_connections("tcp")) == before + 1
    await until(lambda: len(child.net_connections("tcp")) == before)


async def test_a_secrets_session_is_the_same_there(two: House) -> None:
    """What the secret was made for reaches whoever holds the conversation."""
    async with two.web() as web:
        session = {"type": "realtime", "instructions": "Speak like a sailor.", "audio": {"output": {"speed": 1.25}}}
        made = (await web.post(SECRETS, json={"session": session})).json()
    async with two.socket(headers={"Authorization": f"Bearer {made['value']}"}) as socket:
        shown = (await event(socket, "session.created"))["session"]
        assert elsewhere(two) == 1
    assert shown["instructions"] == "Speak like a sailor."
    assert shown["audio"]["output"]["speed"] == 1.25


async def test_the_metrics_are_those_of_all(two: House) -> None:
    """Sessions that are open are counted once, those that were opened in their process."""
    async with two.socket() as here, two.socket() as there, two.web() as web:
        await event(here, "session.created")
        await event(there, "session.created")
        page = (await web.get("/metrics")).text
    assert "voicemode_sessions 2.0" in page
    assert "voicemode_processes 2.0" in page
    assert 'voicemode_sessions_opened_total{transport="websocket"} 2.0' in page


async def test_a_process_that_dies_takes_nobody_along_but_its_own(two: House) -> None:
    """Its conversation breaks off, its place is free, the other one goes on; soon there are two again."""
    async with two.socket() as there, two.socket() as here:
        await event(there, "session.created")
        await event(here, "session.created")
        assert elsewhere(two) == 1
        other().kill()
        with pytest.raises(ConnectionClosed):
            await event(there, "never")
        await until(lambda: two.calls == 1)
        assert "still here" in await ask(here, "still here")
        await until(lambda: two.server.processes.ready == 1)
        async with two.socket() as again:
            assert "once more" in await ask(again, "once more")
            assert elsewhere(two) == 1


def fill(connection: socket.socket) -> None:
    """Until it takes no more."""
    while True:
        connection.send(b"?")


async def test_one_that_takes_nothing_costs_nobody_a_conversation(two: House) -> None:
    """When its channel is full, conversations stay in this process."""
    child = other()
    child.suspend()
    (process,) = two.server.processes._alive
    with pytest.raises(BlockingIOError):
        fill(process._connections)
    async with two.socket() as socket:
        assert "hello" in await ask(socket, "hello")
        assert elsewhere(two) == 0
    child.kill()


@contextlib.asynccontextmanager
async def one_more(base: Path, hung_s: float = 10.0) -> AsyncIterator[Processes]:
    """A process beside this one, without a server."""
    settings = Settings.model_validate({"base_dir": base, "discovery": False, "builtin": False, "start_services": False})
    processes = Processes(1, {"settings": json.loads(settings.model_dump_json()), "json_logs": False}, hung_s=hung_s)
    processes.start()
    try:
        yield processes
    finally:
        await processes.aclose()


async def test_one_that_hangs_is_killed_and_started_again(tmp_path: Path) -> None:
    """Those who talk to it would wait for ever."""
    async with one_more(tmp_path, hung_s=0.5) as processes:
        await until(lambda: processes.ready == 1)
        child = other()
        await asyncio.sleep(1.2)  # one that answers is left alone
        assert child.is_running()
        child.suspend()
        await until(lambda: not child.is_running())
        await until(lambda: processes.ready == 1 and bool(others()))  # it may not be missed yet
        assert other().pid != child.pid


async def test_one_that_cannot_be_started_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may be short of something for a moment."""
    start, failures = asyncio.create_subprocess_exec, [OSError("no memory")]

    async def fails_once(*arguments: Any, **options: Any) -> asyncio.subprocess.Process:
        if failures:
            raise failures.pop()
        return await start(*arguments, **options)

    monkeypatch.setattr(asyncio, "create_subprocess_exec", fails_once)
    async with one_more(tmp_path) as processes:
        await until(lambda: processes.ready == 1)
    assert failures == []


async def test_the_end_is_told_everywhere(tmp_path: Path) -> None:
    """Whoever still talks when the time of the drain is over hears 1001, here and there."""
    async with house(tmp_path, serve_processes="2", serve_drain_s="0") as here, here.socket() as one, here.socket() as two:
        assert elsewhere(here) == 1
        await here.server.drain()
        for socket in (one, two):
            with pytest.raises(ConnectionClosed) as closed:
                await event(socket, "never")
            assert closed.value.rcvd is not None
            assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (1001, "the server ends")
        assert here.calls == 0


async def test_it_does_not_outlive_the_server(tmp_path: Path) -> None:
    """Not even one that is killed."""
    from tests.http.test_serve import running

    with running(tmp_path, "--port", "0", VOICEMODE_SERVE_PROCESSES="2") as server:
        port = server.ready()
        process = psutil.Process(server.process.pid)
        await until(lambda: bool(process.children()))
        (child,) = process.children()
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert (await client.get("/healthz")).status_code == 200
        os.kill(server.process.pid, signal.SIGKILL)
        await until(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


async def test_it_has_the_servers_settings(tmp_path: Path) -> None:
    """As they were when the server started."""
    async with house(tmp_path, serve_processes="2", voices="bella,emma") as here, here.socket() as socket:
        shown = (await event(socket, "session.created"))["session"]
        assert elsewhere(here) == 1
        assert shown["audio"]["output"]["voice"] == "bella"


async def test_a_thread_goes_on_in_another_process_and_is_ended_from_here(tmp_path: Path) -> None:
    """Whose it is, and that it is kept, travels with the conversation; an end of the session hangs it up there."""
    async with house(tmp_path, serve_processes="2", serve_max_sessions="4") as here, here.web() as web:
        body = {"thread_id": "t", "user_id": "alice", "memory_mode": "persistent"}
        made = (await web.post("/api/sessions/session", json=body)).json()
        key = {"Authorization": f"Bearer {made['client_secret']}"}
        await web.post("/api/sessions/turn", json={**body, "user_text": "Typed."})
        async with here.socket(headers=key) as socket:
            assert elsewhere(here) == 1
            await ask(socket, "Spoken there.")
            ended = (await web.post("/api/sessions/end", json=body)).json()
            with pytest.raises(ConnectionClosed):
                await event(socket, "never")
        assert (ended["message_count"], ended["code"]) == (3, "no_responder")
        entries = (await web.get("/api/sessions/t", params={"user_id": "alice"})).json()["entries"]
        assert [(each["text"], each["surface"]) for each in entries][:2] == [("Typed.", "api"), ("Spoken there.", "websocket")]
        assert (await web.get("/api/sessions/t")).status_code == 404
        with pytest.raises(InvalidStatus) as refused:
            async with here.socket(headers=key):
                pass
        assert refused.value.response.status_code == 409
