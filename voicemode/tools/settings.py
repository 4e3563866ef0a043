"""Settings, for an agent that a person asks to change them. Loaded when VOICEMODE_TOOLS names it.

An agent may be talked into things by what it reads. So it may change how a conversation goes, and nothing that decides where
speech is sent, what is recorded or kept, which devices listen, or what agents may do: those are refused unless listed here.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from mcp.server.mcpserver import Context
from mcp.types import CallToolResult, TextContent
from pydantic import BaseModel, Field

from voicemode.errors import RequestError, SettingsError, VoicemodeError
from voicemode.load_config import PREFIX, default_settings_path, field_of
from voicemode.serving.spec import ToolSpec
from voicemode.settings_file import SettingFacts, describe, set_value, unset_value

if TYPE_CHECKING:
    from voicemode.serving.app import App

__all__ = ["CHANGEABLE", "TOOL", "SettingsResult"]

CHANGEABLE = frozenset(
    {
        *("voices", "tts_speed", "language", "patience", "silence_threshold_ms", "start_timeout_s"),
        *("listen_duration_max", "call_budget_s", "floor_wait_s", "vad"),
    }
)
"""Fields that an agent may set. What is not named here, new settings among it, is the person's."""


class SettingsResult(BaseModel):
    """The structured result of ``settings``."""

    settings: list[dict[str, Any]] = Field(description="name, value, source; with explain also description, allowed, default")


async def settings(
    ctx: Context[Any, Any],
    action: Literal["get", "set", "explain"],
    name: Annotated[str, Field(description="Such as VOICEMODE_VOICES; empty with get: all that were changed")] = "",
    value: Annotated[str | None, Field(description="For set; empty returns to the default")] = None,
) -> Annotated[CallToolResult, SettingsResult]:
    """Read, explain or change settings of voicemode. Keys are never shown.

    Only how a conversation goes can be set: voices, speed, language, patience, pauses, limits.
    """
    app: App = ctx.request_context.lifespan_context
    try:
        if action == "get" and not name:
            changed = [facts for facts in describe(app.loaded) if facts.source != "default"]
            return _result("; ".join(map(_line, changed)) or "Every setting has its default.", changed)
        if not name:
            raise RequestError("name", "it is missing", "a VOICEMODE_* name")
        key = PREFIX + name.strip().upper().removeprefix(PREFIX)
        field = field_of(key, "name")
        if action == "set":
            return _set(app, key, field, value)
        facts = _facts(app, key)
        told = f"{_line(facts)}. {facts.description} Allowed: {facts.allowed}. Default: {facts.default or 'empty'}."
        if action == "get":
            return _result(_line(facts), [facts])
        return _result(f"{told} {_whose(key, field)}", [facts], explained=True)
    except VoicemodeError as error:
        problem = {"code": error.code, "error": str(error)}
        return CallToolResult(content=[TextContent(type="text", text=str(error))], structured_content=problem, is_error=True)


TOOL = ToolSpec(function=settings, title="Settings", destructive=True)


def _set(app: App, key: str, field: str, value: str | None) -> CallToolResult:
    if field not in CHANGEABLE:
        raise SettingsError(key, f"an agent cannot set it; {_whose(key, field).rstrip('.')}", where="tool")
    if value is None:
        raise RequestError("value", "it is missing", "a value; an empty one returns to the default")
    path = default_settings_path(Path.home())
    if value.strip():
        set_value(path, key, value)
    else:
        unset_value(path, key)
    facts = _facts(app, key)
    hidden = facts.source != "default" and not facts.source.startswith(str(path))
    wins = f" It is written to {path}, but {facts.source} wins over that." if hidden else ""
    return _result(f"{_line(facts)}.{wins}", [facts])


def _whose(key: str, field: str) -> str:
    if field in CHANGEABLE:
        return "You may set it."
    return f"The person sets it, with: voicemode config set {key}."


def _facts(app: App, key: str) -> SettingFacts:
    return next(facts for facts in describe(app.loaded) if facts.name == key)


def _line(facts: SettingFacts) -> str:
    return f"{facts.name} = {facts.value or '(empty)'} ({facts.source})"


def _result(text: str, rows: list[SettingFacts], *, explained: bool = False) -> CallToolResult:
    names = {"name", "value", "source"} | ({"description", "allowed", "default"} if explained else set())
    shown = [{name: value for name, value in asdict(facts).items() if name in names} for facts in rows]
    return CallToolResult(content=[TextContent(type="text", text=text)], structured_content={"settings": shown})
