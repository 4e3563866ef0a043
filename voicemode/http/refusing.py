"""Saying no over HTTP and before a WebSocket, so that the answer arrives whatever the client is still sending."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

from starlette.types import Receive, Scope, Send

from voicemode.http.errors import HttpError

__all__ = ["AUTHENTICATION", "POLICY", "refuse"]

POLICY = 1008
"""The close code for whoever may not come in: RFC 6455, 7.4.1."""
AUTHENTICATION = frozenset({401})
_DRAIN_S = 5.0
"""How long a refused upload is read and thrown away. Closing at once would reset the connection, and most clients would then
report that instead of the answer."""


async def refuse(
    scope: Scope, receive: Receive | None, send: Send, error: HttpError, headers: Mapping[str, str] | None = None
) -> None:
    """Answer with the error. ``receive`` gives the rest of the body; None when there is none."""
    if scope["type"] == "websocket":
        if error.status in AUTHENTICATION and receive is not None and "realtime" in scope.get("subprotocols", []):
            await _refuse_page(receive, send, error)
        else:
            await _answer(send, "websocket.http", error, headers or {})
        return
    await _answer(send, "http", error, headers or {}, receive)


async def _answer(send: Send, kind: str, error: HttpError, headers: Mapping[str, str], receive: Receive | None = None) -> None:
    body = error.body
    fields = {**error.headers, **headers, "content-length": str(len(body)), "connection": "close"}
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": f"{kind}.response.start", "status": error.status, "headers": pairs})
    await send({"type": f"{kind}.response.body", "body": body, "more_body": True})
    if receive is not None:
        await _drain(receive)
    await send({"type": f"{kind}.response.body", "body": b"", "more_body": False})


async def _refuse_page(receive: Receive, send: Send, error: HttpError) -> None:
    """A page in a browser never sees the status of a refused WebSocket: let it in to be told, then close with 1008."""
    message = await receive()
    if message["type"] != "websocket.connect":
        return
    await send({"type": "websocket.accept", "subprotocol": "realtime"})
    event = {"type": "error", "event_id": "event_refused", "error": {**error.error, "event_id": None}}
    await send({"type": "websocket.send", "text": json.dumps(event)})
    await send({"type": "websocket.close", "code": POLICY, "reason": error.code})


async def _drain(receive: Receive) -> None:
    try:
        async with asyncio.timeout(_DRAIN_S):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        return
