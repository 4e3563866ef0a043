"""The tool ``service``: an agent installs only what the person agreed to, and what takes long goes on with the next call."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult

from voicemode.settings import Settings
from voicemode.supervise.errors import NotInstalledError, NotStartedError
from voicemode.supervise.health import Answer, Health
from voicemode.supervise.plan import Plan, Step
from voicemode.supervise.service import SERVICES
from voicemode.supervise.status import State, Status
from voicemode.tools.service import TOOL, Action, Jobs, Name, ServiceResult, perform, service

PLAN = Plan(
    service="whisper",
    title="Whisper",
    folder=Path("/base/services/whisper"),
    steps=(Step(words="Make its environment", download_bytes=120_000_000, disk_bytes=350_000_000),),
    changes="+ExecStart=:...",
)


class FakeServices:
    """Remembers what it was told to do."""

    def __init__(self, plan: Plan = PLAN) -> None:
        self.done: list[str] = []
        self.planned = plan
        self.waits = threading.Event()
        self.waits.set()

    def plan(self, name: str, model: str = "") -> Plan:
        return self.planned

    def install(self, plan: Plan, on_step: Callable[[str, float | None], None] = lambda *_: None) -> None:
        on_step("fetching packages", 0.5)
        assert self.waits.wait(20)
        self.done.append("install")

    def uninstall(self, name: str) -> list[str]:
        self.done.append("uninstall")
        return ["Removed /base/services/whisper"]

    def start(self, name: str) -> Status:
        self.done.append("start")
        return self.status(name)

    def restart(self, name: str) -> Status:
        self.done.append("restart")
        return self.status(name)

    def stop(self, name: str) -> None:
        self.done.append("stop")

    def enable(self, name: str) -> None:
        self.done.append("enable")

    def disable(self, name: str) -> None:
        self.done.append("disable")

    def status(self, name: str) -> Status:
        return Status(
            service=name,
            title="Whisper",
            state=State.CRASHED,
            healthy=False,
            version="0.1.0",
            model="whisper-base",
            port=2022,
            pid=None,
            cpu_percent=None,
            memory_bytes=None,
            uptime_s=None,
            restarts=2,
            last_error="it was ended by signal 9",
            enabled=True,
            backend="systemd",
            port_holder="ollama (pid 7)",
            remark="",
        )

    def logs(self, name: str, lines: int) -> list[str]:
        return ["one", "two"][-lines:]

    def health(self, name: str) -> Health:
        return Health(Answer.NOBODY)


async def silent(*_: Any) -> None:
    """Nobody is told."""


def do(services: FakeServices, action: Action, **options: Any) -> tuple[str, ServiceResult]:
    return asyncio.run(perform(services, action, "whisper", Jobs(), silent, **options))


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_nothing_is_installed_or_removed_before_the_person_agreed(action: Action) -> None:
    """The first call says what would be done, the second does it."""
    services = FakeServices()
    text, result = do(services, action)
    assert (services.done, result.done) == ([], False)
    assert "Nothing was done yet" in text
    assert "confirm=true" in text
    _, result = do(services, action, confirm=True)
    assert (services.done, result.done) == ([action], True)


def test_the_plan_says_what_how_big_and_how_long() -> None:
    """In the text for the person, and as facts with the diff."""
    text, result = do(FakeServices(), "install")
    assert "Make its environment" in text
    assert "120 MB to download, 350 MB on disk" in text
    assert PLAN.duration in text
    assert result.plan["changes"] == "+ExecStart=:..."


def test_what_is_installed_is_not_installed_again() -> None:
    """Whether confirmed or not."""
    services = FakeServices(Plan(service="whisper", title="Whisper", folder=Path("/f"), steps=()))
    text, result = do(services, "install", confirm=True)
    assert (services.done, result.done) == ([], True)
    assert "nothing to do" in text


@pytest.mark.parametrize("action", ["start", "stop", "restart", "enable", "disable"])
def test_the_other_verbs_do_and_tell_how_it_is_then(action: Action) -> None:
    """State, last error and who has its port, in one line and as facts."""
    services = FakeServices()
    text, result = do(services, action)
    assert services.done == [action]
    assert "whisper is crashed with whisper-base, port 2022." in text
    assert "signal 9" in text
    assert "ollama" in text
    assert (result.status["state"], result.status["restarts"]) == ("crashed", 2)
    assert ("enable-linger" in text) is (action == "enable")


def test_logs_and_health_are_told() -> None:
    """As many lines as were asked for; what does not work, and why."""
    assert do(FakeServices(), "logs", lines=1)[1].lines == ["two"]
    text, result = do(FakeServices(), "health")
    assert "nothing listens" in text
    assert result.health["healthy"] is False


def test_a_long_installation_goes_on_with_the_next_call() -> None:
    """It is done once, however often it is asked for meanwhile."""
    services = FakeServices()
    services.waits.clear()

    async def twice() -> ServiceResult:
        jobs = Jobs()
        with pytest.raises(TimeoutError):
            await perform(services, "install", "whisper", jobs, silent, confirm=True, budget_s=0.01)
        services.waits.set()
        return (await perform(services, "install", "whisper", jobs, silent, confirm=True))[1]

    assert asyncio.run(twice()).done
    assert services.done == ["install"]


def test_a_failure_that_nobody_waited_for_is_told_by_the_next_call() -> None:
    """Otherwise it would be tried anew, and fail anew, in silence."""
    begun, tried = threading.Event(), []

    def fail(_: object) -> None:
        tried.append(1)
        assert begun.wait(20)
        raise NotStartedError("whisper", "pip failed")

    async def twice() -> None:
        jobs = Jobs()
        with pytest.raises(TimeoutError):
            await jobs.run("install", fail, silent, 0.01)
        begun.set()
        with pytest.raises(NotStartedError, match="pip failed"):
            await jobs.run("install", fail, silent, 20.0)

    asyncio.run(twice())
    assert tried == [1]


def test_the_client_is_told_once_a_second_what_is_done() -> None:
    """In rising numbers, so that its time-out starts anew; the first comes after a second."""
    told: list[tuple[float, str | None]] = []
    goes_on = threading.Event()

    async def report(passed: float, _: float | None, words: str | None) -> None:
        told.append((passed, words))
        if len(told) == 2:
            goes_on.set()

    def work(on_step: Callable[[str, float | None], None]) -> str:
        on_step("fetching packages", 0.5)
        assert goes_on.wait(20)
        return "done"

    assert asyncio.run(Jobs().run("install", work, report, 30.0)) == "done"
    assert [words for _, words in told] == ["fetching packages: 50 %"] * 2
    assert told[0][0] < told[1][0]


class App:
    """What the tool needs of the server's."""

    def __init__(self, base: Path) -> None:
        self.loaded = SimpleNamespace(settings=Settings(base_dir=base), services={})
        self.environ: dict[str, str] = {"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(base)}


def call(base: Path, name: Name, action: Action, **options: Any) -> CallToolResult:
    request = SimpleNamespace(lifespan_context=App(base))
    context: Any = SimpleNamespace(request_context=request, report_progress=silent)
    return asyncio.run(service(context, name, action, **options))


def test_through_the_tool_nothing_is_installed_yet(tmp_path: Path) -> None:
    """Status is an answer, starting an error with a remedy; looking leaves no file."""
    status = call(tmp_path / "base", "whisper", "status")
    assert status.structured_content is not None
    assert status.structured_content["status"]["state"] == "not_installed"
    failed = call(tmp_path / "base", "whisper", "start")
    assert failed.is_error
    assert failed.structured_content is not None
    assert failed.structured_content["code"] == NotInstalledError.code
    assert list(tmp_path.rglob("*")) == []


def test_it_knows_the_services_there_are_and_the_verbs_of_the_command() -> None:
    """The two lists of the schema are those of the product."""
    assert set(get_args(Name)) == set(SERVICES)
    from voicemode.cli.service import app

    commands = {command.name or getattr(command.callback, "__name__", "") for command in app.registered_commands}
    assert set(get_args(Action)) == commands


def test_its_description_is_small_and_it_says_that_it_changes_things() -> None:
    """It is loaded on demand only; still every agent that loads it pays for it in every request."""
    tool = Tool.from_function(TOOL.function, title=TOOL.title)
    shown = {"name": tool.name, "description": tool.description, "inputSchema": tool.parameters}
    assert len(json.dumps(shown)) / 4 <= 350
    assert (TOOL.name, TOOL.destructive, TOOL.read_only) == ("service", True, False)


def test_loading_it_loads_no_supervision() -> None:
    """The server loads it at its start."""
    code = "import sys, voicemode.tools.service; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert {"psutil", "numpy", "voicemode.supervise.manager"} & set(done.stdout.split()) == set()
