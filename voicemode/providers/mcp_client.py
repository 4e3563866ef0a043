"""One conversation's connection to a server of tools. Package ``mcp`` is loaded when the first one opens, off the loop."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import voicemode
from voicemode.dialogue_tools import Tool
from voicemode.providers.mcp_error import CLOSED, INVALID, TIMED_OUT, ToolServerError
from voicemode.providers.mcp_http import ANSWER_BYTES, HTTP_STATUS, TOO_MUCH, open_http
from voicemode.providers.mcp_output import MOST_TOOLS, cut, offered, output_of
from voicemode.providers.mcp_places import HttpPlace, StdioPlace
from voicemode.providers.mcp_stdio import open_stdio

if TYPE_CHECKING:
    from mcp import Client, MCPError
    from mcp.types import CallToolResult

__all__ = ["OPEN_S", "McpConnection"]

OPEN_S = 10.0
"""Seconds to connect and to say what there is, together. Desktop clients give a server as long."""
_CLOSE_S = 0.4
"""Seconds for a parting word; then the connection is dropped. Twice this is less than a call gives its tools to end."""
_LIFE_S = 1.0
"""Seconds in which one that left a request unanswered has to show that it lives; then it is replaced."""
_NO_SESSION = 404
"""It was started anew, and knows nothing of us."""
_MOST_PAGES = 16
_MESSAGE_CHARS = 500
_NOT_PARSED = -32700

_T = TypeVar("_T")


class McpConnection:
    """Opened when it is first needed, and again when it was lost. Close it."""

    def __init__(self, place: HttpPlace | StdioPlace, environ: Mapping[str, str], *, open_s: float = OPEN_S) -> None:
        """Opens nothing. ``environ`` is this process's own."""
        self._place, self._environ, self._open_s = place, environ, open_s
        self._line: _Line | None = None
        self._doubtful = False
        """A request was not answered in time: it may be stuck for good."""
        self._retired: list[_Line] = []
        """They are lost, but others may still wait for what they asked over them."""
        self._waiting = 0
        """Requests under way."""
        self._closed = False

    async def tools(self) -> tuple[Tool, ...]:
        """What it offers. Raises ToolServerError."""
        return await self._within(self._open_s, self._tools())

    async def call(self, name: str, arguments: Mapping[str, object], timeout_s: float) -> str:
        """What came of it. Raises ToolServerError; its kind tells a tool that failed from a server that did."""
        result = await self._within(timeout_s, self._call(name, arguments))
        output = await asyncio.to_thread(output_of, result)
        if result.is_error:
            detail = output or "the tool failed and does not say why"
            raise ToolServerError(self._place.label, detail, reason="tool_failed", kind="tool_execution_error", status=None)
        return output

    async def aclose(self) -> None:
        """No connection and no process of it is left. Idempotent."""
        self._closed = True
        self._retire()
        await self._close_retired()

    # -- requests

    async def _within(self, timeout_s: float, request: Coroutine[Any, Any, _T]) -> _T:
        self._waiting += 1
        try:
            async with asyncio.timeout(timeout_s):
                return await request
        except TimeoutError:
            self._doubtful = True
            detail = f"no answer within {timeout_s:g} s"
            raise ToolServerError(self._place.label, detail, reason="timeout", status=TIMED_OUT) from None
        except ToolServerError as error:
            if error.status in (CLOSED, _NO_SESSION):
                self._retire()
            raise
        finally:
            self._waiting -= 1
            if not self._waiting:
                await self._close_retired()

    async def _tools(self) -> tuple[Tool, ...]:
        from mcp.types import PaginatedRequestParams

        found: dict[str, Tool] = {}
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            line = await self._opened()
            page = await line.ask(line.client.session.list_tools(params=PaginatedRequestParams(cursor=cursor)))
            for tool in offered(page.tools):
                found.setdefault(tool.name, tool)
            cursor = page.next_cursor
            if not cursor or len(found) >= MOST_TOOLS:
                break
        return tuple(found.values())[:MOST_TOOLS]

    async def _call(self, name: str, arguments: Mapping[str, object]) -> CallToolResult:
        from mcp.types import CallToolRequest, CallToolRequestParams, CallToolResult

        line = await self._opened()
        # Not call_tool: it would check the answer with patterns that the server chose, which may take for ever.
        request = CallToolRequest(params=CallToolRequestParams(name=name, arguments=dict(arguments)))
        return await line.ask(line.client.session.send_request(request, CallToolResult))

    # -- the connection

    async def _opened(self) -> _Line:
        if self._closed:
            raise ToolServerError(self._place.label, "the conversation is over", reason="closed", status=CLOSED)
        if self._line is not None and (self._line.over or (self._doubtful and not await self._line.lives())):
            self._retire()
        self._doubtful = False
        if self._line is None:
            self._line = _Line(self._place, self._environ, self._open_s)
        line = self._line
        await line.opened()
        return line

    def _retire(self) -> None:
        """The next request finds a new one."""
        if self._line is not None:
            self._retired.append(self._line)
        self._line = None

    async def _close_retired(self) -> None:
        lines, self._retired = self._retired, []
        await asyncio.gather(*(line.aclose() for line in lines))


