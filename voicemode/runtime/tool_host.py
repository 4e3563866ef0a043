"""Who asks servers of tools on behalf of one conversation. A server that hangs keeps nobody waiting but who asked it.

Connections are opened when they are needed and closed with the conversation. The label ``voicemode`` is no server: its tools
are functions of this process.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from voicemode.dialogue_tools import (
    CallServerTool,
    CancelServerTool,
    ListServerTools,
    ServerToolDone,
    ServerToolFailed,
    ServerToolsFailed,
    ServerToolsListed,
    Tool,
    ToolHostCommand,
    ToolHostReport,
    ToolServer,
    Word,
)
from voicemode.providers.mcp_client import OPEN_S, McpConnection
from voicemode.providers.mcp_error import INVALID, ToolServerError
from voicemode.providers.mcp_places import BUILT_IN, McpPlaces

__all__ = ["Functions", "MakeFunctions", "McpToolHost", "ToolHostOptions"]

_AT_ONCE = 32
"""Requests of one conversation under way."""
_SERVERS = 16
"""Connections of one conversation."""
_NO_FUNCTIONS = "VOICEMODE_JOB_COMMAND is not set, so that there is nothing to call"

_log = logging.getLogger(__name__)

_Key: TypeAlias = tuple[str, str, str, tuple[tuple[str, str], ...]]


class Functions(Protocol):
    """Tools of this process."""

    @property
    def tools(self) -> tuple[Tool, ...]: ...

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        """What came of it. Raises ToolServerError."""

    async def aclose(self) -> None:
        """The conversation is over. Idempotent."""


MakeFunctions: TypeAlias = Callable[[Callable[[str], None]], Functions]
"""Given what is to be told of something that came up beside the conversation."""


@dataclass(frozen=True, slots=True)
class ToolHostOptions:
    """What all conversations share."""

    places: McpPlaces
    call_s: float
    """Seconds a tool may take."""
    open_s: float = OPEN_S


class McpToolHost:
    """One per conversation: a ``ToolHost``."""

    def __init__(
        self,
        options: ToolHostOptions,
        environ: Mapping[str, str],
        report: Callable[[ToolHostReport], None],
        make_functions: MakeFunctions | None = None,
    ) -> None:
        """Opens nothing and starts nothing. ``environ`` is this process's own, of which servers get the allowed part."""
        self._options, self._environ, self._report = options, environ, report
        self._functions = make_functions(self._word) if make_functions is not None else None
        self._connections: dict[_Key, McpConnection] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        """By item; ids are unique within a conversation."""
        self._closed = False

    def command(self, command: ToolHostCommand) -> None:
        """Do it; returns at once, and reports later."""
        if self._closed:
            return
        match command:
            case ListServerTools():
                self._start(command.item_id, self._list(command))
            case CallServerTool():
                self._start(command.item_id, self._call(command))
            case CancelServerTool():
                task = self._tasks.pop(command.item_id, None)
                if task is not None:
                    task.cancel()

    async def aclose(self) -> None:
        """Give up what runs for this conversation: requests, connections, processes and jobs. Idempotent."""
        self._closed = True
        for task in self._tasks.values():
            task.cancel()
        closing = [each.aclose() for each in self._connections.values()]
        if self._functions is not None:
            closing.append(self._functions.aclose())
        self._connections.clear()
        await asyncio.gather(*closing, return_exceptions=True)

    # -- requests

    def _start(self, item_id: str, request: Coroutine[Any, Any, None]) -> None:
        task = self._tasks[item_id] = asyncio.get_running_loop().create_task(request)

        def over(done: asyncio.Task[None]) -> None:
            if self._tasks.get(item_id) is done:
                del self._tasks[item_id]

        task.add_done_callback(over)

    async def _list(self, command: ListServerTools) -> None:
        try:
            tools = await self._tools(command.server)
        except ToolServerError as error:
            _log.info("a server of tools told nothing: %s", error.reason)
            self._tell(ServerToolsFailed(command.item_id, error.reason, str(error)))
        except Exception as error:  # noqa: BLE001  (the boundary: nothing that a server brings about may end the conversation)
            _log.error("a server of tools was not asked: %s", type(error).__name__)
            self._tell(ServerToolsFailed(command.item_id, "internal_error", "The server could not be asked."))
        else:
            self._tell(ServerToolsListed(command.item_id, tools))

    async def _call(self, command: CallServerTool) -> None:
        try:
            output = await self._output(command)
        except ToolServerError as error:
            _log.info("a tool brought nothing: %s", error.reason)
            # What a tool says of its own failure is passed on as it is: it is for whoever called it.
            message = error.detail if error.kind == "tool_execution_error" else str(error)
            self._tell(ServerToolFailed(command.item_id, error.kind, message, error.status))
        except Exception as error:  # noqa: BLE001  (as above)
            _log.error("a tool was not called: %s", type(error).__name__)
            self._tell(ServerToolFailed(command.item_id, "protocol_error", "The tool could not be called.", INVALID))
        else:
            self._tell(ServerToolDone(command.item_id, output))

    async def _tools(self, server: ToolServer) -> tuple[Tool, ...]:
        if _is_built_in(server):
            if self._functions is None:
                raise ToolServerError(server.label, _NO_FUNCTIONS, reason="no_tools")
            return self._functions.tools
        return await self._connection(server).tools()

    async def _output(self, command: CallServerTool) -> str:
        arguments = _arguments(command)
        if _is_built_in(command.server):
            if self._functions is None:
                raise ToolServerError(command.server.label, _NO_FUNCTIONS, reason="no_tools")
            return await self._functions.call(command.name, arguments)
        return await self._connection(command.server).call(command.name, arguments, self._options.call_s)

    def _connection(self, server: ToolServer) -> McpConnection:
        if len(self._tasks) > _AT_ONCE:
            raise ToolServerError(server.label, f"more than {_AT_ONCE} requests are under way", reason="too_many")
        key = (server.label, server.url, server.authorization, tuple(sorted(server.headers.items())))
        if key not in self._connections:
            place = self._options.places.find(server)
            if len(self._connections) >= _SERVERS:
                raise ToolServerError(server.label, f"there are {_SERVERS} servers in this conversation", reason="too_many")
            self._connections[key] = McpConnection(place, self._environ, open_s=self._options.open_s)
        return self._connections[key]

    def _word(self, text: str) -> None:
        self._tell(Word(text))

    def _tell(self, report: ToolHostReport) -> None:
        if not self._closed:
            self._report(report)


def _is_built_in(server: ToolServer) -> bool:
    return server.label == BUILT_IN and not server.url


def _arguments(command: CallServerTool) -> Mapping[str, object]:
    """Raises ToolServerError when they are no JSON object."""
    try:
        arguments = json.loads(command.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    if not isinstance(arguments, dict):
        raise ToolServerError(command.server.label, "the arguments are no JSON object", reason="bad_arguments", status=-32602)
    return arguments
