"""A web server on a loopback port that can be closed and opened again."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

__all__ = ["Port"]

KEEP_ALIVE_S = 5
"""What uvicorn does by default, and so most local services."""


class Port:
    """The number is chosen once and kept."""

    def __init__(self, app: ASGIApp, number: int = 0) -> None:
        """``number`` is the port; 0 takes any free one."""
        self._app, self.number = app, number
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Idempotent."""
        if self._serving is not None:
            return
        # Named, because asyncio turns Nagle's algorithm off only for what calls itself TCP; it costs 40 ms an answer.
        listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", self.number))
        self.number = listening.getsockname()[1]
        config = uvicorn.Config(
            self._app,
            log_level="critical",
            access_log=False,
            server_header=False,
            lifespan="off",
            ws="websockets-sansio",
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=1,
        )
        self._server = _Quiet(config)
        self._serving = asyncio.create_task(self._server.serve(sockets=[listening]))
        while not self._server.started:
            await asyncio.sleep(0.005)

    async def close(self) -> None:
        """Refuse connections and drop the open ones. Idempotent."""
        if self._serving is None or self._server is None:
            return
        self._server.should_exit = self._server.force_exit = True
        await self._serving
        self._serving = self._server = None


class _Quiet(uvicorn.Server):
    """Several run in one process, so none may take its signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
