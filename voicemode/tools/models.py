"""Models of the local services, for an agent that sets them up. Loaded when VOICEMODE_TOOLS names it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from voicemode.errors import ModelInUseError, RequestError, VoicemodeError
from voicemode.serving.spec import ToolSpec
from voicemode.supervise.model_users import user_of
from voicemode.supervise.models import Models, OnProgress, Progress, State

if TYPE_CHECKING:
    from voicemode.serving.app import App

__all__ = ["TOOL", "ModelsResult"]

_BUDGET_S = 45.0
"""Clients give up at 60 s; a longer download goes on with the next call."""
_TELL_S = 1.0


class ModelsResult(BaseModel):
    """The structured result of ``models``."""

    models: list[dict[str, Any]] = Field([], description="name, engine, state, size_bytes, languages, licence, title")
    done: bool = Field(True, description="False: call pull again, it goes on")
    problems: list[str] = []
    freed_bytes: int = 0


async def models(
    ctx: Context[Any, Any],
    action: Literal["list", "pull", "remove", "verify"],
    name: Annotated[str, Field(description="Such as whisper-base; not for list")] = "",
) -> Annotated[CallToolResult, ModelsResult]:
    """List, download, delete or check models of the local speech services.

    Before pull, tell the person size and licence. A long download returns done=false: call again, it goes on.
    """
    app: App = ctx.request_context.lifespan_context
    kept = Models(app.loaded.settings)
    try:
        if action != "list" and not name:
            raise RequestError("name", "it is missing", "the names that action='list' gives")
        match action:
            case "list":
                return _list(kept)
            case "pull":
                return await _pull(kept, name, ctx.report_progress, _BUDGET_S)
            case "remove":
                return await _remove(kept, name)
            case "verify":
                return await _verify(kept, name, ctx.report_progress)
    except VoicemodeError as error:
        facts = {"code": error.code, "error": str(error)}
        return CallToolResult(content=[TextContent(type="text", text=str(error))], structured_content=facts, is_error=True)


TOOL = ToolSpec(function=models, title="Models", destructive=True, open_world=True)

Report = Callable[[float, float | None, str | None], Awaitable[None]]


def _list(kept: Models) -> CallToolResult:
    rows = [_facts(kept, model.name) for model in kept.known]
    here = [row["name"] for row in rows if row["state"] == State.INSTALLED]
    return _result(f"{len(rows)} models; installed: {', '.join(here) or 'none'}.", ModelsResult(models=rows))


async def _pull(kept: Models, name: str, report: Report, budget_s: float) -> CallToolResult:
    model = kept.find(name)
    try:
        async with _told(report) as progress, asyncio.timeout(budget_s):
            folder = await kept.pull(name, progress)
    except TimeoutError:
        percent = 100 * kept.kept_bytes(name) // model.size
        result = ModelsResult(models=[_facts(kept, name)], done=False)
        return _result(f"{model.name} is not complete yet ({percent} %). Call pull again: it goes on.", result)
    return _result(f"{model.name} is complete and checked, in {folder}.", ModelsResult(models=[_facts(kept, name)]))


async def _remove(kept: Models, name: str) -> CallToolResult:
    model = kept.find(name)
    user = await user_of(model.engine, kept.path_of(name))
    if user:
        raise ModelInUseError(model.name, user, f"Stop it first: voicemode service stop {model.engine}.")
    freed = kept.remove(name)
    text = f"Removed {model.name}, {freed:,} bytes." if freed else f"{model.name} was not here."
    return _result(text, ModelsResult(models=[_facts(kept, name)], freed_bytes=freed))


async def _verify(kept: Models, name: str, report: Report) -> CallToolResult:
    async with _told(report) as progress:
        problems = await kept.verify(name, progress)
    text = "; ".join(problems) or "Every byte is right."
    return _result(f"{kept.find(name).name}: {text}", ModelsResult(models=[_facts(kept, name)], problems=problems))


def _facts(kept: Models, name: str) -> dict[str, Any]:
    model = kept.find(name)
    return {
        "name": model.name,
        "engine": model.engine,
        "state": str(kept.state(name)),
        "size_bytes": model.size,
        "languages": model.languages,
        "licence": model.licence,
        "title": model.title,
    }


def _result(text: str, result: ModelsResult) -> CallToolResult:
    structured = result.model_dump(mode="json", exclude_defaults=True)
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content=structured)


@contextlib.asynccontextmanager
async def _told(report: Report) -> AsyncIterator[OnProgress]:
    """Tell the client once a second; the value is seconds, so that it rises whatever is done."""
    latest: list[Progress] = []

    async def tell() -> None:
        began = time.monotonic()
        while True:
            await asyncio.sleep(_TELL_S)
            words = "starting"
            if latest:
                last = latest[-1]
                words = f"{last.state} {last.model}: {100 * last.done // last.total} %"
            await report(round(time.monotonic() - began, 3), None, words)

    def note(progress: Progress) -> None:
        latest[:] = [progress]

    task = asyncio.create_task(tell())
    try:
        yield note
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
