"""A server of tools in a process of its own, as a transport for the client of package ``mcp``: a message is a line.

Its environment is an allow-list, what it writes to standard error goes nowhere, and its end is that of its process group.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TYPE_CHECKING, Any

from voicemode.engines.child_env import child_environment
from voicemode.engines.command_error import CommandError
from voicemode.engines.command_process import CommandProcess
from voicemode.providers.mcp_error import CLOSED, ToolServerError
from voicemode.providers.mcp_http import ANSWER_BYTES, TOO_MUCH
from voicemode.providers.mcp_places import StdioPlace

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
    from mcp.shared.message import SessionMessage

__all__ = ["open_stdio"]

_GRACE_S = 0.3
"""Seconds that a server has to end by itself once its input was closed."""
_EVER_S = 1e9


@contextlib.asynccontextmanager
async def open_stdio(
    place: StdioPlace, environ: Mapping[str, str], note: Callable[[str], None]
) -> AsyncIterator[tuple[Any, Any]]:
    """What it says and what it is told, until its process is ended with the block. ``environ`` is this process's own.

    ``note`` is told why it is heard no more, if that is not its own doing.

    Raises ToolServerError.
    """
    import anyio  # with package mcp, which is loaded by now

    named = {name: environ[name] for name in place.names if name in environ}
    try:
        process = await CommandProcess.start(place.label, place.argv, child_environment(environ) | named, stdin=True)
    except CommandError as error:
        raise ToolServerError(place.label, error.detail, reason="connection_failed", status=CLOSED) from None
    said_in, said = anyio.create_memory_object_stream["SessionMessage | Exception"](0)
    told, told_out = anyio.create_memory_object_stream["SessionMessage"](0)
    tasks = [asyncio.create_task(_listen(process, said_in, note)), asyncio.create_task(_tell(process, told_out))]
    try:
        yield said, told
    finally:
        for task in tasks:
            task.cancel()
        ending = asyncio.ensure_future(_end(process, tasks))
        try:
            await asyncio.shield(ending)
        except asyncio.CancelledError:
            await process.stop(0.0)
            raise
        finally:
            for stream in (said_in, said, told, told_out):
                stream.close()


async def _end(process: CommandProcess, tasks: list[asyncio.Task[None]]) -> None:
    await asyncio.wait(tasks)
    process.end_input()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE_S):
            await process.exited()
    await process.stop(0.0)


async def _listen(
    process: CommandProcess, said: MemoryObjectSendStream[SessionMessage | Exception], note: Callable[[str], None]
) -> None:
    from mcp.shared.message import SessionMessage
    from mcp.types import jsonrpc_message_adapter

    rest = bytearray()
    async with said:
        while data := await process.read(_EVER_S):
            rest += data
            if len(rest) > ANSWER_BYTES:
                note(TOO_MUCH)
                return
            if b"\n" not in data:
                continue
            *lines, last = bytes(rest).split(b"\n")
            rest = bytearray(last)
            for line in lines:
                # A line that is no message is passed over, as what a library prints.
                with contextlib.suppress(ValueError):
                    await said.send(SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False)))


async def _tell(process: CommandProcess, told: MemoryObjectReceiveStream[SessionMessage]) -> None:
    async with told:
        async for each in told:
            process.write(each.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
