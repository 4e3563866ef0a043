"""``/v1/realtime``: a conversation, or a look at one that is under way, over WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from collections.abc import Callable
from typing import Any

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voicemode.http.calls import Calls, OpenCall
from voicemode.http.client_secrets import ClientSecret
from voicemode.http.errors import HttpError
from voicemode.http.faults import kind_and_place
from voicemode.http.guard import REALTIME_PATH, caller_of
from voicemode.http.processes import Processes
from voicemode.http.sessions import SessionWish, for_secret
from voicemode.http.websocket import CONNECTION, IN_A_ROW
from voicemode.runtime.realtime import INTERNAL, RealtimeCall
from voicemode.runtime.realtime_parts import Peer

__all__ = ["accept", "converse", "hold", "peer_of", "websocket_routes", "wish_of"]

_SUBPROTOCOL = "realtime"
_AHEAD_S = 60.0
"""So much sound of a client waits to be heard at most, besides one message."""
_AHEAD_POLL_S = 0.02
_REASON_BYTES = 123
"""RFC 6455, 5.5: a control frame has 125 bytes, of which two are the code."""
_FAULT = "internal error"
_ENDING_S = 4.0
"""A call that is told to end closes its peers by itself: three steps of a second, and one to spare."""

_log = logging.getLogger(__name__)


def websocket_routes(calls: Calls, processes: Processes) -> list[WebSocketRoute]:
    """The one route."""

    async def realtime(socket: WebSocket) -> None:
        call_id = socket.query_params.get("call_id", "")
        if call_id:
            await _sideband(socket, calls, call_id)
        else:
            await _conversation(socket, calls, processes)

    return [WebSocketRoute(REALTIME_PATH, realtime)]


async def _conversation(socket: WebSocket, calls: Calls, processes: Processes) -> None:
    caller = caller_of(socket.scope)
    wish = calls.named(wish_of(socket, caller.secret))
    extension = socket.scope["extensions"].get(CONNECTION)
    if extension is not None:
        with calls.places.one(caller.address), calls.watch(wish):
            here = calls.places.taken - 1 - processes.conversations
            over = processes.take(extension["connection"], wish, caller.address, here)
            if over is not None:
                await over
                return
    await converse(socket, calls, wish, caller.address)


async def converse(socket: WebSocket, calls: Calls, wish: SessionWish, address: str) -> None:
    """Hold a conversation, in this process. Raises HttpError when it cannot begin."""
    async with calls.open(wish, peer_of(socket), address, before=lambda: accept(socket)) as held:
        await hold(socket, held)


async def hold(socket: WebSocket, held: OpenCall) -> None:
    """Hand on what comes until the client goes or the conversation is over. A fault of ours closes it with 1011."""
    await _until_over(socket, held, held.call.received, held.running)


async def _sideband(socket: WebSocket, calls: Calls, call_id: str) -> None:
    held = calls.held(call_id)
    if held is None:
        raise HttpError(404, "call_not_found", "There is no call of that name.", param="call_id")
    await accept(socket)
    side = held.call.attach(peer_of(socket))
    over = asyncio.create_task(side.over())
    try:
        await _until_over(socket, held, side.received, over)
    finally:
        over.cancel()
        await side.leave()


async def _until_over(
    socket: WebSocket, held: OpenCall, received: Callable[[str | bytes], None], over: asyncio.Task[Any]
) -> None:
    """Hand on each message until the client goes or the conversation is over. A fault of ours closes it with 1011."""
    reading = asyncio.create_task(_read(socket, held.call, received))
    try:
        await asyncio.wait({reading, over, held.running}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        reading.cancel()
        await asyncio.wait({reading})
    if (error := _fault(reading)) is not None:
        _log.error("a call ended by %s", kind_and_place(error))
        held.call.end(INTERNAL, _FAULT)
        await asyncio.wait({held.running}, timeout=_ENDING_S)
    # A call that broke down has told nobody; what it was is logged where its place is given back.
    if error is not None or _fault(held.running) is not None:
        await _close(socket, INTERNAL, _FAULT)


def _fault(task: asyncio.Task[Any]) -> BaseException | None:
    """What a task ended by, if it was no end in order."""
    return task.exception() if task.done() and not task.cancelled() else None


async def _read(socket: WebSocket, call: RealtimeCall, received: Callable[[str | bytes], None]) -> None:
    def take(text: str) -> bool:
        if call.backlog_s > _AHEAD_S:
            return False
        received(text)
        return True

    extension = socket.scope["extensions"].get(CONNECTION)
    if extension is not None:
        extension["connection"].taker = take  # until the connection ends: a call that is over passes over what it receives
    for number in itertools.count(1):
        message = await socket.receive()
        if message["type"] == "websocket.disconnect":
            return
        text = message.get("text")
        received(text if text is not None else message.get("bytes") or b"")
        if number % IN_A_ROW == 0:
            await asyncio.sleep(0)  # a client that sends without pause must not keep the others waiting
        while call.backlog_s > _AHEAD_S:  # noqa: ASYNC110  (nor fill the memory: nothing more is read until it is asked for)
            await asyncio.sleep(_AHEAD_POLL_S)


def peer_of(socket: WebSocket) -> Peer:
    """The call's view of it."""

    async def send(frame: str | bytes) -> None:
        await (socket.send_text(frame) if isinstance(frame, str) else socket.send_bytes(frame))

    async def end(code: int, reason: str) -> None:
        await _close(socket, code, reason)

    return Peer(send, end)


async def _close(socket: WebSocket, code: int, reason: str) -> None:
    if socket.client_state is WebSocketState.CONNECTED and socket.application_state is WebSocketState.CONNECTED:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it went a moment ago
            await socket.close(code, reason.encode()[:_REASON_BYTES].decode(errors="ignore"))


async def accept(socket: WebSocket) -> None:
    """Let the client in."""
    await socket.accept(_SUBPROTOCOL if _SUBPROTOCOL in socket.scope.get("subprotocols", []) else None)


def wish_of(socket: WebSocket, secret: ClientSecret | None) -> SessionWish:
    """What address and headers ask for, and what the secret was made for. Raises HttpError."""
    intent = socket.query_params.get("intent", "")
    if intent not in ("", "transcription", "realtime"):
        raise HttpError(400, "invalid_value", "It is 'transcription', or absent.", param="intent")
    wish = SessionWish(
        kind="transcription" if intent == "transcription" else "realtime",
        model=socket.query_params.get("model", "")[:200],
        beta="realtime=v1" in socket.headers.get("openai-beta", ""),
    )
    return wish if secret is None else for_secret(wish, secret.wish)
