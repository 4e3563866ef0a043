"""Starts the fault proxy and gives it orders."""

from __future__ import annotations

import itertools
import json
import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

__all__ = ["AT_CONNECT", "FaultProxy"]

_ROOT = Path(__file__).parents[2]

AT_CONNECT = frozenset({"refused", "unknown_name", "no_tls", "self_signed", "reset_before_head"})
"""Faults that show before any waiting is due."""


class FaultProxy:
    """The proxy in a process of its own, from ``start`` (or ``with``) to ``stop``. Its calls block for a millisecond."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._names = itertools.count(1)

    def start(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.stubs.fault_proxy"],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def stop(self) -> None:
        """End its standard input, then wait. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        process.communicate(timeout=10)

    def open(self, fault: str, upstream: str, *, after: int = 0) -> str:
        """The base address of a new port with this fault before the service at ``upstream``.

        The first ``after`` POSTs pass. Besides the proxy's own faults there are "refused", "unknown_name" and "no_tls".
        """
        if fault == "unknown_name":
            return f"http://nowhere-{next(self._names)}.invalid/v1"
        if fault == "refused":
            return f"http://127.0.0.1:{_closed_port()}/v1"
        scheme = "https" if fault in ("no_tls", "self_signed") else "http"
        order = {"fault": "plain" if fault == "no_tls" else fault, "upstream": urlsplit(upstream).port, "after": after}
        process = self._process
        assert process is not None
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(order) + "\n")
        process.stdin.flush()
        return f"{scheme}://127.0.0.1:{json.loads(process.stdout.readline())['port']}/v1"

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()


def _closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port
