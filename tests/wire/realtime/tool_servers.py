"""A server of tools as the tests name it, and what its host reports, in short."""

from __future__ import annotations

from typing import Any

from tests.wire.realtime.answer_reports import call
from tests.wire.realtime.wire_client import Event, WireClient
from voicemode.dialogue import AnswerDone, Command
from voicemode.dialogue_tools import CallServerTool, ListServerTools, ServerToolsListed, Tool

__all__ = ["SCHEMA", "called", "commands", "listed_client", "mcp", "tool"]

SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"type": "string"}}}


def mcp(label: str = "home", **more: object) -> Event:
    """The tool, as a client gives it."""
    return {"type": "mcp", "server_label": label, "server_url": f"https://{label}.example/mcp", **more}


def tool(name: str = "weather", *, read_only: bool = False) -> Tool:
    return Tool(name, f"About {name}.", SCHEMA, read_only)


def commands(client: WireClient, kind: type[Command]) -> list[Any]:
    """All commands of that kind, so far."""
    return [command for command in client.all_commands if isinstance(command, kind)]


def listed_client(*tools: Event, client: WireClient | None = None) -> WireClient:
    """A session whose servers have told that they have the tool "weather"."""
    client = client or WireClient()
    client.update(tools=list(tools or (mcp(require_approval="never"),)))
    for asked in commands(client, ListServerTools):
        client.hear(ServerToolsListed(asked.item_id, (tool(),)))
    return client


def called(client: WireClient, *names: str, ends: bool = True) -> list[str]:
    """An answer that calls these: the ids of the calls that are then to be made."""
    response_id = client.respond()
    before = len(commands(client, CallServerTool))
    for number, name in enumerate(names or ("weather",)):
        client.hear(*call(response_id, f"c{number}", name))
    if ends:
        client.hear(AnswerDone(response_id))
    return [command.item_id for command in commands(client, CallServerTool)[before:]]
