"""An event loop whose time passes only while everybody waits: a wait of an hour takes no time, and is an hour long."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

__all__ = ["VIRTUAL_TIME", "VirtualTimeLoop"]


class _Selector(selectors.DefaultSelector):
    """Skips the time that it was to wait for."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> Any:
        if ready := super().select(0):
            return ready
        if timeout is None:
            raise RuntimeError("everybody waits for something that never comes")
        self.skipped_s += max(timeout, 0.0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """For tests without sockets, processes and threads, whose time would not pass."""

    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        # Steps of a microsecond are no time at all to a float of this size, so a timer is never due a hair too late.
        return 1000.0 + self._virtual.skipped_s


VIRTUAL_TIME = ("asyncio", {"loop_factory": VirtualTimeLoop})
"""For a fixture named anyio_backend."""
