"""A proxy that hands bytes on as they come and keeps a copy: what a client and the server really said."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from tests_clients.wire_log import Carried, Piece, messages

__all__ = ["Connection", "RecordingProxy"]

_CHUNK = 65_536
_JOIN_S = 5.0


@dataclass(slots=True)
class Connection:
    """Both directions of one connection, so far."""

    up: list[Piece] = field(default_factory=list)
    down: list[Piece] = field(default_factory=list)

    @property
    def sent(self) -> list[Carried]:
        """Events of the client."""
        return messages(self.up)

    @property
    def received(self) -> list[Carried]:
        """Events of the server."""
        return messages(self.down)


class RecordingProxy:
    """Before a port of this machine, from ``with`` on."""

    def __init__(self, port: int) -> None:
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads: list[threading.Thread] = []
        self._sockets: list[socket.socket] = []
        self.connections: list[Connection] = []

    @property
    def port(self) -> int:
        port = self._listener.getsockname()[1]
        assert isinstance(port, int)
        return port

    def __enter__(self) -> Self:
        self._begin(self._accept)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for each in [self._listener, *self._sockets]:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(_JOIN_S)
        assert not any(thread.is_alive() for thread in self._threads)

    def _begin(self, work: object, *arguments: object) -> None:
        assert callable(work)
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server), timeout=_JOIN_S)
            except OSError:
                return
            server.settimeout(None)
            connection = Connection()
            self.connections.append(connection)
            self._sockets += [client, server]
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._begin(_pump, client, server, connection.up)
            self._begin(_pump, server, client, connection.down)


def _pump(source: socket.socket, sink: socket.socket, copy: list[Piece]) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(_CHUNK):
            copy.append(Piece(time.monotonic(), data))
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
