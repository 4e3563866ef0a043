"""The line between agents and pages, where one of them does not read what it is sent."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest
from starlette.websockets import WebSocket

from voicemode.http.page_line import _BACKLOG_BYTES, _End

pytestmark = pytest.mark.anyio


class Stuck:
    """A connection that lives and takes nothing: its answers to pings are its computer's."""

    def __init__(self) -> None:
        self.closed: list[int] = []

    async def receive(self) -> dict[str, Any]:
        await asyncio.Event().wait()
        return {}

    async def send_bytes(self, _: bytes) -> None:
        await asyncio.Event().wait()

    async def close(self, code: int) -> None:
        self.closed.append(code)


async def test_an_end_that_takes_nothing_is_closed() -> None:
    """Its place, and the page that it holds, are somebody else's then; and no more waits for it than is allowed."""
    socket = Stuck()
    end = _End(cast("WebSocket", socket))
    running = asyncio.create_task(end.run(lambda _: None))
    await asyncio.sleep(0)
    for _ in range(_BACKLOG_BYTES // 60_000 + 2):
        end.pass_on(bytes(60_000))
        await asyncio.sleep(0)
    async with asyncio.timeout(5):
        await running
    assert socket.closed == [1013]
