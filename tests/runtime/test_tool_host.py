"""Who asks servers of tools for a conversation: commands in, reports out, real servers behind it."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping

import psutil
import pytest

from tests.stubs.mcp_servers import STDIO, http_server
from tests.stubs.mcp_tools import INJECTION
from voicemode.dialogue_tools import (
    CallServerTool,
    CancelServerTool,
    ListServerTools,
    ServerToolDone,
    ServerToolFailed,
    ServerToolsFailed,
    ServerToolsListed,
    ToolHostReport,
    ToolServer,
    Word,
)
from voicemode.providers.mcp_places import McpPlaces
from voicemode.runtime.jobs import JobOptions, JobPlaces, Jobs
from voicemode.runtime.tool_host import MakeFunctions, McpToolHost, ToolHostOptions
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

WITHIN_S = 30.0
OWN, BUILT_IN = ToolServer("own"), ToolServer("voicemode")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Heard:
    """What the host reported."""

    def __init__(self) -> None:
        self.reports: list[ToolHostReport] = []
        self._more = asyncio.Event()

    def report(self, report: ToolHostReport) -> None:
        self.reports.append(report)
        self._more.set()

    async def of(self, item_id: str) -> ToolHostReport:
        """The report of an item."""
        return await self._first(lambda report: getattr(report, "item_id", None) == item_id)

    async def word(self) -> str:
        report = await self._first(lambda report: isinstance(report, Word))
        assert isinstance(report, Word)
        return report.text

    async def _first(self, wanted: Callable[[ToolHostReport], bool]) -> ToolHostReport:
        async with asyncio.timeout(WITHIN_S):
            while True:
                if found := next((report for report in self.reports if wanted(report)), None):
                    return found
                self._more.clear()
                await self._more.wait()


Make = Callable[..., McpToolHost]


@pytest.fixture
async def heard() -> Heard:
    return Heard()


@pytest.fixture
async def make(heard: Heard) -> AsyncIterator[Make]:
    """Hosts with the stub under the label ``own``; closed afterwards."""
    made: list[McpToolHost] = []

    def make(functions: MakeFunctions | None = None, call_s: float = 20.0, **settings: object) -> McpToolHost:
        places = McpPlaces.of(Settings.model_validate({"mcp_servers": f"own={STDIO}", **settings}))
        options = ToolHostOptions(places, call_s, open_s=20.0)
        made.append(McpToolHost(options, os.environ, heard.report, functions))
        return made[-1]

    yield make
    for host in made:
        await host.aclose()


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with http_server() as (number, _):
        yield number


def jobs(script: str) -> MakeFunctions:
    """Whose work is a line of Python."""
    command = shlex.join([sys.executable, "-c", script, "{text}"])
    options = JobOptions.of(Settings(job_command=command))
    assert options is not None
    return lambda tell: Jobs(options, os.environ, tell, JobPlaces())


def call(item_id: str, name: str, server: ToolServer = OWN, arguments: str = "{}") -> CallServerTool:
    return CallServerTool(item_id, server, name, arguments)


async def test_a_server_is_listed_and_called(make: Make, heard: Heard) -> None:
    """Both answered under the item that asked."""
    host = make()
    host.command(ListServerTools("i1", OWN))
    listed = await heard.of("i1")
    assert isinstance(listed, ServerToolsListed)
    assert "add" in {tool.name for tool in listed.tools}
    host.command(call("i2", "add", arguments='{"a": 20, "b": 22}'))
    assert await heard.of("i2") == ServerToolDone("i2", "42")


async def test_a_command_returns_before_anything_is_reported(make: Make, heard: Heard) -> None:
    """Whoever commands is not in the middle of a step then."""
    host = make()
    host.command(ListServerTools("i1", ToolServer("unknown")))
    assert heard.reports == []
    assert isinstance(await heard.of("i1"), ServerToolsFailed)


async def test_each_kind_of_failure_is_told_as_what_it_is(make: Make, heard: Heard, port: int) -> None:
    """The tool's, the protocol's, HTTP's."""
    host = make(mcp_allowed_hosts=f"127.0.0.1:{port}")
    web = ToolServer("web", url=f"http://127.0.0.1:{port}/status/503")
    host.command(call("i1", "fail"))
    host.command(call("i2", "refuse"))
    host.command(call("i3", "add", web))
    host.command(call("i4", "add", arguments="[1, 2"))
    reports = [await heard.of(item) for item in ("i1", "i2", "i3", "i4")]
    assert all(isinstance(report, ServerToolFailed) for report in reports)
    told = [(report.kind, report.status) for report in reports if isinstance(report, ServerToolFailed)]
    assert told == [
        ("tool_execution_error", None),
        ("protocol_error", -32042),
        ("http_error", 503),
        ("protocol_error", -32602),
    ]


async def test_one_that_hangs_keeps_no_other_waiting(make: Make, heard: Heard, port: int) -> None:
    """Neither another server nor another call; and it is given up after its time."""
    host = make(call_s=2.0, mcp_allowed_hosts=f"127.0.0.1:{port}")
    host.command(call("i1", "add", arguments='{"a": 1, "b": 1}'))
    await heard.of("i1")
    host.command(call("i2", "hang"))
    host.command(call("i3", "add", arguments='{"a": 1, "b": 2}'))
    host.command(call("i4", "add", ToolServer("web", url=f"http://127.0.0.1:{port}/mcp"), '{"a": 1, "b": 3}'))
    assert await heard.of("i3") == ServerToolDone("i3", "3")
    assert await heard.of("i4") == ServerToolDone("i4", "4")
    late = await heard.of("i2")
    assert isinstance(late, ServerToolFailed)
    assert "no answer within 2 s" in late.message


