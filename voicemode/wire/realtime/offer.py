"""What a responder may call: the client's functions and the tools of servers, under names that are unique among them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from voicemode.dialogue_tools import Tool
from voicemode.wire.realtime.mcp_config import McpServer
from voicemode.wire.realtime.session_config import SessionConfig

__all__ = ["Offer", "Route", "offered"]

_LONGEST_NAME = 64
"""Of a function at OpenAI's API, and at those that follow it."""
_NOT_IN_A_NAME = re.compile(r"[^a-zA-Z0-9_-]")
"""Likewise."""


@dataclass(frozen=True, slots=True)
class Route:
    """Where a call goes."""

    server: McpServer
    tool: str
    """As the server calls it."""
    told_as: str
    """As the responder calls it."""
    asks: bool
    """The user has to allow it."""


@dataclass(frozen=True, slots=True)
class Offer:
    """For one answer."""

    tools: tuple[Tool, ...]
    choice: str
    """As ``Respond.tool_choice``."""
    routes: Mapping[str, Route]
    """By the responder's name, the tools that are not the client's."""


def offered(config: SessionConfig, listed: Mapping[str, tuple[Tool, ...]]) -> Offer:
    """``listed`` are the tools that each server is known to have, by its label.

    A function of the client keeps its name. A tool of a server has its own if nothing else is called so, and else is told with
    its server's label in front, whichever of them was listed first.
    """
    functions = config.functions()
    theirs = [
        (server, tool) for server in config.servers for tool in listed.get(server.label, ()) if server.allowed.matches(tool)
    ]
    common = Counter(_plain(tool.name) for _, tool in theirs)
    taken = {function.name for function in functions}
    routes: dict[str, Route] = {}
    tools = list(functions)
    for server, tool in theirs:
        plain = _plain(tool.name)
        wished = plain if common[plain] == 1 and plain not in taken else _plain(f"{server.label}__{tool.name}")
        name = _free(wished, taken)
        taken.add(name)
        routes[name] = Route(server, tool.name, name, server.asks(tool))
        tools.append(Tool(name, tool.description, tool.parameters, tool.read_only))
    return _chosen(config, tuple(tools), routes)


def _chosen(config: SessionConfig, tools: tuple[Tool, ...], routes: Mapping[str, Route]) -> Offer:
    choice = config.tool_choice
    if isinstance(choice, str):
        return Offer(tools, choice, routes)
    if choice["type"] == "function":
        return Offer(tools, f"function:{choice.get('name')}", routes)
    label, wanted = choice["server_label"], choice.get("name")
    meant = {name for name, route in routes.items() if route.server.label == label and wanted in (None, route.tool)}
    if not meant:
        # Its server has not told yet, or has no such tool: whoever speaks is answered all the same.
        return Offer(tools, "auto", routes)
    if wanted is not None:
        return Offer(tools, f"function:{meant.pop()}", routes)
    return Offer(tuple(tool for tool in tools if tool.name in meant), "required", routes)


def _plain(name: str) -> str:
    return _NOT_IN_A_NAME.sub("_", name)[:_LONGEST_NAME] or "tool"


def _free(wished: str, taken: set[str]) -> str:
    name, number = wished, 2
    while name in taken:
        end = f"_{number}"
        name, number = wished[: _LONGEST_NAME - len(end)] + end, number + 1
    return name
