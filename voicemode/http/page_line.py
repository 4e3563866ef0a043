"""``/api/page/line``: joins agents' processes and the pages that are their sound cards. One agent at a time; others wait.

Whoever comes with the installation's token is an agent's process, whoever comes with a page's cookie is a page. What they say
to one another is passed on as it is; who may speak to whom is decided here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect

from voicemode.http.errors import HttpError
from voicemode.http.guard import caller_of
from voicemode.wire.page_line import (
    MOST_BYTES,
    Begin,
    End,
    Give,
    Granted,
    LineError,
    Message,
    NoPage,
    PageLeft,
    Ready,
    Ring,
    Ringing,
    Take,
    Unready,
    Waiting,
    decode,
    encode,
)

__all__ = ["LINE_PATH", "PageLines"]

LINE_PATH = "/api/page/line"
_MOST = 64
"""Agents, and pages, at the same time: a person has some windows of some editors, and some tabs."""
_BACKLOG_BYTES = 4 << 20
"""Two minutes of a microphone. Whoever takes nothing for so long is gone, whatever their connection says."""
_NAME = 80
"""Characters of a name that are passed on."""
_UNSUPPORTED, _TOO_BIG, _AGAIN, _GOING = 1003, 1009, 1013, 1001
_CLOSE_S = 1.0

_log = logging.getLogger(__name__)


class _End:
    """One end of the line: a page, or an agent's process."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._waiting: deque[str | bytes] = deque()
        self._bytes = 0
        self._more = asyncio.Event()
        self._over: int | None = None
        """The code to close with; None while it is open."""
        self._closed = asyncio.Event()
        self.name = ""
        self.ready = False
        """Of a page: may agents talk?"""

    def tell(self, message: Message) -> None:
        self.pass_on(encode(message))

    def pass_on(self, frame: str | bytes) -> None:
        """Returns at once. An end that takes nothing is closed."""
        self._bytes += len(frame)
        if self._bytes > _BACKLOG_BYTES:
            self.close(_AGAIN)
            return
        self._waiting.append(frame)
        self._more.set()

    def close(self, code: int) -> None:
        if self._over is None:
            self._over = code
            self._closed.set()

    async def run(self, received: Callable[[str | bytes], None]) -> None:
        """Until it goes, or is closed. Raises nothing of the connection."""
        reading, writing = asyncio.create_task(self._read(received)), asyncio.create_task(self._write())
        closed = asyncio.create_task(self._closed.wait())  # whoever takes nothing keeps the writing waiting
        try:
            await asyncio.wait({reading, writing, closed}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (reading, writing, closed):
                task.cancel()
            await asyncio.gather(reading, writing, closed, return_exceptions=True)
        if self._over is not None:
            with contextlib.suppress(Exception):  # whoever does not take anything does not take a good-bye either
                async with asyncio.timeout(_CLOSE_S):
                    await self._socket.close(self._over)
        if not reading.cancelled() and (fault := reading.exception()) is not None:
            raise fault

    async def _read(self, received: Callable[[str | bytes], None]) -> None:
        while True:
            frame = await self._socket.receive()
            if frame["type"] == "websocket.disconnect":
                return
            content: str | bytes = frame.get("bytes") or frame.get("text") or ""
            if len(content) > MOST_BYTES:
                self.close(_TOO_BIG)
                return
            try:
                received(content)
            except LineError as error:
                _log.info("a line is closed: %s", error)
                self.close(_UNSUPPORTED)
                return

    async def _write(self) -> None:
        while True:
            await self._more.wait()
            self._more.clear()
            while self._waiting:
                frame = self._waiting.popleft()
                self._bytes -= len(frame)
                try:
                    await (self._socket.send_text(frame) if isinstance(frame, str) else self._socket.send_bytes(frame))
                except (WebSocketDisconnect, RuntimeError, OSError):  # it has gone; reading finds out as well
                    return


class PageLines:
    """All of them; one per server."""

    def __init__(self, new_key: Callable[[], str]) -> None:
        """``new_key`` makes the key of a link to the page, which works once."""
        self._new_key = new_key
        self._pages: list[_End] = []
        """The newest last."""
        self._agents: list[_End] = []
        self._wanting: list[_End] = []
        """Agents that asked for a page and have none yet, the first one first."""
        self._holder: _End | None = None
        self._page: _End | None = None
        """The one the holder talks through; None without a holder, and while it is gone."""

    @property
    def busy(self) -> bool:
        """Is anybody there?"""
        return bool(self._pages or self._agents)

    def routes(self) -> list[WebSocketRoute]:
        return [WebSocketRoute(LINE_PATH, self._hold)]

    def aclose(self) -> None:
        """Tell all that the server ends. Idempotent."""
        for end in (*self._pages, *self._agents):
            end.close(_GOING)

    async def _hold(self, socket: WebSocket) -> None:
        if not caller_of(socket.scope).trusted:
            raise HttpError(403, "client_secret_not_allowed", "A client secret does not open this line.")
        agent = "authorization" in socket.headers
        ends = self._agents if agent else self._pages
        if len(ends) >= _MOST:
            raise HttpError(503, "server_full", "All places for this line are taken.", retry_after_s=_CLOSE_S)
        await socket.accept()
        end = _End(socket)
        ends.append(end)
        if not agent:
            self._ring(end)
        try:
            await end.run(lambda frame: (self._of_agent if agent else self._of_page)(end, frame))
        finally:
            ends.remove(end)
            (self._agent_left if agent else self._page_left)(end)

    # -- agents

    def _of_agent(self, agent: _End, frame: str | bytes) -> None:
        message = decode(frame) if isinstance(frame, str) else None
        match message:
            case Take(agent=name):
                agent.name = _clean(name) or "An agent"
                if agent is self._holder or agent in self._wanting:
                    return
                self._wanting.append(agent)
                self._answer(agent)
            case Give():
                self._agent_left(agent)
            case _ if agent is self._holder and self._page is not None:
                self._page.pass_on(frame)
            case _:
                pass  # its page has just gone

    def _answer(self, agent: _End) -> None:
        """What an agent that asks is told."""
        if self._holder is not None:
            agent.tell(Waiting(self._holder.name))
        elif not self._pages:
            self._wanting.remove(agent)
            agent.tell(NoPage(self._new_key()))
        elif self._ready_page() is None:
            agent.tell(Ringing())
            self._ring()
        else:
            self._grant_next()

    def _agent_left(self, agent: _End) -> None:
        if agent in self._wanting:
            self._wanting.remove(agent)
            self._ring()
        if agent is not self._holder:
            return
        page, self._holder, self._page = self._page, None, None
        if page is not None:
            page.tell(End())
        self._grant_next()

    def _grant_next(self) -> None:
        """Give the page to whoever holds it without one, or waits for it."""
        page = self._ready_page()
        if self._holder is None and self._wanting and (page is not None or not self._pages):
            if page is None:
                for agent in tuple(self._wanting):
                    self._answer(agent)
                return
            self._holder = self._wanting.pop(0)
            for agent in self._wanting:
                agent.tell(Waiting(self._holder.name))
        if self._holder is not None and self._page is None and page is not None:
            self._page = page
            self._holder.tell(Granted(page.name))
            page.tell(Begin(self._holder.name))
        self._ring()

    # -- pages

    def _of_page(self, page: _End, frame: str | bytes) -> None:
        message = decode(frame) if isinstance(frame, str) else None
        match message:
            case Ready(page=name):
                page.name, page.ready = _clean(name), True
                self._grant_next()
            case Unready():
                page.ready = False
                self._page_left(page)
            case _ if page is self._page and self._holder is not None:
                self._holder.pass_on(frame)
            case _:
                pass  # its agent has just gone

    def _page_left(self, page: _End) -> None:
        page.ready = False
        if page is self._page and self._holder is not None:
            self._page = None
            page.tell(End())
            self._holder.tell(PageLeft())
        self._grant_next()

    def _ready_page(self) -> _End | None:
        return next((page for page in reversed(self._pages) if page.ready), None)

    def _ring(self, *pages: _End) -> None:
        """Pages that are not ready say who would talk."""
        wants = self._holder if self._holder is not None and self._page is None else next(iter(self._wanting), None)
        name = wants.name if wants is not None and self._ready_page() is None else ""
        for page in pages or self._pages:
            if not page.ready:
                page.tell(Ring(name))


def _clean(name: str) -> str:
    return "".join(letter for letter in name if letter.isprintable())[:_NAME]