class _Line:
    """One connection: package ``mcp`` wants it opened and closed by the same task, which is kept here."""

    def __init__(self, place: HttpPlace | StdioPlace, environ: Mapping[str, str], open_s: float) -> None:
        self._place, self._environ, self._open_s = place, environ, open_s
        self._client: Client | None = None
        self._ready, self._leave = asyncio.Event(), asyncio.Event()
        self._error: ToolServerError | None = None
        self._problem = ""
        """Why a process is heard no more, where that is known."""
        self._owner = asyncio.create_task(self._run())

    @property
    def over(self) -> bool:
        return self._owner.done()

    @property
    def client(self) -> Client:
        assert self._client is not None  # noqa: S101 - it was opened
        return self._client

    async def opened(self) -> None:
        """Raises ToolServerError."""
        await self.ask(self._ready.wait())

    async def lives(self) -> bool:
        """Whether it still answers anything."""
        try:
            async with asyncio.timeout(_LIFE_S):
                await self.opened()
                await self.ask(self.client.session.list_tools())
        except (TimeoutError, ToolServerError):
            return False
        return True

    async def ask(self, request: Coroutine[Any, Any, _T]) -> _T:
        """Its answer. Raises ToolServerError, at the latest when the connection ends."""
        asking = asyncio.ensure_future(request)
        try:
            await asyncio.wait({asking, self._owner}, return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                try:
                    return asking.result()
                except Exception as error:  # noqa: BLE001  (the boundary: whatever a foreign server brings about is told as its failure)
                    raise self._told(error) from None
            raise self._error or self._lost()
        finally:
            if not asking.done():
                asking.cancel()
                await asyncio.wait({asking}, timeout=_CLOSE_S)
            asking.add_done_callback(_forget)

    async def aclose(self) -> None:
        self._leave.set()
        done, _ = await asyncio.wait({self._owner}, timeout=_CLOSE_S)
        if not done:
            self._owner.cancel()
            await asyncio.wait({self._owner}, timeout=_CLOSE_S)

    async def _run(self) -> None:
        try:
            async with contextlib.AsyncExitStack() as stack:
                async with asyncio.timeout(self._open_s):
                    await asyncio.to_thread(_load)
                    self._client = await stack.enter_async_context(_client(self._place, self._environ, self._note))
                self._ready.set()
                await self._leave.wait()
        except TimeoutError:
            detail = f"it did not open a session within {self._open_s:g} s"
            self._error = ToolServerError(self._place.label, detail, reason="timeout", status=TIMED_OUT)
        except Exception as error:  # noqa: BLE001  (as above; groups too)
            self._error = self._told(error)

    def _lost(self) -> ToolServerError:
        detail = self._problem or "the connection ended"
        return ToolServerError(self._place.label, detail, reason="connection_lost", status=CLOSED)

    def _note(self, problem: str) -> None:
        self._problem = problem

    def _told(self, error: Exception) -> ToolServerError:
        """What happened, without what the error quotes."""
        from mcp.shared.exceptions import MCPError

        for each in _leaves(error):
            if isinstance(each, ToolServerError):
                return each
            if isinstance(each, MCPError):
                return self._refused(each)
        if any("Closed" in type(each).__name__ or "Broken" in type(each).__name__ for each in _leaves(error)):
            return self._lost()
        detail = f"what it answered cannot be understood ({type(error).__name__})"
        return ToolServerError(self._place.label, detail, reason="bad_answer", status=INVALID)

    def _refused(self, error: MCPError) -> ToolServerError:
        status = error.data.get(HTTP_STATUS) if isinstance(error.data, dict) else None
        if isinstance(status, int):
            return ToolServerError(self._place.label, error.message, reason="http_error", kind="http_error", status=status)
        if error.code == CLOSED:
            detail = self._problem or _safe(error.message)
            return ToolServerError(self._place.label, detail, reason="connection_lost", status=CLOSED)
        if error.code == _NOT_PARSED:
            # The library's sentence has the answer in it.
            detail = TOO_MUCH if TOO_MUCH in error.message else "what it answered cannot be understood"
            return ToolServerError(self._place.label, detail, reason="bad_answer", status=error.code)
        return ToolServerError(self._place.label, _safe(error.message), reason="protocol_error", status=error.code)


def _load() -> None:
    """Half a second of imports, which would be heard if the loop did them."""
    for name in ("mcp", "mcp.client.streamable_http", "mcp.types"):
        importlib.import_module(name)
    for name in ("mcp.client", "mcp.shared"):
        # They log what is sent and answered, and errors with both in them.
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)


@contextlib.asynccontextmanager
async def _client(
    place: HttpPlace | StdioPlace, environ: Mapping[str, str], note: Callable[[str], None]
) -> AsyncIterator[Client]:
    from mcp import Client
    from mcp.client.streamable_http import streamable_http_client
    from mcp.types import Implementation

    about = Implementation(name="voicemode", version=voicemode.__version__)
    async with contextlib.AsyncExitStack() as stack:
        if isinstance(place, StdioPlace):
            transport: Any = open_stdio(place, environ, note)
        else:
            http = await stack.enter_async_context(await open_http(place))
            transport = streamable_http_client(place.url, http_client=http, max_sse_event_size=ANSWER_BYTES)
        yield await stack.enter_async_context(Client(transport, client_info=about, cache=None))


def _forget(task: asyncio.Future[Any]) -> None:
    """What came of it is nobody's concern any more."""
    if not task.cancelled():
        task.exception()


def _leaves(error: BaseException) -> list[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        return [leaf for each in error.exceptions for leaf in _leaves(each)]
    return [error]


def _safe(message: str) -> str:
    return cut("".join(c if c.isprintable() else " " for c in message[: 4 * _MESSAGE_CHARS]), _MESSAGE_CHARS)
