"""The listening side: one socket, uvicorn behind it, and signals: the first one drains, the second one ends at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from voicemode.errors import RequestError, SettingsError
from voicemode.http.faults import log_without_words
from voicemode.providers.address import is_loopback
from voicemode.settings import Settings

__all__ = ["FRAME_BYTES", "Listening", "end_soon", "listen", "serve"]

FRAME_BYTES = 16 << 20
"""Of one WebSocket message: the protocol's 15 MiB of base64 in one append, and what is around it. Longer ones: 1009."""
_FEW_MESSAGES, _SMALL_BYTES = 16, 16 << 10
"""So much of one client waits at most while more is read: 256 KiB, or 0.3 s of a browser's sound."""
_PING_S = 20.0
"""A client that vanished is noticed after twice this long."""
_KEEP_ALIVE_S = 75
"""Longer than clients keep idle connections, so that the client is the one to close."""
_QUIET_S = 0.25
"""Without data for so long, a client has read why it is closed: what is still on its way comes within a round trip."""
_FLUSH_S = 2.0
"""How long a client may take to read what was sent before its conversation ended."""
_CLEANUP_S = 1.0
_END_S = 1.8
"""Seconds after the drain until the process is gone, whatever hangs: two are allowed."""
_HEAD_BYTES = 64 << 10
"""Of a request's line and headers."""


class Listening:
    """A bound address."""

    def __init__(self, listener: socket.socket) -> None:
        self.socket = listener
        host, self.port = listener.getsockname()[:2]
        self.address = f"[{host}]" if ":" in host else host


def listen(settings: Settings, host: str, port: int) -> Listening:
    """Bind the address, before anything is loaded in vain. Raises SettingsError, RequestError."""
    if not is_loopback(host) and not settings.serve_allow_remote:
        raise _reachable(host)
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # What "localhost" means is written in a file of the machine.
        if not is_loopback(str(address[0])) and not settings.serve_allow_remote:
            raise _reachable(host)
        listener = socket.socket(family, kind, protocol)
        try:
            if sys.platform != "win32":  # there it would let another program take the port
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(2048)
        except OSError:
            listener.close()
            raise
    except OSError as error:
        raise RequestError("--port", f"cannot listen on {host[:80]}:{port}: {error.strerror or error}") from error
    return Listening(listener)


def _reachable(host: str) -> SettingsError:
    return SettingsError(
        "VOICEMODE_SERVE_HOST",
        f"others can reach '{host[:80]}', and VOICEMODE_SERVE_ALLOW_REMOTE (or --allow-remote) is not set",
        "127.0.0.1, ::1 or localhost",
        "this start",
    )


class _WebSocket(WebSocketsSansIOProtocol):
    """uvicorn's, with three differences.

    It reads on while only little waits for us. uvicorn stops reading at each message and starts again when that was taken: two
    requests to the system for 20 ms of sound.

    Who sends too much, or no WebSocket, hears the close code. Closing a connection that still brings data resets it, and the
    client reports that instead of 1009. So what comes is thrown away until nothing more comes, ``close_timeout`` at most.

    Who does not read is cut off. Closing a connection waits until all was sent, for ever if nobody reads.
    """

    _failed_at: float | None = None
    """When the client was told; None as long as it keeps to the protocol."""

    def send_receive_event_to_app(self) -> None:
        few = self.queue.qsize() < _FEW_MESSAGES and sum(map(len, self.frames)) < _SMALL_BYTES
        if self.read_paused or not few:
            super().send_receive_event_to_app()
            return
        self.read_paused = True  # uvicorn stops reading unless it has already
        try:
            super().send_receive_event_to_app()
        finally:
            self.read_paused = False

    def handle_parser_exception(self) -> None:
        close = self.conn.close_sent
        assert close is not None  # noqa: S101  (the protocol has just failed, and says so to the client)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": close.code, "reason": close.reason})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        if self.read_paused:
            self.read_paused = False
            self.transport.resume_reading()
        self._failed_at = self.loop.time()
        self._close_when_quiet()

    def data_received(self, data: bytes) -> None:
        if self._failed_at is None:
            super().data_received(data)
        else:
            self._close_when_quiet()

    def on_task_complete(self, task: asyncio.Task[None]) -> None:
        super().on_task_complete(task)
        if not self.disconnected:
            self.loop.call_later(_FLUSH_S, self._cut_off)

    def _cut_off(self) -> None:
        if not self.disconnected and self.transport.get_write_buffer_size():
            self.transport.abort()

    def _close_when_quiet(self) -> None:
        if self.close_timer is not None:
            self.close_timer.cancel()
        left_s = (self._failed_at or 0.0) + self.close_timeout - self.loop.time()
        self.close_timer = self.loop.call_later(min(_QUIET_S, max(left_s, 0.0)), self.transport.close)


class _Server(uvicorn.Server):
    """Signals are ours."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    app: ASGIApp,
    listening: Listening,
    *,
    drain: Callable[[], Awaitable[None]],
    started: Callable[[], None],
    ended: Callable[[], Awaitable[None]],
    leaving: Callable[[], None] = lambda: None,
) -> None:
    """Serve until the first signal, then ``drain``, then ``ended`` frees everything. A second signal ends the process.

    ``leaving`` is called after the drain.
    """
    server = _Server(_config(app))
    stop = asyncio.Event()
    asyncio.get_running_loop().set_exception_handler(log_without_words)
    with _signals(stop):
        serving = asyncio.create_task(server.serve(sockets=[listening.socket]))
        stopping = asyncio.create_task(stop.wait())
        while not server.started and not serving.done():  # noqa: ASYNC110  (uvicorn has no event for it)
            await asyncio.sleep(0.005)
        if not serving.done():
            started()
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not serving.done():
            await drain()
            leaving()
            server.should_exit = True
        await serving
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLEANUP_S):
                await ended()


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        ws=_WebSocket,
        lifespan="off",
        log_config=None,
        log_level="warning",  # below it, each frame is logged with what is said in it, and each header with its key
        access_log=False,  # what was asked and said is nobody's business
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=1,
        server_header=False,
        proxy_headers=False,  # X-Forwarded-For changes nothing here, so nobody needs to be believed
        h11_max_incomplete_event_size=_HEAD_BYTES,
        http="h11",  # one parser everywhere: httptools, where it happens to be installed, is another one
        ws_max_size=FRAME_BYTES,
        ws_ping_interval=_PING_S,
        ws_ping_timeout=_PING_S,
        ws_per_message_deflate=False,  # a small message could become a large one
    )


@contextlib.contextmanager
def _signals(stop: asyncio.Event) -> Iterator[None]:
    loop = asyncio.get_running_loop()

    def stopped(number: int) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        try:
            loop.add_signal_handler(number, stopped, number)
        except NotImplementedError:  # Windows
            signal.signal(number, lambda number, _: loop.call_soon_threadsafe(stopped, number))
    try:
        yield
    finally:
        for number in numbers:
            with contextlib.suppress(NotImplementedError):
                loop.remove_signal_handler(number)


def end_soon() -> None:
    """End the process regardless, a little later: Python waits for every thread, and one may be stuck in an engine."""
    timer = threading.Timer(_END_S, os._exit, (0,))
    timer.daemon = True
    timer.start()
