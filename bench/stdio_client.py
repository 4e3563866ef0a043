"""A thin MCP client over standard input and output that knows the instant of every message.

The SDK's own client hides request ids and instants; cancelling needs the one, measuring the other.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

__all__ = ["Answer", "Call", "StdioServer"]

_PROTOCOL = "2025-06-18"
_EXIT_S = 5.0
_LINE_LIMIT = 16 << 20


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back, and when. Times are seconds of ``time.monotonic()``."""

    result: dict[str, Any]
    """Empty when the server answered with a protocol error."""
    error: str
    """The protocol error's message; empty when there was none."""
    sent_at: float
    received_at: float

    @property
    def seconds(self) -> float:
        return self.received_at - self.sent_at

    @property
    def text(self) -> str:
        """What an agent reads."""
        return self.error or " ".join(block.get("text", "") for block in self.result.get("content", []))

    @property
    def failed(self) -> bool:
        return bool(self.error) or bool(self.result.get("isError"))


class Call:
    """A request under way."""

    def __init__(self, number: int, sent_at: float, answer: asyncio.Future[Answer]) -> None:
        self.number = number
        self.sent_at = sent_at
        self.answer = answer

    async def wait(self, seconds: float) -> Answer:
        """The answer. Raises TimeoutError."""
        return await asyncio.wait_for(asyncio.shield(self.answer), seconds)


class StdioServer:
    """A server process of ours. An asynchronous context manager; ``spawned_at`` is when it was started."""

    def __init__(self, command: Sequence[str], env: Mapping[str, str], folder: Path) -> None:
        """``env`` is the whole environment, ``folder`` the working directory; stderr is kept in ``folder/stderr.txt``."""
        self._command, self._env, self._folder = command, env, folder
        self._numbers = itertools.count(1)
        self._waiting: dict[int, tuple[float, asyncio.Future[Answer]]] = {}
        self.spawned_at = 0.0
        self.stray_lines: list[str] = []
        """What stood on stdout and was no JSON-RPC."""

    async def __aenter__(self) -> Self:
        with (self._folder / "stderr.txt").open("ab") as errors:
            self.spawned_at = time.monotonic()
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=errors,
                env=dict(self._env),
                cwd=self._folder,
                limit=_LINE_LIMIT,
            )
        self._reading = asyncio.create_task(self._read())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close standard input, as clients do, and wait; kill what does not leave. Idempotent."""
        family = self._family()
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            await asyncio.wait_for(self._process.wait(), _EXIT_S)
        except TimeoutError:
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            await self._process.wait()
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)

    async def initialize(self) -> float:
        """The handshake; seconds from the spawn to the answer. Raises TimeoutError, RuntimeError."""
        client = {"name": "bench", "version": "1"}
        params = {"protocolVersion": _PROTOCOL, "capabilities": {}, "clientInfo": client}
        answer = await self.send("initialize", params).wait(30.0)
        if answer.failed:
            raise RuntimeError(f"initialize: {answer.error}")
        self._write({"method": "notifications/initialized"})
        return answer.received_at - self.spawned_at

    async def tools(self) -> list[dict[str, Any]]:
        """The tools as the client gets them."""
        found: list[dict[str, Any]] = (await self.send("tools/list", {}).wait(10.0)).result["tools"]
        return found

    async def ping(self) -> float:
        """Seconds until the answer."""
        return (await self.send("ping", {}).wait(30.0)).seconds

    def converse(self, message: str, **arguments: Any) -> Call:
        """Start a call of ``converse``."""
        return self.send("tools/call", {"name": "converse", "arguments": {"message": message, **arguments}})

    def send(self, method: str, params: Mapping[str, Any]) -> Call:
        number = next(self._numbers)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        sent_at = time.monotonic()
        self._waiting[number] = (sent_at, future)
        self._write({"id": number, "method": method, "params": params})
        return Call(number, sent_at, future)

    def cancel(self, call: Call) -> float:
        """What a client sends when the person presses Esc; returns when it was sent. No answer follows."""
        self._waiting.pop(call.number, None)
        call.answer.cancel()
        sent_at = time.monotonic()
        self._write({"method": "notifications/cancelled", "params": {"requestId": call.number, "reason": "user"}})
        return sent_at

    @property
    def env(self) -> Mapping[str, str]:
        """The server's whole environment, for commands that are to find it."""
        return self._env

    def resident_mb(self) -> float:
        """Resident memory of the process and its children, in megabytes."""
        total = 0
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                total += process.memory_info().rss
        return total / 1e6

    def cpu_s(self) -> float:
        """CPU seconds spent so far by the process and its living children."""
        total = 0.0
        for process in self._family():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system
        return total

    def last_line(self) -> str:
        """The last line on stderr: what the server says of its own failure."""
        lines = (self._folder / "stderr.txt").read_text(encoding="utf-8", errors="replace").split("\n")
        return next((line for line in reversed(lines) if line.strip()), "")

    def _family(self) -> list[psutil.Process]:
        try:
            parent = psutil.Process(self._process.pid)
            return [parent, *parent.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def _write(self, message: Mapping[str, Any]) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")

    async def _read(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            now = time.monotonic()
            try:
                message = json.loads(line)
            except ValueError:
                self.stray_lines.append(line.decode(errors="replace").strip()[:200])
                continue
            sent_at, future = self._waiting.pop(message.get("id"), (0.0, None))
            if future is not None and not future.done():
                error = message.get("error") or {}
                future.set_result(Answer(message.get("result") or {}, error.get("message", ""), sent_at, now))
        for _, future in self._waiting.values():
            if future is not None and not future.done():
                future.set_exception(ConnectionError("the server has left"))
