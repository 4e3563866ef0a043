"""Between the process that listens and those that hold conversations too: JSON lines, and connections beside them.

Descriptors go over a socket of their own, one per line with ``take`` and before it, so both arrive in the same order.
"""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any, TypeAlias

__all__ = ["Channel", "Message", "receive_connection", "send_connection", "socket_pairs"]

Message: TypeAlias = Mapping[str, Any]
_MOST_LINE = 4 << 20
"""Bytes: a session's configuration has 256 KiB, of which each may be written in six."""
_PADDING = b"c"
"""A descriptor travels with at least one byte."""


class Channel:
    """One end of the lines."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def over(cls, connection: socket.socket) -> Channel:
        """On a connected socket, which it then owns."""
        return cls(*await asyncio.open_unix_connection(sock=connection, limit=_MOST_LINE))

    def send(self, message: Message) -> None:
        """Put it on its way. What the other end can no longer get is lost; ``messages`` then ends."""
        self._writer.write(json.dumps(message).encode() + b"\n")

    async def messages(self) -> AsyncIterator[Message]:
        """What the other end says, until it closes or dies."""
        while True:
            try:
                line = await self._reader.readline()
            except (OSError, ValueError):  # it died, or a line has no end
                return
            if not line.endswith(b"\n"):
                return
            yield json.loads(line)

    def close(self) -> None:
        """The other end sees it as the end of its messages. Idempotent."""
        self._writer.close()


def socket_pairs() -> tuple[tuple[socket.socket, socket.socket], tuple[socket.socket, socket.socket]]:
    """For lines and for descriptors, ours first. Not blocking."""
    pairs = socket.socketpair(socket.AF_UNIX), socket.socketpair(socket.AF_UNIX)
    for pair in pairs:
        for end in pair:
            end.setblocking(False)
    return pairs


def send_connection(over: socket.socket, descriptor: int) -> None:
    """Hand a copy of the descriptor on. Raises OSError when the other end is gone or does not keep up."""
    socket.send_fds(over, [_PADDING], [descriptor])


def receive_connection(over: socket.socket) -> socket.socket:
    """The one that was sent first. Raises OSError when there is none."""
    data, descriptors, _, _ = socket.recv_fds(over, len(_PADDING), 1)
    if not descriptors:
        raise OSError("no connection came" if data else "the other end is gone")
    connection = socket.socket(fileno=descriptors[0])
    connection.setblocking(False)
    return connection
