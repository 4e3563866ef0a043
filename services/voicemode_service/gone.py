"""Work for a client that may leave: it ends when the client does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Mapping
from contextlib import AsyncExitStack, aclosing
from typing import Any, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

__all__ = ["ClientGoneError", "Streamed", "unless_gone"]

T = TypeVar("T")


class ClientGoneError(Exception):
    """Nobody is there to be answered."""


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, T]) -> T:
    """Do it, or cancel it when the client leaves and raise ClientGoneError. The request's body must have been read.

    Starlette's own way cancels through an anyio scope, which repeats itself on every turn of the loop while a thread of the
    engine cannot be stopped, and so takes the processor from the very engine it waits for. This one cancels once.
    """
    working, leaving = asyncio.create_task(work), asyncio.create_task(_left(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise ClientGoneError
    finally:
        for task in (working, leaving):
            task.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class Streamed(Response):
    """An answer made while it is sent. What it needs is given back whether or not a byte of it was ever wanted."""

    def __init__(
        self,
        content: AsyncIterator[bytes],
        *,
        owned: AsyncExitStack,
        media_type: str,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """``owned`` is closed at the end. An exception of ``content`` breaks the answer off: no client takes it for whole."""
        self.media_type, self.status_code, self.background = media_type, 200, None
        self.body = b""
        self._content, self._owned = content, owned
        self.init_headers(dict(headers or {}))
        self.raw_headers = [(name, value) for name, value in self.raw_headers if name != b"content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002
        async with self._owned:
            try:
                await unless_gone(receive, self._all(send))
            except ClientGoneError:
                return

    async def _all(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._content) as content:  # type: ignore[type-var]
            async for chunk in content:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
