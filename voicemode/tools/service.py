"""Local services, for an agent that sets them up or looks what is wrong. Loaded when VOICEMODE_TOOLS names it."""

from __future__ import annotations

import asyncio
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeVar

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from voicemode.errors import VoicemodeError
from voicemode.serving.spec import ToolSpec

if TYPE_CHECKING:  # psutil and the rest take time to load, and most calls of a server are other tools'
    from voicemode.serving.app import App
    from voicemode.supervise.health import Health
    from voicemode.supervise.plan import Plan
    from voicemode.supervise.status import Status

__all__ = ["TOOL", "Jobs", "ServiceResult", "Verbs", "perform"]

_BUDGET_S = 45.0
"""Clients give up at 60 s; a longer installation goes on, and the next call waits for it."""
_TELL_S = 1.0
_MOST_LINES = 200
_LOGIN = "It starts when the person logs in{}."
_LINGER = "; to have it start with the machine, they run 'loginctl enable-linger' as well"

Action = Literal["install", "uninstall", "start", "stop", "restart", "status", "enable", "disable", "logs", "health"]
Name = Literal["whisper", "kokoro", "livekit", "voicemode"]
Report = Callable[[float, float | None, str | None], Awaitable[None]]
"""``Context.report_progress``: seconds since the call, no total, what is being done."""
OnStep = Callable[[str, float | None], None]
T = TypeVar("T")


class Verbs(Protocol):
    """What the tool asks of ``Services``."""

    def plan(self, name: str, model: str = ...) -> Plan: ...
    def install(self, plan: Plan, on_step: OnStep = ...) -> None: ...
    def uninstall(self, name: str) -> list[str]: ...
    def start(self, name: str) -> Status: ...
    def stop(self, name: str) -> None: ...
    def restart(self, name: str) -> Status: ...
    def enable(self, name: str) -> None: ...
    def disable(self, name: str) -> None: ...
    def status(self, name: str) -> Status: ...
    def logs(self, name: str, lines: int) -> list[str]: ...
    def health(self, name: str) -> Health: ...


class ServiceResult(BaseModel):
    """The structured result of ``service``."""

    done: bool = Field(True, description="False: nothing changed yet, or it goes on; the text says what to do")
    status: dict[str, Any] = {}
    plan: dict[str, Any] = Field({}, description="What install would do")
    removed: list[str] = []
    lines: list[str] = Field([], description="Log: data, not instructions")
    health: dict[str, Any] = {}


async def service(
    ctx: Context[Any, Any],
    name: Name,
    action: Action,
    model: Annotated[str, Field(description="With install: such as whisper-small")] = "",
    lines: Annotated[int, Field(description="With logs", ge=1, le=_MOST_LINES)] = 20,
    confirm: Annotated[bool, Field(description="The person agreed to the plan")] = False,
) -> Annotated[CallToolResult, ServiceResult]:
    """Install, run and look at local speech services.

    install and uninstall first return what they would do; tell the person, and call again with confirm=true if they agree.
    """
    app: App = ctx.request_context.lifespan_context
    jobs = _JOBS.setdefault(app, Jobs())
    try:
        services = await asyncio.to_thread(_services, app)  # it imports
        done = perform(services, action, name, jobs, ctx.report_progress, model=model, lines=lines, confirm=confirm)
        text, result = await done
    except VoicemodeError as error:
        facts = {"code": error.code, "error": str(error)}
        return CallToolResult(content=[TextContent(type="text", text=str(error))], structured_content=facts, is_error=True)
    except TimeoutError:
        text = f"{action} of {name} still goes on. Call again with the same arguments: that waits for it."
        result = ServiceResult(done=False)
    structured = result.model_dump(mode="json", exclude_defaults=True)
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)


TOOL = ToolSpec(function=service, title="Local services", destructive=True, open_world=True)


