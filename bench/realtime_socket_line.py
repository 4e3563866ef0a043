"""A WebSocket to the realtime server: a microphone that never stops and whose every sample has its time."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Callable

from websockets.asyncio.client import ClientConnection, connect

from bench.realtime_sounds import CHUNK_S, appends, room
from voicemode.audio import Samples

__all__ = ["SocketLine", "socket_line"]

_KEPT_CHUNKS = 500
"""Ten seconds: longer than between a chunk and what is said about it."""


class SocketLine:
    """One session that is open. A chunk leaves once its last sample was heard."""

    def __init__(self, socket: ClientConnection, message: Callable[[str, float], None]) -> None:
        """``message`` is told each event and when it came."""
        self._socket, self._message = socket, message
        self.late_ms: list[float] = []
        """How much later than due each chunk left."""
        self._sent = 0
        self._began = time.monotonic()
        self._said: deque[str] = deque()
        self._room = deque(appends(room(1.0)))
        self._left: deque[tuple[int, float]] = deque(maxlen=_KEPT_CHUNKS)
        self._out: asyncio.Queue[str] = asyncio.Queue()

    def send(self, text: str) -> None:
        """An event."""
        self._out.put_nowait(text)

    def say(self, samples: Samples) -> float:
        """Speak 24 kHz sound from the next chunk on, behind what is being said. When its first sample is spoken."""
        begins = self._began + (self._sent + len(self._said)) * CHUNK_S
        self._said.extend(appends(samples))
        return begins

    def left_at(self, session_ms: float) -> float | None:
        """When the chunk left in which these milliseconds of the session end; None: long ago, or not yet."""
        chunk = int((session_ms / 1000 - 1e-6) / CHUNK_S)
        return next((at for number, at in self._left if number == chunk), None)

    async def run(self) -> None:
        """Until the connection ends; raises what it raises."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._write())
            tasks.create_task(self._read())

    async def _listen(self) -> None:
        while True:
            due = self._began + (self._sent + 1) * CHUNK_S
            await asyncio.sleep(due - time.monotonic())
            self._room.rotate(-1)
            chunk = self._said.popleft() if self._said else self._room[0]
            now = time.monotonic()
            self.late_ms.append(round((now - due) * 1000, 2))
            self._left.append((self._sent, now))
            self._sent += 1
            self._out.put_nowait(chunk)

    async def _write(self) -> None:
        while True:
            await self._socket.send(await self._out.get())

    async def _read(self) -> None:
        async for text in self._socket:
            assert isinstance(text, str)
            self._message(text, time.monotonic())


@contextlib.asynccontextmanager
async def socket_line(url: str, headers: dict[str, str], message: Callable[[str, float], None]) -> AsyncIterator[SocketLine]:
    """A session that is closed in the end."""
    async with connect(url, additional_headers=headers, proxy=None, compression=None, max_size=None) as socket:
        line = SocketLine(socket, message)
        running = asyncio.create_task(line.run())
        try:
            yield line
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
