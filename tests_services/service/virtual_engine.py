"""An engine whose steps run when a test lets them, and a queue for each test."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing

from voicemode_service.work import Stop, WorkQueue

__all__ = ["Engine", "heard", "until", "with_queue"]


class Engine:
    """A virtual engine: writes down which step ran, and runs each only when it is let."""

    def __init__(self, *, free: bool = True) -> None:
        self.ran: list[str] = []
        self.ended: list[str] = []
        self.stopped: list[str] = []
        self._let = threading.Semaphore(0)
        self._free = free

    def job(self, name: str, steps: int) -> Callable[[Stop], Iterator[str]]:
        def run(stop: Stop) -> Iterator[str]:
            try:
                for number in range(steps):
                    if not self._free:
                        assert self._let.acquire(timeout=10)
                    if stop:
                        self.stopped.append(name)
                        return
                    self.ran.append(f"{name}{number}")
                    yield f"{name}{number}"
            finally:
                self.ended.append(name)

        return run

    def let(self, steps: int = 1) -> None:
        """So many steps may run."""
        self._let.release(steps)


def with_queue(test: Callable[[WorkQueue], Awaitable[None]], *, workers: int = 1, capacity: int = 300, spares: int = 0) -> None:
    """Run a test with a queue of its own, and see that all its places are free at the end."""

    async def run() -> None:
        queue = WorkQueue(workers=workers, capacity=capacity, spares=spares)
        try:
            await asyncio.wait_for(test(queue), 60)
            await until(lambda: queue.busy == 0)
            assert queue.jobs == 0
        finally:
            await queue.aclose()

    asyncio.run(run())


async def until(holds: Callable[[], bool]) -> None:
    """Let others run until it holds."""
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.0005)


async def heard(items: AsyncGenerator[str]) -> list[str]:
    async with aclosing(items):
        return [item async for item in items]
