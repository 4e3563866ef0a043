"""One process of the person's command: what it says, how it ended, and its end with all it started."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from enum import Enum, auto, unique

from voicemode.engines.command_error import CommandError
from voicemode.engines.command_watch import begin, forget, watch
from voicemode.wire.openai_audio import error_reason

__all__ = ["CommandProcess"]


@unique
class _Mark(Enum):
    """What the inbox has besides output."""

    END = auto()
    """No more will come."""
    WAKE = auto()
    """Whoever reads shall look whether it still wants to."""


START_S = 10.0
"""Seconds until a process runs; a machine that takes longer is out of memory."""
DRAIN_S = 0.2
"""Seconds that what a process wrote may take to arrive after its end. A descendant may hold the pipe open for ever."""
KILL_S = 2.0
"""Seconds a killed process may take to be reaped; it is as long only in the middle of a write to a dead disk."""
UNREAD_BYTES = 1 << 20
"""What is read ahead of whoever listens: more than any answer has."""
_STDERR_BYTES = 4096


class CommandProcess(asyncio.SubprocessProtocol):
    """Made by ``start``; ``stop`` it. It leads a process group of its own."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._transport: asyncio.SubprocessTransport | None = None
        self._inbox: asyncio.Queue[bytes | _Mark] = asyncio.Queue()
        self._stderr = bytearray()
        self._stdout_open = True
        self._unread = 0
        """Bytes in the inbox."""
        self._paused = False
        """It can write no more until some of that is read."""
        self._exited = asyncio.Event()

    @classmethod
    async def start(cls, name: str, argv: Sequence[str], environ: Mapping[str, str], *, stdin: bool) -> CommandProcess:
        """``environ`` is all that it gets. Raises CommandError."""
        process = cls(name)
        try:
            async with asyncio.timeout(START_S):
                await asyncio.to_thread(begin)
                await asyncio.get_running_loop().subprocess_exec(
                    lambda: process,
                    *argv,
                    stdin=asyncio.subprocess.PIPE if stdin else asyncio.subprocess.DEVNULL,
                    env=dict(environ),
                    start_new_session=True,  # a terminal's Ctrl-C does not reach it, and it is ended with all it started
                )
        except FileNotFoundError:
            remedy = "Install it, or write its whole path into VOICEMODE_RESPONDER_COMMAND."
            raise CommandError(name, "there is no such program", remedy=remedy) from None
        except (OSError, TimeoutError) as error:
            # The sentence of an OSError may have the arguments in it.
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "it takes too long"
            raise CommandError(name, f"it does not start ({reason})") from None
        return process

    # -- asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.SubprocessTransport)  # noqa: S101 - narrows asyncio's type
        self._transport = transport
        watch(transport.get_pid())

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 2:
            self._stderr += data
            del self._stderr[:-_STDERR_BYTES]
        else:
            self._inbox.put_nowait(data)
            self._unread += len(data)
            self._flow()

    def pipe_connection_lost(self, fd: int, _exc: Exception | None) -> None:
        if fd == 1:
            self._stdout_open = False
            if self._exited.is_set():
                self._inbox.put_nowait(_Mark.END)

    def process_exited(self) -> None:
        self._exited.set()
        if self._stdout_open:
            asyncio.get_running_loop().call_later(DRAIN_S, self._inbox.put_nowait, _Mark.END)
        else:
            self._inbox.put_nowait(_Mark.END)

    def _flow(self) -> None:
        """Let it write, or not, by what waits to be read."""
        pipe = self._transport.get_pipe_transport(1) if self._transport is not None else None
        if isinstance(pipe, asyncio.ReadTransport) and self._paused != (self._unread > UNREAD_BYTES):
            self._paused = not self._paused
            if self._paused:
                pipe.pause_reading()
            elif self._stdout_open:
                pipe.resume_reading()

    # -- ours

    @property
    def status(self) -> int | None:
        """The exit status, negative for a signal; None as long as it lives."""
        return self._transport.get_returncode() if self._transport is not None and self._exited.is_set() else None

    @property
    def pid(self) -> int:
        assert self._transport is not None  # noqa: S101 - it was started
        return self._transport.get_pid()

    async def read(self, timeout_s: float) -> bytes | None:
        """The next output; empty when it has ended, and then for ever; None when it was woken. Raises TimeoutError."""
        async with asyncio.timeout(timeout_s):
            data = await self._inbox.get()
        if data is _Mark.END:
            self._inbox.put_nowait(_Mark.END)
            return b""
        if not isinstance(data, bytes):
            return None
        self._unread -= len(data)
        self._flow()
        return data

    def wake(self) -> None:
        """Whoever waits for output gets None."""
        self._inbox.put_nowait(_Mark.WAKE)

    def forget_output(self) -> None:
        """What was said so far and not read yet is not read any more."""
        self._inbox, self._unread = asyncio.Queue(), 0
        self._flow()
        if self._exited.is_set():
            self._inbox.put_nowait(_Mark.END)

    def write(self, data: bytes) -> None:
        """To its standard input; what a process that has ended is told is lost."""
        pipe = self._transport.get_pipe_transport(0) if self._transport is not None else None
        if isinstance(pipe, asyncio.WriteTransport) and not pipe.is_closing():
            pipe.write(data)

    def end_input(self) -> None:
        """Nothing more is written. Idempotent."""
        pipe = self._transport.get_pipe_transport(0) if self._transport is not None else None
        if isinstance(pipe, asyncio.WriteTransport):
            pipe.close()

    async def exited(self) -> None:
        """Returns when it has ended."""
        await self._exited.wait()

    def signal(self, number: signal.Signals) -> None:
        """To it and to what it started."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # it has just ended; macOS says the latter
            os.killpg(self.pid, number)

    async def stop(self, grace_s: float) -> None:
        """Gone, with what it started, when this returns: asked by SIGINT for ``grace_s``, then killed. Idempotent."""
        assert self._transport is not None  # noqa: S101 - it was started
        try:
            if grace_s and not self._exited.is_set():
                self.signal(signal.SIGINT)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(grace_s):
                        await self._exited.wait()
        finally:
            self.signal(signal.SIGKILL)
            forget(self.pid)
            self._transport.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(KILL_S):
                await self._exited.wait()

    def release(self) -> None:
        """It has ended by itself; what it started may go on."""
        assert self._transport is not None  # noqa: S101 - it was started
        forget(self.pid)
        self._transport.close()

    def error(self, problem: str, private: Sequence[str]) -> CommandError:
        """With the last line it wrote to stderr, without what was said."""
        lines = self._stderr.decode(errors="replace").strip().splitlines()
        said = error_reason("text/plain", lines[-1].encode(), private).rstrip(".") if lines else ""
        return CommandError(self._name, f"{problem}: {said}" if said else problem, self.status)

    def ended(self, private: Sequence[str]) -> CommandError:
        """How it ended, as an error."""
        status = self.status
        how = f"was ended by signal {-status}" if status is not None and status < 0 else f"ended with status {status}"
        return self.error(how, private)
