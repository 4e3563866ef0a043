"""A server with a page's line, a browser that was let in, and an agent's end of the line."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from tests.http.serving import TOKEN, Served, served
from voicemode.http.page_line import PageLines
from voicemode.http.page_visitors import COOKIE, PageVisitors
from voicemode.transports.page_line import PageLine


@pytest.fixture
def visitors() -> PageVisitors:
    return PageVisitors()


@pytest.fixture
async def server(visitors: PageVisitors) -> AsyncIterator[Served]:
    lines = PageLines(visitors.new_key)
    async with served(access={"visitors": visitors}, more=lines.routes()) as server:
        yield server
        lines.aclose()


@pytest.fixture
def headers(server: Served, visitors: PageVisitors) -> dict[str, str]:
    """Of a browser that a link has let in."""
    return {"Cookie": f"{COOKIE}_1={visitors.admit(visitors.new_key())}", "Origin": server.url}


@pytest.fixture
async def line(server: Served) -> AsyncIterator[PageLine]:
    line = PageLine(server.netloc, SecretStr(TOKEN), "Claude", grace_s=1.0)
    yield line
    await line.aclose()