async def test_what_is_cancelled_is_not_reported(make: Make, heard: Heard) -> None:
    """Nobody waits for it any more; the server still serves."""
    host = make(call_s=3.0)
    host.command(call("i1", "hang"))
    host.command(call("i4", "hang"))
    host.command(call("i2", "add", arguments='{"a": 1, "b": 1}'))
    await heard.of("i2")
    host.command(CancelServerTool("i1"))
    host.command(CancelServerTool("never heard of"))
    host.command(call("i3", "add", arguments='{"a": 1, "b": 2}'))
    assert await heard.of("i3") == ServerToolDone("i3", "3")
    await heard.of("i4")  # its time is over, and so the other's would be
    assert {getattr(report, "item_id", "") for report in heard.reports} == {"i2", "i3", "i4"}


async def test_an_instruction_in_an_output_is_passed_on_as_an_output(make: Make, heard: Heard) -> None:
    """Data: the same text, in the same place as any other."""
    host = make()
    host.command(call("i1", "inject"))
    assert await heard.of("i1") == ServerToolDone("i1", INJECTION)


async def test_nothing_is_left_and_nothing_is_said_after_the_end(make: Make, heard: Heard) -> None:
    """No process, no report, however much was under way; within the time that a call gives."""
    host = make(jobs("import time; time.sleep(600)"))
    before = set(psutil.Process().children())
    host.command(call("i1", "family"))
    await heard.of("i1")
    host.command(call("i2", "hang"))
    host.command(call("i3", "start_job", BUILT_IN, '{"task": "x"}'))
    await heard.of("i3")
    said = len(heard.reports)
    async with asyncio.timeout(1.0):
        await host.aclose()
    await host.aclose()
    host.command(call("i4", "add"))
    await asyncio.sleep(0.2)
    left = [each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE]
    assert set(left) <= before
    assert len(heard.reports) == said


async def test_what_comes_up_at_the_very_end_is_not_said(make: Make, heard: Heard) -> None:
    """The call has closed its doors by then."""

    class Late:
        tools = ()

        def __init__(self, tell: Callable[[str], None]) -> None:
            self._tell = tell

        async def call(self, name: str, arguments: Mapping[str, object]) -> str:
            self._tell(name)
            return name

        async def aclose(self) -> None:
            self._tell("too late")

    host = make(Late)
    host.command(call("i1", "in time", BUILT_IN))
    await heard.of("i1")
    await host.aclose()
    assert [report.text for report in heard.reports if isinstance(report, Word)] == ["in time"]


async def test_a_fault_of_ours_is_told_as_a_failure(make: Make, heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    """The conversation goes on, and its words are in no log."""

    class Broken:
        tools = ()

        async def call(self, name: str, arguments: Mapping[str, object]) -> str:
            raise ZeroDivisionError(str(arguments))

        async def aclose(self) -> None:
            pass

    host = make(lambda _: Broken())
    host.command(call("i1", "x", BUILT_IN, '{"a": "quicksilver"}'))
    assert isinstance(await heard.of("i1"), ServerToolFailed)
    assert "ZeroDivisionError" in caplog.text
    assert "quicksilver" not in caplog.text + repr(heard.reports)


async def test_a_flood_of_requests_is_refused(make: Make, heard: Heard) -> None:
    """More than anybody needs at the same time."""
    host = make(call_s=5.0)
    for number in range(60):
        host.command(call(f"i{number}", "hang"))
    last = await heard.of("i59")
    assert isinstance(last, ServerToolFailed)
    assert "requests are under way" in last.message


# -- the functions of this process


async def test_the_reserved_label_lists_our_own_functions(make: Make, heard: Heard) -> None:
    """Without a server."""
    host = make(jobs("print(1)"))
    host.command(ListServerTools("i1", BUILT_IN))
    listed = await heard.of("i1")
    assert isinstance(listed, ServerToolsListed)
    assert [tool.name for tool in listed.tools] == ["start_job", "job_status", "cancel_job"]


async def test_a_job_has_a_receipt_and_a_word(make: Make, heard: Heard) -> None:
    """The word comes whenever the job is done."""
    host = make(jobs("import sys; print('found', sys.argv[1])"))
    host.command(call("i1", "start_job", BUILT_IN, '{"task": "the keys"}'))
    receipt = await heard.of("i1")
    assert isinstance(receipt, ServerToolDone)
    assert json.loads(receipt.output)["status"] == "started"
    assert (await heard.word()).endswith("found the keys")


async def test_without_jobs_the_reserved_label_says_so(make: Make, heard: Heard) -> None:
    """And names the setting."""
    host = make()
    host.command(ListServerTools("i1", BUILT_IN))
    failed = await heard.of("i1")
    assert isinstance(failed, ServerToolsFailed)
    assert "VOICEMODE_JOB_COMMAND" in failed.message
