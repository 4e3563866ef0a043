"""Conversations over WebSocket: how they begin, what ends them, and who may look on."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.http.serving import BEARER, event, served, tell
from tests.runtime.realtime_fakes import FakeEngine
from voicemode.http.limits import Places
from voicemode.runtime.realtime_parts import CallLimits

pytestmark = pytest.mark.anyio


async def closed_with(socket: ClientConnection) -> int:
    """The close code, when everything before it was read."""
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):
            async for _ in socket:
                pass
    assert socket.close_code is not None
    return socket.close_code


async def refusal(opening: Any) -> Any:
    """The answer to an upgrade that is refused."""
    with pytest.raises(InvalidStatus) as caught:
        async with opening:
            pass
    return caught.value.response


async def settled(condition: Any) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("query", "headers", "seen"),
    [
        ("?model=m", {}, ("realtime", "m", False)),
        ("", {}, ("realtime", "", False)),
        ("?intent=transcription", {}, ("transcription", "", False)),
        ("?model=m", {"OpenAI-Beta": "realtime=v1"}, ("realtime", "m", True)),
    ],
)
async def test_address_and_headers_say_what_session_it_is(query: str, headers: dict[str, str], seen: tuple[Any, ...]) -> None:
    """Kind, model, dialect."""
    async with served() as server, server.socket(query, {**BEARER, **headers}) as socket:
        first = await event(socket)
        assert (first["session"]["type"], first["session"]["model"], first["beta"]) == seen
        await tell(socket, "a")
        assert (await event(socket))["type"] == "echo.a"


async def test_an_unknown_intent_is_refused() -> None:
    """Before anything is opened."""
    async with served() as server:
        assert (await refusal(server.socket("?intent=other"))).status_code == 400
        assert server.engines == []


@pytest.mark.parametrize("message", ["{", "null", "[]", '{"type": 5}', "\ud83d", b"\xff\xfe", b"{}", "x" * 100_000])
async def test_what_is_no_event_is_answered_and_the_session_goes_on(message: str | bytes) -> None:
    """Whatever the protocol makes of it."""
    async with served() as server, server.socket() as socket:
        await event(socket)
        text = message.encode("utf-8", "replace").decode() if isinstance(message, str) else message
        await socket.send(text)
        await tell(socket, "a")
        seen = [await event(socket)]
        while seen[-1]["type"] != "echo.a":
            seen.append(await event(socket))
        assert seen[0]["type"] in ("error", "echo.None", "echo.5")


async def test_a_client_that_vanishes_leaves_nothing() -> None:
    """Its place is free and its engine closed."""
    async with served() as server:
        async with server.socket() as socket:
            await event(socket)
            assert server.calls.places.taken == 1
            socket.transport.abort()
        await settled(lambda: server.calls.places.taken == 0)
        assert server.engines[0].closed


async def test_a_client_that_never_reads_is_closed() -> None:
    """The outbox is bounded, and so is the connection's own buffer; the others do not notice."""
    limits = CallLimits(outbox_bytes=1 << 20)
    async with served(limits=limits) as server, server.socket(max_queue=1) as deaf, server.socket() as other:
        await event(other)
        # More than the operating system keeps on the way, which grows with the machine.
        for _ in range(400):
            if not server.engines[0].closed:
                await tell(deaf, "big", size=1 << 18)
                await asyncio.sleep(0.005)
        await settled(lambda: server.engines[0].closed)
        await settled(lambda: server.connections() == 1)
        await tell(other, "a")
        assert (await event(other))["type"] == "echo.a"
        deaf.transport.abort()


async def test_a_session_that_is_over_is_told_and_closed_with_1001() -> None:
    """As the protocol has it."""
    async with served(limits=CallLimits(session_s=0.05)) as server, server.socket() as socket:
        await event(socket)
        assert (await event(socket))["error"]["code"] == "session_expired"
        assert await closed_with(socket) == 1001


async def test_a_fault_of_the_engine_closes_with_1011() -> None:
    """And this call only."""
    async with served() as server, server.socket() as socket, server.socket() as other:
        await event(socket)
        await event(other)
        server.engines[0].broken.set()
        assert await closed_with(socket) == 1011
        await tell(other, "a")
        assert (await event(other))["type"] == "echo.a"


