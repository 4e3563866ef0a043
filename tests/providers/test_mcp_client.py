"""A connection to a server of tools: real servers of package ``mcp``, each in its own process, good and bad."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.stubs.mcp_servers import STDIO, http_server
from tests.stubs.mcp_tools import INJECTION
from voicemode.dialogue_tools import ToolServer
from voicemode.providers.mcp_client import McpConnection
from voicemode.providers.mcp_error import CLOSED, TIMED_OUT, ToolServerError
from voicemode.providers.mcp_output import OUTPUT_CHARS
from voicemode.providers.mcp_places import McpPlaces
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

CALL_S = 20.0

Connect = Callable[..., McpConnection]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def unused_port() -> int:
    """Where nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Of a server over HTTP that all tests share."""
    with http_server() as (number, _):
        yield number


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    """Connections that are closed afterwards."""
    made: list[McpConnection] = []

    def connect(server: ToolServer, environ: dict[str, str] | None = None, **settings: object) -> McpConnection:
        open_s = float(settings.pop("open_s", 20.0))  # type: ignore[arg-type]
        places = McpPlaces.of(Settings.model_validate({"mcp_servers": f"own={STDIO}", **settings}))
        made.append(McpConnection(places.find(server), dict(os.environ) | (environ or {}), open_s=open_s))
        return made[-1]

    yield connect
    for connection in made:
        await connection.aclose()


@pytest.fixture(params=["http", "stdio"])
def connection(request: pytest.FixtureRequest, connect: Connect, port: int) -> McpConnection:
    """One of each kind."""
    if request.param == "stdio":
        return connect(ToolServer("own"))
    return over_http(connect, port)


def over_http(connect: Connect, port: int, path: str = "/mcp", **server: object) -> McpConnection:
    place = ToolServer("web", url=f"http://127.0.0.1:{port}{path}", **server)  # type: ignore[arg-type]
    return connect(place, mcp_allowed_hosts=f"127.0.0.1:{port}")


async def failure(connection: McpConnection, name: str, timeout_s: float = CALL_S, **arguments: object) -> ToolServerError:
    with pytest.raises(ToolServerError) as caught:
        await connection.call(name, arguments, timeout_s)
    return caught.value


# -- what both kinds do


async def test_its_tools_are_listed_with_their_schemas(connection: McpConnection) -> None:
    """As the responder will be offered them."""
    tools = {tool.name: tool for tool in await connection.tools()}
    assert tools["add"].description == "Add two numbers."
    assert set(tools["add"].parameters["properties"]) == {"a", "b"}  # type: ignore[call-overload]
    assert [name for name, tool in tools.items() if tool.read_only] == ["add"]


async def test_a_call_brings_its_text_once(connection: McpConnection) -> None:
    """Though servers give a number as text and as structure."""
    assert await connection.call("add", {"a": 2, "b": 40}, CALL_S) == "42"


async def test_a_failure_of_the_tool_is_told_in_its_words(connection: McpConnection) -> None:
    """So that the responder can say why."""
    error = await failure(connection, "fail")
    assert (error.kind, error.status) == ("tool_execution_error", None)
    assert "the printer is on fire" in error.detail


async def test_an_error_of_the_protocol_has_its_code(connection: McpConnection) -> None:
    """It is the server's, not the tool's."""
    error = await failure(connection, "refuse")
    assert (error.kind, error.status) == ("protocol_error", -32042)
    assert "not on a Sunday" in str(error)


async def test_a_tool_that_hangs_keeps_no_other_waiting(connection: McpConnection) -> None:
    """And is given up after its time."""
    assert await connection.call("add", {"a": 1, "b": 0}, CALL_S) == "1"  # what is loaded at first use is no part of it
    hanging = asyncio.create_task(failure(connection, "hang", 3.0))
    assert await connection.call("add", {"a": 1, "b": 1}, CALL_S) == "2"
    assert not hanging.done()
    error = await hanging
    assert (error.reason, error.status) == ("timeout", TIMED_OUT)
    assert await connection.call("add", {"a": 1, "b": 2}, CALL_S) == "3"


async def test_ten_megabytes_are_cut_and_it_is_told(connection: McpConnection) -> None:
    """A conversation cannot take more than a few pages."""
    output = await connection.call("big", {}, CALL_S)
    assert output.startswith("x" * OUTPUT_CHARS)
    assert output.endswith(f"[cut: {OUTPUT_CHARS} of 10000000 characters are shown]")
    assert len(output) < OUTPUT_CHARS + 100


async def test_more_than_is_read_fails_that_call_alone(connection: McpConnection) -> None:
    """The next one works again."""
    error = await failure(connection, "big", megabytes=20)
    assert error.kind == "protocol_error"
    assert await connection.call("add", {"a": 1, "b": 1}, CALL_S) == "2"


async def test_what_is_no_text_is_named(connection: McpConnection) -> None:
    """Nobody can say a picture; its structure is text."""
    assert (await connection.call("mixed", {}, CALL_S)).splitlines() == [
        "here you are",
        "[image, image/png, 400 bytes, not shown]",
        "[audio, audio/wav, 3 bytes, not shown]",
        "[link to notes: file:///notes.txt]",
        '{"count": 3}',
    ]


async def test_an_instruction_in_an_output_is_only_text(connection: McpConnection) -> None:
    """It is passed on as it is: as data."""
    assert await connection.call("inject", {}, CALL_S) == INJECTION


async def test_nothing_of_a_call_is_logged(connection: McpConnection, caplog: pytest.LogCaptureFixture) -> None:
    """Neither by us nor by the library."""
    caplog.set_level(logging.DEBUG)
    await connection.tools()
    await failure(connection, "add", a="quicksilver", b="marmalade")
    for record in caplog.records:
        if record.name.startswith(("mcp", "voicemode", "httpx2", "httpcore2")):
            assert "quicksilver" not in record.getMessage()


async def test_nothing_is_asked_once_it_is_closed(connection: McpConnection) -> None:
    """The conversation is over."""
    await connection.tools()
    await connection.aclose()
    await connection.aclose()
    assert (await failure(connection, "add", a=1, b=1)).reason == "closed"


# -- over HTTP


async def test_credentials_go_to_the_server_and_into_no_error(connect: Connect, port: int) -> None:
    """As a bearer token, and as headers."""
    connection = over_http(connect, port, authorization="quicksilver", headers={"X-Key": "marmalade"})
    seen = await connection.call("headers", {}, CALL_S)
    assert "authorization=Bearer quicksilver" in seen
    assert "x-key=marmalade" in seen
    assert f"host=127.0.0.1:{port}" in seen
    shown = repr(connection.__dict__) + str(await failure(connection, "refuse"))
    assert "quicksilver" not in shown
    assert "marmalade" not in shown


@pytest.mark.parametrize("code", [401, 404, 429, 503])
async def test_a_refusal_is_told_by_its_status(connect: Connect, port: int, code: int) -> None:
    """401 is not 503."""
    error = await failure(over_http(connect, port, f"/status/{code}"), "add")
    assert (error.kind, error.status) == ("http_error", code)


async def test_a_redirect_to_another_host_is_not_followed(connect: Connect, port: int) -> None:
    """Not even to another name or port of this machine."""
    for target in (f"http://localhost:{port}/mcp", f"http://127.0.0.1:{port + 1}/mcp", "https://example.com/mcp"):
        error = await failure(over_http(connect, port, f"/away?to={target}".partition("?")[0]), "add")
        assert (error.kind, error.status) == ("http_error", 307), target
        assert "redirects elsewhere" in str(error)


async def test_a_redirect_within_the_server_is_followed(connect: Connect, port: int) -> None:
    """Web servers add slashes that way."""
    assert await over_http(connect, port, "/slash").call("add", {"a": 1, "b": 1}, CALL_S) == "2"


async def test_a_server_that_says_nothing_is_given_up(connect: Connect, port: int) -> None:
    """It accepts the connection, and that is all."""
    place = ToolServer("web", url=f"http://127.0.0.1:{port}/silent")
    connection = connect(place, mcp_allowed_hosts=f"127.0.0.1:{port}", open_s=1.0)
    with pytest.raises(ToolServerError) as caught:
        await connection.tools()
    assert caught.value.reason == "timeout"


@pytest.mark.parametrize(("path", "why"), [("/nonsense", "cannot be understood"), ("/endless", "more than 16 MiB")])
async def test_an_answer_that_is_none_is_told(connect: Connect, port: int, path: str, why: str) -> None:
    """Its bytes are bounded, and not repeated."""
    error = await failure(over_http(connect, port, path), "add")
    assert (error.kind, error.reason) == ("protocol_error", "bad_answer")
    assert why in str(error)
    assert "[[[" not in str(error)


async def test_where_nobody_listens_it_is_said(connect: Connect, unused_port: int) -> None:
    """At once."""
    error = await failure(over_http(connect, unused_port), "add")
    assert error.kind == "protocol_error"
    assert "nothing answers there" in str(error)


async def test_a_server_that_vanishes_fails_the_call_and_is_found_again(connect: Connect) -> None:
    """Where somebody starts it anew."""
    with http_server() as (port, _):
        connection = over_http(connect, port)
        await connection.tools()
        error = await failure(connection, "vanish")
        assert error.kind == "protocol_error"
    with http_server(port):
        assert await connection.call("add", {"a": 1, "b": 1}, CALL_S) == "2"


async def test_a_name_is_resolved_once(connect: Connect, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it means later is of no concern: the address that was checked is the one that is used."""
    asked: list[object] = []
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def resolve(host: object, *rest: object, **more: object) -> object:
        asked.append(host.decode() if isinstance(host, bytes) else host)
        return await real("127.0.0.1", *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "getaddrinfo", resolve)
    place = ToolServer("web", url=f"http://localhost:{port}/mcp")
    connection = connect(place, mcp_allowed_hosts=f"localhost:{port}")
    await connection.tools()
    await connection.call("add", {"a": 1, "b": 1}, CALL_S)
    assert asked.count("localhost") == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00:ec2::254", "::ffff:10.0.0.1"])