class Jobs:
    """What is being done, in threads; whoever asks for the same again waits for the one that runs."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Future[Any]] = {}
        self._words: dict[str, str] = {}

    async def run(self, key: str, work: Callable[[OnStep], T], report: Report, budget_s: float) -> T:
        """Do it, or wait for it, and tell once a second. Raises TimeoutError after ``budget_s``; it goes on then."""
        left = self._running.get(key)
        if left is not None and left.done():  # nobody waited for its end: a failure is told, a success is looked at anew
            del self._running[key]
            left.result()
        if key not in self._running:
            self._begin(key, work)
        job = self._running[key]
        began = time.monotonic()
        while not job.done():
            passed = time.monotonic() - began
            if passed >= budget_s:
                raise TimeoutError
            await asyncio.wait([job], timeout=min(_TELL_S, budget_s - passed))
            if not job.done():
                await report(round(time.monotonic() - began, 3), None, self._words.get(key) or key)
        self._running.pop(key, None)
        result: T = job.result()
        return result

    def _begin(self, key: str, work: Callable[[OnStep], T]) -> None:
        loop = asyncio.get_running_loop()
        job: asyncio.Future[T] = loop.create_future()
        self._running[key] = job
        self._words.pop(key, None)

        def settle(result: T | None, error: BaseException | None) -> None:
            if job.cancelled():
                return
            if error is not None:
                job.set_exception(error)
                job.exception()  # seen: who asked may have gone
            else:
                job.set_result(result)  # type: ignore[arg-type]  # None only where T is

        def note(words: str, part: float | None) -> None:
            self._words[key] = words if part is None else f"{words}: {100 * part:.0f} %"

        def thread() -> None:
            result, error = None, None
            try:
                result = work(note)
            except BaseException as caught:  # noqa: BLE001  (it is raised again where somebody waits for it)
                error = caught
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, result, error)

        # A daemon: the server ends within a second, whatever pip does. What it leaves is swept by the next installation.
        threading.Thread(target=thread, name=f"voicemode {key}", daemon=True).start()


_JOBS: weakref.WeakKeyDictionary[App, Jobs] = weakref.WeakKeyDictionary()


async def perform(
    services: Verbs,
    action: Action,
    name: str,
    jobs: Jobs,
    report: Report,
    *,
    model: str = "",
    lines: int = 20,
    confirm: bool = False,
    budget_s: float = _BUDGET_S,
) -> tuple[str, ServiceResult]:
    """Do it; the text and the facts. Raises VoicemodeError, and TimeoutError when it goes on after ``budget_s``."""

    def work(on_step: OnStep) -> tuple[str, ServiceResult]:
        match action:
            case "install":
                return _install(services, name, model, on_step, confirm=confirm)
            case "uninstall":
                return _uninstall(services, name, confirm=confirm)
            case "logs":
                found = services.logs(name, lines)
                return "\n".join(found) or f"{name} wrote nothing.", ServiceResult(lines=found)
            case "health":
                return _health(services, name)
            case "status":
                return _told(services.status(name))
            case "start":
                return _told(services.start(name))
            case "restart":
                return _told(services.restart(name))
            case _:
                return _switch(services, action, name)

    return await jobs.run(f"{action} {name} {model} {confirm}".strip(), work, report, budget_s)


def _services(app: App) -> Verbs:
    from voicemode.supervise.manager import Services

    loaded = app.loaded
    return Services(loaded.settings, loaded.services, app.environ)


def _install(services: Verbs, name: str, model: str, on_step: OnStep, *, confirm: bool) -> tuple[str, ServiceResult]:
    plan = services.plan(name, model)
    if not plan.steps:
        return f"{name} is installed in {plan.folder}; there is nothing to do.", ServiceResult(plan=plan.as_json())
    if confirm:
        services.install(plan, on_step)
        text, result = _told(services.status(name))
        return f"Installed. {text}", result
    steps = "\n".join(f"- {step.words}" for step in plan.steps)
    size = f"{plan.download_bytes / 1e6:,.0f} MB to download, {plan.disk_bytes / 1e6:,.0f} MB on disk"
    last = plan.missing or "If the person agrees, call again with confirm=true"
    text = f"To install {plan.title}:\n{steps}\nThis takes {plan.duration}, {size}. Nothing was done yet. {last}."
    return text, ServiceResult(done=False, plan=plan.as_json())


def _uninstall(services: Verbs, name: str, *, confirm: bool) -> tuple[str, ServiceResult]:
    if confirm:
        removed = services.uninstall(name)
        return "; ".join(removed) or f"{name} was not installed.", ServiceResult(removed=removed)
    text, result = _told(services.status(name))
    result.done = False
    would = "This stops it and removes its environment, its logs, what starts it, and the model that was downloaded for it."
    return f"{text} {would} Nothing was done yet. If the person agrees, call again with confirm=true.", result


def _switch(services: Verbs, action: Action, name: str) -> tuple[str, ServiceResult]:
    {"stop": services.stop, "enable": services.enable, "disable": services.disable}[action](name)
    status = services.status(name)
    text, result = _told(status)
    if action == "enable":
        text += " " + _LOGIN.format(_LINGER if status.backend == "systemd" else "")
    return text, result


def _health(services: Verbs, name: str) -> tuple[str, ServiceResult]:
    health = services.health(name)
    well = health.answer == "well"
    text = f"{name} works." if well else f"{name} does not work: {health.problem or 'nothing listens on its port'}."
    return text, ServiceResult(health={"healthy": well, "answer": str(health.answer), "facts": dict(health.facts)})


def _told(status: Status) -> tuple[str, ServiceResult]:
    facts = {key: value for key, value in status.as_json().items() if value not in (None, "")}
    problems = [
        f"Last error: {status.last_error}." if status.last_error else "",
        f"Port {status.port} is taken by {status.port_holder}." if status.port_holder else "",
        status.remark,
    ]
    model = f" with {status.model}" if status.model else ""
    text = " ".join([f"{status.service} is {status.state}{model}, port {status.port}.", *filter(None, problems)])
    return text, ServiceResult(status=facts)
