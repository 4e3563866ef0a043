"""Starts the stub of a vendor's realtime API and gives it orders."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import connect

__all__ = ["UpstreamStub"]

_ROOT = Path(__file__).parents[2]


class UpstreamStub:
    """The stub in a process of its own, while the block runs. Its calls block for a few milliseconds."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime"

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.stubs.realtime_upstream"]
        self._process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self.port = int(self._process.stdout.readline())
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        process, self._process = self._process, None
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        try:
            process.wait(5)
        finally:
            process.kill()
            process.wait()
        process.stdout.close()

    def script(self, **changes: Any) -> None:
        """Behave like this from now on."""
        self._order({"set": changes})

    def reset(self) -> None:
        """Behave as at first, and forget what was told."""
        self._order({"reset": True})

    def kill(self) -> None:
        """Break every connection off."""
        self._order({"kill": True})

    def events(self, kind: str = "") -> list[dict[str, Any]]:
        """What clients told, in order; ``(asked)`` shows the items as they were when an answer began."""
        return [event for event in self.state()["log"] if kind in ("", event["type"])]

    def state(self) -> dict[str, Any]:
        return self._order({})

    def wait_for(self, holds: Callable[[dict[str, Any]], bool], deadline_s: float = 10.0) -> dict[str, Any]:
        """The state once that holds of it."""
        end = time.monotonic() + deadline_s
        while not holds(state := self.state()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {deadline_s} s: {[event['type'] for event in state['log']][-20:]}")
            time.sleep(0.02)
        return state

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        with connect(f"ws://127.0.0.1:{self.port}/control", proxy=None, max_size=None, compression=None) as socket:
            socket.send(json.dumps(order))
            answer: dict[str, Any] = json.loads(socket.recv(10))
            return answer
