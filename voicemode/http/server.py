"""The listening side: one socket, uvicorn behind it, and signals: the first one drains, the second one ends at once."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import uvicorn
from starlette.types import ASGIApp

from voicemode.errors import RequestError, SettingsError
from voicemode.http.faults import log_without_words
from voicemode.http.websocket import WebSocketConnection
from voicemode.providers.address import is_loopback
from voicemode.settings import Settings

__all__ = ["FRAME_BYTES", "Listening", "Server", "Tls", "end_soon", "listen", "serve", "server_config", "tls_of"]

FRAME_BYTES = 16 << 20
"""Of one WebSocket message: the protocol's 15 MiB of base64 in one append, and what is around it. Longer ones: 1009."""
_PING_S = 20.0
"""A client that vanished is noticed after twice this long."""
_KEEP_ALIVE_S = 75
"""Longer than clients keep idle connections, so that the client is the one to close."""
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


@dataclass(frozen=True, slots=True)
class Tls:
    """Files in PEM."""

    certificate: str
    """With its chain."""
    key: str


def tls_of(settings: Settings) -> Tls | None:
    """None where none is wanted. Raises SettingsError for files that do not belong together, or are none."""
    if not settings.serve_tls_cert and not settings.serve_tls_key:
        return None
    tls = Tls(settings.serve_tls_cert, settings.serve_tls_key)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate, tls.key)
    except (OSError, ssl.SSLError) as error:
        problem = f"with VOICEMODE_SERVE_TLS_KEY it gives no TLS: {error.strerror or error}"
        raise SettingsError("VOICEMODE_SERVE_TLS_CERT", problem, "a certificate in PEM, and its key") from error
    return tls


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


class Server(uvicorn.Server):
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
    tls: Tls | None = None,
) -> None:
    """Serve until the first signal, then ``drain``, then ``ended`` frees everything. A second signal ends the process.

    ``leaving`` is called after the drain.
    """
    server = Server(server_config(app, tls))
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


def server_config(app: ASGIApp, tls: Tls | None = None) -> uvicorn.Config:
    """How uvicorn serves it; without ``tls`` it is not encrypted."""
    return uvicorn.Config(
        app,
        ssl_certfile=tls.certificate if tls is not None else None,
        ssl_keyfile=tls.key if tls is not None else None,
        ws=WebSocketConnection,
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