async def test_a_name_that_means_this_network_is_refused(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    """Unless the person named that very host; whatever else the name means."""

    async def resolve(*_: object, **__: object) -> object:
        return [(2, 1, 6, "", (each, 443)) for each in ("93.184.216.34", address)]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    connection = connect(ToolServer("web", url="https://tools.example.com/mcp"), mcp_allowed_hosts="*.example.com")
    with pytest.raises(ToolServerError) as caught:
        await connection.tools()
    assert caught.value.reason == "address_refused"


async def test_credentials_do_not_leave_the_network_unencrypted(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be read on the way."""

    async def resolve(*_: object, **__: object) -> object:
        return [(2, 1, 6, "", ("93.184.216.34", 80))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    server = ToolServer("web", url="http://tools.example.com/mcp", authorization="quicksilver")
    with pytest.raises(ToolServerError) as caught:
        await connect(server, mcp_allowed_hosts="tools.example.com").tools()
    assert caught.value.reason == "not_encrypted"


# -- in a process


async def test_a_process_gets_the_allowed_variables_only(connect: Connect) -> None:
    """And those that the settings name for it."""
    environ = {"QUICKSILVER_KEY": "1", "NAMED_KEY": "2"}
    connection = connect(ToolServer("own"), environ, mcp_env="own:NAMED_KEY")
    names = (await connection.call("variables", {}, CALL_S)).split()
    assert "NAMED_KEY" in names
    assert "PATH" in names
    assert "QUICKSILVER_KEY" not in names


async def test_what_it_writes_to_standard_error_is_not_ours(connect: Connect, capfd: pytest.CaptureFixture[str]) -> None:
    """Our standard error has our log, and no foreign words."""
    assert await connect(ToolServer("own")).call("chatter", {}, CALL_S) == "quiet"
    assert "noise" not in capfd.readouterr().err


async def test_no_process_is_left(connect: Connect) -> None:
    """Neither the server nor what it started."""
    connection = connect(ToolServer("own"))
    pids = [int(pid) for pid in (await connection.call("family", {}, CALL_S)).split()]
    assert all(alive(pid) for pid in pids)
    await connection.aclose()
    await gone(pids)


async def test_a_frozen_process_is_replaced(connect: Connect) -> None:
    """It heeds nothing any more, so it is killed, and the next call has a new one."""
    connection = connect(ToolServer("own"))
    pids = [int(pid) for pid in (await connection.call("family", {}, CALL_S)).split()]
    assert (await failure(connection, "freeze", 1.0)).reason == "timeout"
    assert await connection.call("add", {"a": 1, "b": 1}, CALL_S) == "2"
    await gone(pids)


async def test_a_process_that_ends_fails_the_call_and_is_started_again(connect: Connect) -> None:
    """Told as what it is."""
    connection = connect(ToolServer("own"))
    await connection.tools()
    error = await failure(connection, "vanish")
    assert (error.kind, error.status) == ("protocol_error", CLOSED)
    assert await connection.call("add", {"a": 1, "b": 1}, CALL_S) == "2"


async def test_a_process_that_is_killed_from_outside_is_noticed(connect: Connect) -> None:
    """In mid-call, at once."""
    connection = connect(ToolServer("own"))
    server, *_ = [int(pid) for pid in (await connection.call("family", {}, CALL_S)).split()]
    hanging = asyncio.create_task(failure(connection, "hang"))
    await asyncio.sleep(0.2)
    os.kill(server, signal.SIGKILL)
    assert (await hanging).status == CLOSED


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("/no/such/program", "connection_failed"),
        (f"{sys.executable} -c 'print(1)'", "connection_lost"),
        (f"{sys.executable} -c 'import time; time.sleep(60)'", "timeout"),
        ("yes", "timeout"),
    ],
)
async def test_a_program_that_is_no_server_is_told(connect: Connect, command: str, reason: str) -> None:
    """One that is missing, ends, is mute or talks nonsense."""
    connection = connect(ToolServer("odd"), mcp_servers=f"odd={command}", open_s=2.0)
    with pytest.raises(ToolServerError) as caught:
        await connection.tools()
    assert caught.value.reason == reason


async def test_our_own_tools_can_be_such_a_server(connect: Connect, tmp_path: Path) -> None:
    """``voicemode`` speaks MCP itself."""
    environ = {"HOME": str(tmp_path)}
    connection = connect(ToolServer("me"), environ, mcp_servers=f"me={sys.executable} -m voicemode", open_s=30.0)
    assert {"converse", "voice_status"} <= {tool.name for tool in await connection.tools()}


def alive(pid: int) -> bool:
    return bool(psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)


async def gone(pids: list[int]) -> None:
    until = time.monotonic() + 5
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < until, "a process is left"
        await asyncio.sleep(0.02)
