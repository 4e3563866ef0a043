"""A client that speaks raw JSON-RPC to a server process: exact instants, exact bytes, nothing hidden by an SDK."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["SERVER", "ServerProcess"]

SERVER = (sys.executable, "-m", "voicemode", "mcp")


class ServerProcess:
    """A voicemode MCP server of its own, with a HOME of its own. A context manager.

    ``env`` is added to PATH and HOME and nothing else is inherited; services on this machine are not looked for.
    """

    def __init__(self, env: Mapping[str, str], *, argv: Sequence[str] = SERVER, client: str = "test") -> None:
        self.home = Path(tempfile.mkdtemp(prefix="voicemode-home-"))
        self.client = client
        self.noise: list[str] = []
        """Lines on standard output that are no JSON-RPC message."""
        self.messages: list[tuple[float, dict[str, Any]]] = []
        """Everything the server sent, each with the ``time.monotonic()`` of its arrival."""
        self._ids = iter(range(1, 1_000_000))
        self._arrived = threading.Condition()
        self._errors: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        base = {"PATH": os.environ["PATH"], "HOME": str(self.home), "LANG": "C.UTF-8", "VOICEMODE_DISCOVERY": "false"}
        base |= {"VOICEMODE_TRANSPORT": "local"}  # a machine without a sound card would start a server
        self.process = subprocess.Popen(
            [*argv], stdin=-1, stdout=-1, stderr=-1, env={**base, **env}, cwd=self.home, start_new_session=True
        )
        self._threads = [threading.Thread(target=target, daemon=True) for target in (self._read, self._read_errors)]
        for thread in self._threads:
            thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        for thread in self._threads:
            thread.join(10)
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):  # what was still buffered for a dead server
                pipe.close()
        shutil.rmtree(self.home, ignore_errors=True)

    # -- talking

    def initialize(self) -> dict[str, Any]:
        """The handshake every client of 2025 does."""
        params = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": self.client, "version": "1"},
        }
        result = self.wait(self.request("initialize", params))
        self.notify("notifications/initialized")
        return result

    def request(self, method: str, params: Mapping[str, Any] | None = None) -> int:
        """Send and return the id at once."""
        number = next(self._ids)
        self.send({"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params or {})})
        return number

    def call(self, tool: str, **arguments: Any) -> int:
        """Call a tool, asking for progress; returns the id at once."""
        return self.request("tools/call", {"name": tool, "arguments": arguments, "_meta": {"progressToken": 1}})

    def converse(self, timeout: float = 60.0, **arguments: Any) -> dict[str, Any]:
        """Call ``converse`` and wait; the tool's result, error or not."""
        result: dict[str, Any] = self.wait(self.call("converse", **arguments), timeout)["result"]
        return result

    def cancel(self, number: int) -> None:
        """What Esc sends."""
        self.notify("notifications/cancelled", {"requestId": number, "reason": "user"})

    def notify(self, method: str, params: Mapping[str, Any] | None = None) -> None:
        self.send({"jsonrpc": "2.0", "method": method, "params": dict(params or {})})

    def send(self, message: Mapping[str, Any]) -> None:
        self.send_line(json.dumps(message).encode())

    def send_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()

    def close_stdin(self) -> None:
        """What a client does that goes away."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    # -- listening

    def wait(self, number: int, timeout: float = 30.0) -> dict[str, Any]:
        """The answer to a request. Raises TimeoutError with what the server said on standard error."""
        deadline = time.monotonic() + timeout
        with self._arrived:
            while True:
                for _, message in self.messages:
                    if message.get("id") == number and ("result" in message or "error" in message):
                        return message
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"no answer to {number} in {timeout} s; stderr: {self.stderr()[-2000:]}")

    def answered(self, number: int) -> bool:
        """Has an answer to this request arrived?"""
        with self._arrived:
            return any(m.get("id") == number and "method" not in m for _, m in self.messages)

    def progress(self) -> list[tuple[float, float, str]]:
        """Progress notifications so far: arrival, value, state."""
        with self._arrived:
            told = [(at, m["params"]) for at, m in self.messages if m.get("method") == "notifications/progress"]
        return [(at, params["progress"], params.get("message", "")) for at, params in told]

    def wait_for_state(self, words: str, timeout: float = 30.0) -> None:
        """Wait until a progress notification holds these words."""
        deadline = time.monotonic() + timeout
        while not any(words in state for _, _, state in self.progress()):
            with self._arrived:
                if not self._arrived.wait(deadline - time.monotonic()):
                    raise TimeoutError(f"never '{words}': {self.progress()}; stderr: {self.stderr()[-2000:]}")

    def stderr(self) -> str:
        """Everything on standard error so far."""
        parts = []
        while not self._errors.empty():
            parts.append(self._errors.get())
        text = b"".join(parts)
        self._errors.put(text)
        return text.decode("utf-8", "replace")

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            now = time.monotonic()
            try:
                message = json.loads(line)
                assert message["jsonrpc"] == "2.0"
            except (ValueError, KeyError, TypeError, AssertionError):
                self.noise.append(line.decode("utf-8", "replace"))
                continue
            with self._arrived:
                self.messages.append((now, message))
                self._arrived.notify_all()

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._errors.put(line)
