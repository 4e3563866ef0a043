"""Our end of a worker process: started when it is needed, one request at a time, gone when it is idle.

Cancelling is cheap and safe at every await: the worker is told, and what it still sends is dropped. A worker that
crashes, hangs or talks nonsense is an EngineError for the request it was doing, and the next request starts a fresh one.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from voicemode.engines.child_env import child_environment
from voicemode.engines.workers.pipe import Message, PipeError, PipeReader, encode
from voicemode.errors import EngineError

__all__ = ["Exchange", "Worker"]

_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "VECLIB_MAXIMUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""numpy's libraries otherwise share small products among all cores, whose threads wait for one another in busy loops: a
judgement of smart-turn took 118 ms of processor time on two cores, and 54 ms on one, with as much less on the clock."""
_SETTLE_S = 1.0
"""Seconds a worker may take to give up a cancelled request; the built-in ones need 15 to 600 ms."""
_START_S = 10.0
"""Seconds the operating system may take to start a process."""
_TURN_S = 60.0
"""Seconds a request may wait for those before it."""
_CLOSE_S = 0.3
"""Seconds a killed process may take to be reaped, as for every device and process the product frees."""
_STDERR_BYTES = 4096
_STDERR_LINES = 3


class _Child(asyncio.SubprocessProtocol):
    """One process: what it said, and whether it still lives."""

    def __init__(self) -> None:
        self.transport: asyncio.SubprocessTransport
        self.inbox: asyncio.Queue[Message | None] = asyncio.Queue()
        """Messages of the current request; None when the process has ended."""
        self.quiet = asyncio.Event()
        """Set while it does nothing."""
        self.quiet.set()
        self.ended = asyncio.Event()
        self.garbage = ""
        """What was wrong with its output; empty while that is sound."""
        self._reader = PipeReader()
        self._stderr = bytearray()
        self._current = 0
        self._wanted = False
        """Whether anyone still reads the answer to the current request."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - narrows asyncio's type
        self.transport = transport

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._stderr += data
            del self._stderr[:-_STDERR_BYTES]
            return
        try:
            messages = self._reader.feed(data)
        except PipeError as error:
            self.garbage = self.garbage or str(error)
            self.kill()
            return
        for message in messages:
            if message.header.get("id") != self._current:
                continue
            if self._wanted:
                self.inbox.put_nowait(message)
            if "end" in message.header:
                self.quiet.set()

    def connection_lost(self, _exc: Exception | None) -> None:
        self.transport.close()  # it warns when it is forgotten open, although the process has ended
        self.ended.set()
        self.quiet.set()
        self.inbox.put_nowait(None)

    def begin(self, number: int, header: Mapping[str, Any], payload: bytes) -> None:
        self._current, self._wanted = number, True
        self.inbox = asyncio.Queue()
        self.quiet.clear()
        self._write(encode({**header, "id": number}, payload))

    def cancel(self) -> None:
        self._wanted = False
        self._write(encode({"cancel": self._current}))

    def kill(self) -> None:
        if not self.ended.is_set():
            self.transport.close()  # kills, closes the pipes, and lets asyncio reap

    @property
    def why(self) -> str:
        """How it ended, with the last lines it wrote to stderr."""
        lines = self._stderr.decode(errors="replace").strip().splitlines()[-_STDERR_LINES:]
        said = f": {' | '.join(line.strip() for line in lines)}" if lines else ""
        return f"its process sent nonsense: {self.garbage}" if self.garbage else f"its process ended{said}"

    def _write(self, data: bytes) -> None:
        pipe = self.transport.get_pipe_transport(0)
        if isinstance(pipe, asyncio.WriteTransport) and not pipe.is_closing():
            pipe.write(data)


class Exchange:
    """The answer to one request, message by message."""

    def __init__(self, child: _Child, engine: str, gap_s: float) -> None:
        self._child, self._engine, self._gap_s = child, engine, gap_s
        self.finished = False
        """Whether the worker has said its last word about this request."""

    def __aiter__(self) -> Exchange:
        return self

    async def __anext__(self) -> Message:
        """The next message; the last one has "end" in its header. Raises EngineError."""
        if self.finished:
            raise StopAsyncIteration
        try:
            async with asyncio.timeout(self._gap_s):
                message = await self._child.inbox.get()
        except TimeoutError:
            self._child.kill()
            raise EngineError(self._engine, f"its process did not answer within {self._gap_s:g} s") from None
        if message is None:
            self.finished = True
            raise EngineError(self._engine, self._child.why)
        if "end" in message.header:
            self.finished = True
            if message.header["end"] != "done":
                raise EngineError(self._engine, str(message.header.get("problem", message.header["end"])))
        return message


class Worker:
    """The client of one worker module. It belongs to one event loop; ``aclose`` it."""

    def __init__(self, module: str, *, engine: str, environ: Mapping[str, str], idle_s: float = 120.0) -> None:
        """Start nothing yet.

        ``module`` runs ``voicemode.engines.workers.serve.serve``; ``engine`` names it in errors; after ``idle_s``
        seconds without a request the process ends. The child sees the allowed part of ``environ``, which is this
        process's own.
        """
        self._module, self._engine, self._idle_s, self._environ = module, engine, idle_s, environ
        self._child: _Child | None = None
        self._turn = asyncio.Lock()
        self._number = 0
        self._retirement: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The process, or None while there is none."""
        child = self._child
        return child.transport.get_pid() if child is not None and not child.ended.is_set() else None

    async def ask(self, header: Mapping[str, Any], payload: bytes = b"", *, timeout_s: float) -> Message:
        """Send one request and return its last message. Raises EngineError."""
        async with self.exchange(header, payload, gap_s=timeout_s) as answer:
            async for message in answer:
                last = message
        return last

    @asynccontextmanager
    async def exchange(self, header: Mapping[str, Any], payload: bytes = b"", *, gap_s: float) -> AsyncIterator[Exchange]:
        """Send one request and read its answer; leaving early cancels it. ``gap_s``: the longest wait for a message."""
        async with self._our_turn():
            child = await self._ready_child()
            self._number += 1
            child.begin(self._number, header, payload)
            answer = Exchange(child, self._engine, gap_s)
            try:
                yield answer
            finally:
                if not answer.finished:
                    child.cancel()
                self._retire_later()

    async def aclose(self) -> None:
        """Kill the process and reap it, within 300 ms. Idempotent, never raises EngineError."""
        self._closed = True
        self._stay()
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        try:
            async with asyncio.timeout(_CLOSE_S):
                await child.ended.wait()
        except TimeoutError:
            return  # killed all the same; only a kernel that hangs takes longer

    @asynccontextmanager
    async def _our_turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(_TURN_S):
                await self._turn.acquire()
        except TimeoutError:
            raise EngineError(self._engine, f"others have been using it for {_TURN_S:g} s") from None
        try:
            if self._closed:
                raise EngineError(self._engine, "it was closed")
            yield
        finally:
            self._turn.release()

    async def _ready_child(self) -> _Child:
        """A living process that does nothing: the one there is, once it has dropped what was cancelled, or a new one."""
        self._stay()
        child = self._child
        if child is not None and not child.quiet.is_set():
            try:
                async with asyncio.timeout(_SETTLE_S):
                    await child.quiet.wait()
            except TimeoutError:
                child.kill()
        if child is None or child.transport.is_closing() or child.ended.is_set():
            child = self._child = await self._start()
        return child

    async def _start(self) -> _Child:
        loop = asyncio.get_running_loop()
        start = loop.subprocess_exec(
            _Child,
            # -P: without it "-m" puts the working directory, which may be anyone's project, before the library
            *(sys.executable, "-P", "-X", "utf8", "-m", self._module),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=child_environment(self._environ) | _ONE_THREAD,
            start_new_session=True,  # a Ctrl-C in the terminal is ours to handle
        )
        try:
            async with asyncio.timeout(_START_S):
                _, child = await start
        except (OSError, TimeoutError) as error:
            raise EngineError(self._engine, f"its process does not start ({error})") from error
        return child

    def _retire_later(self) -> None:
        self._stay()
        if not self._closed:
            self._retirement = asyncio.get_running_loop().call_later(self._idle_s, self._retire)

    def _retire(self) -> None:
        if self._child is not None and not self._turn.locked():
            self._child.kill()

    def _stay(self) -> None:
        if self._retirement is not None:
            self._retirement.cancel()
            self._retirement = None