async def test_there_are_so_many_places() -> None:
    """503 with Retry-After; the place of whoever leaves is free again."""
    async with served(sessions=Places(2, 2, "conversations")) as server:
        async with server.socket() as first, server.socket() as second:
            await event(first)
            await event(second)
            full = await refusal(server.socket())
            assert (full.status_code, int(full.headers["Retry-After"]) > 0) == (503, True)
            assert json.loads(full.body)["error"]["code"] == "server_full"
        await settled(lambda: server.calls.places.taken == 0)
        async with server.socket() as third:
            await event(third)


async def test_while_it_drains_nobody_new_is_let_in() -> None:
    """503 with Retry-After, also over HTTP; readiness says so; who talks goes on."""
    async with served() as server, server.socket() as socket, server.client() as client:
        await event(socket)
        server.calls.places.closed = server.requests.closed = True
        assert (await refusal(server.socket())).status_code == 503
        answer = await client.post("/v1/audio/speech", json={"input": "Hello."})
        assert (answer.status_code, int(answer.headers["retry-after"]) > 0) == (503, True)
        ready = await client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "draining")
        await tell(socket, "a")
        assert (await event(socket))["type"] == "echo.a"


async def test_a_sideband_sees_and_sends() -> None:
    """By the name of the call; its leaving does not end it."""
    async with served() as server, server.socket() as socket:
        await event(socket)
        (name,) = server.calls._open
        async with server.socket(f"?call_id={name}") as side:
            assert (await event(side))["type"] == "session.created"
            await tell(side, "a")
            assert (await event(side))["type"] == (await event(socket))["type"] == "echo.a"
        await tell(socket, "b")
        assert (await event(socket))["type"] == "echo.b"
        assert server.calls.places.taken == 1


async def test_a_sideband_of_no_call_is_404() -> None:
    """Nothing is made."""
    async with served() as server:
        assert (await refusal(server.socket("?call_id=rtc_none"))).status_code == 404
        assert server.engines == []


async def test_messages_keep_their_order() -> None:
    """However they come: a few at a time, more at once than are taken at once, in pieces, as text and as bytes."""
    async with served() as server, server.socket() as socket:
        await event(socket)
        for number in range(60):
            text = json.dumps({"type": f"n{number}"})
            match number % 7:
                case 3:
                    await socket.send(text.encode())
                case 5:
                    await socket.send([text[:4], text[4:]])
                case _:
                    await socket.send(text)
            if number in (1, 2, 40):
                await asyncio.sleep(0.01)
        assert [(await event(socket))["type"] for _ in range(60)] == [f"echo.n{number}" for number in range(60)]


async def test_a_client_that_sends_faster_than_it_is_heard_is_read_no_further() -> None:
    """Until the engine has caught up."""
    async with served() as server, server.socket() as socket:
        await event(socket)
        server.engines[0].backlog_s = 61.0
        await tell(socket, "a")
        assert (await event(socket))["type"] == "echo.a"
        await tell(socket, "b")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.2)
        server.engines[0].backlog_s = 0.0
        assert (await event(socket))["type"] == "echo.b"


@pytest.mark.parametrize(("where", "code"), [("its end", 1008), ("its backlog", 1011)])
async def test_a_fault_at_the_end_changes_no_code_and_any_other_closes_with_1011(
    where: str, code: int, caplog: pytest.LogCaptureFixture
) -> None:
    """A client must not take it for a conversation that ended well; the log tells the kind of the fault and no words."""
    async with served() as server, server.socket() as socket, server.socket() as other:
        await event(socket)
        await event(other)
        (name, _) = server.calls._open
        async with server.socket(f"?call_id={name}") as side:
            await event(side)
            break_down(server.engines[0], where)
            await tell(socket, "bye" if where == "its end" else "a")
            assert await closed_with(socket) == code
            assert await closed_with(side) == code
        await settled(lambda: server.calls.places.taken == 1)
        await tell(other, "a")
        assert (await event(other))["type"] == "echo.a"
    gc.collect()  # what nobody asked for an exception says so when it goes
    assert "ValueError" in caplog.text
    assert "quicksilver" not in caplog.text


def break_down(engine: FakeEngine, where: str) -> None:
    """From now on the engine raises there, with words in it."""

    async def aclose() -> None:
        raise ValueError("quicksilver")

    def backlog_s(_: FakeEngine) -> float:
        raise ValueError("quicksilver")

    if where == "its end":
        engine.aclose = aclose  # type: ignore[method-assign]
    else:
        engine.__class__ = type("Broken", (FakeEngine,), {"backlog_s": property(backlog_s)})
