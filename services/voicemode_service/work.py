"""The work queue of a service: a few threads run the engine, everybody gets a turn, and nobody waits in vain.

A job is an iterator whose steps (a clause, a window of 30 s) are run in a thread, one at a time. Between two steps of one job
others get their turn, so a long text does not make everybody wait. First steps go before later ones: whoever has heard
nothing yet is waiting, whoever is listening is not. But not for ever: after some of them in a row a later one is run.

The job's consumer pulls: while it does not, or when it has left, no step is run.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeAlias, TypeVar

from voicemode_service.errors import BusyError, EngineFailedError

__all__ = ["Stop", "WorkQueue"]

T = TypeVar("T")
_Turn: TypeAlias = "asyncio.Future[None]"

_REMEMBERED = 16
"""Jobs whose length is averaged for Retry-After."""
_FIRSTS_IN_A_ROW = 8
"""First steps that are run while a later one waits: new clients without end must not silence those who listen."""
_END_S = 0.5
"""How long steps under way are waited for at the end. The service is to be gone within 2 s of a signal."""


class Stop:
    """Tells a step that nobody waits for it any more. Thread-safe."""

    def __init__(self) -> None:
        self._set = False
        self._actions: list[Callable[[], None]] = []
        self._yielding: Callable[[], None] | None = None
        self._asked = False

    def __bool__(self) -> bool:
        return self._set

    def set(self) -> None:
        """Idempotent."""
        self._set = True
        for action in tuple(self._actions):
            action()

    def calls(self, action: Callable[[], None]) -> None:
        """Call it when, or at once if, nobody waits any more: it interrupts the engine in mid-step."""
        self._actions.append(action)
        if self._set:
            action()

    def forget(self, action: Callable[[], None]) -> None:
        self._actions.remove(action)

    def gives_way(self, action: Callable[[], None] | None) -> None:
        """Call it when, or at once if, somebody who has heard nothing yet waits: the step ends early and is resumed later.

        None takes it back: the step is nearly done, or has given way before.
        """
        self._yielding = action
        if action is not None and self._asked:
            action()

    def give_way(self) -> bool:
        """Ask the running step for it; whether this is the first to ask."""
        first, self._asked = not self._asked, True
        action = self._yielding
        if first and action is not None:
            action()
        return first

    def begin(self) -> None:
        """A step begins: what the one before was asked is settled."""
        self._asked = False


class WorkQueue:
    """Runs the jobs of one engine. Belongs to one event loop."""

    def __init__(self, *, workers: int, capacity: int, spares: int = 0, name: str = "engine") -> None:
        """``workers`` steps run at the same time; ``capacity`` jobs may be under way or wait, then BusyError.

        ``spares`` is for engines that cannot be interrupted: so many steps that nobody waits for any more may run to their
        end beside the others, and the place is free at once. The engine must take that many more at a time.
        """
        self._threads = ThreadPoolExecutor(workers + spares, thread_name_prefix=name)
        self._free, self._spares = workers, spares
        self._workers, self._capacity = workers, capacity
        self._jobs = 0
        self._firsts, self._laters = deque[_Turn](), deque[_Turn]()
        """Who waits for a place, in order of arrival: with the first step of a job, and with a later one."""
        self._in_a_row = 0
        """First steps that were run since a later one was, while one waited."""
        self._lengths: deque[float] = deque(maxlen=_REMEMBERED)
        self._running: set[Stop] = set()
        self._later: set[Stop] = set()
        """Those of the running steps that are not their job's first."""
        self._steps: set[asyncio.Future[Any]] = set()
        """What the threads do."""
        self._closed = False

    @property
    def jobs(self) -> int:
        """Under way or waiting."""
        return self._jobs

    @property
    def busy(self) -> int:
        """Steps that run now."""
        return self._workers - self._free

    async def run(self, steps: Callable[[Stop], Iterator[T]]) -> AsyncGenerator[T]:
        """The job's items as they are made. Close it, or cancel its consumer, and the place is free: at once where the
        engine can be interrupted or a spare one is left, else when the step ends.

        Raises BusyError before the first item, EngineFailedError when the queue was closed, and whatever a step raises.
        """
        if self._jobs >= self._capacity:
            raise BusyError(self._retry_after_s())
        self._jobs += 1
        stop, began, first = Stop(), time.monotonic(), True
        iterator: Iterator[T] = iter(())
        self._running.add(stop)
        try:
            iterator = steps(stop)
            while True:
                item = await self._step(iterator, stop, first=first)
                if item is None:
                    break
                first = False
                yield item[0]
        finally:
            if not first:
                # However it ended, that long it took a place.
                self._lengths.append(time.monotonic() - began)
            stop.set()
            self._running.discard(stop)
            self._jobs -= 1
            self._end(iterator)

    async def aclose(self) -> None:
        """Stop everything; returns when the threads are free, or soon in any case. Idempotent."""
        self._closed = True
        for stop in tuple(self._running):
            stop.set()
        for turn in (*self._firsts, *self._laters):
            if not turn.done():
                turn.set_exception(_ending())
        if self._steps:
            await asyncio.wait(self._steps, timeout=_END_S)
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def _step(self, iterator: Iterator[T], stop: Stop, *, first: bool) -> tuple[T] | None:
        await self._acquire(first=first)
        try:
            if self._closed:
                raise _ending()
            stop.begin()
            if not first:
                self._later.add(stop)
            step = asyncio.get_running_loop().run_in_executor(self._threads, _next, iterator)
            self._steps.add(step)
            step.add_done_callback(self._steps.discard)
            try:
                return await asyncio.shield(step)
            except asyncio.CancelledError:
                stop.set()
                if self._spares > 0:
                    self._spares -= 1
                    step.add_done_callback(lambda done: self._settle(done, iterator))
                else:
                    # The place is free when the thread is: the engine must not be entered more often than it can.
                    await _settled(step)
                raise
        finally:
            self._later.discard(stop)
            self._release()

    def _settle(self, step: asyncio.Future[Any], iterator: Iterator[Any]) -> None:
        """A step ended that nobody waited for."""
        self._spares += 1
        if not step.cancelled():
            step.exception()  # asyncio would complain that nobody looked
        self._end(iterator)

    async def _acquire(self, *, first: bool) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn: _Turn = asyncio.get_running_loop().create_future()
        (self._firsts if first else self._laters).append(turn)
        if first:
            any(stop.give_way() for stop in self._later)  # one place is enough
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self._release()  # it had just been given a place
            raise

    def _release(self) -> None:
        turn = self._next_turn()
        if turn is None:
            self._free += 1
        else:
            turn.set_result(None)

    def _next_turn(self) -> _Turn | None:
        """Whoever is to have the place that became free; None when nobody waits."""
        for turns in (self._firsts, self._laters):
            while turns and turns[0].done():
                turns.popleft()  # it left
        if not self._laters:
            self._in_a_row = 0
        if self._firsts and self._in_a_row < _FIRSTS_IN_A_ROW:
            self._in_a_row += 1
            return self._firsts.popleft()
        self._in_a_row = 0
        turns = self._laters or self._firsts
        return turns.popleft() if turns else None

    def _end(self, iterator: Iterator[Any]) -> None:
        """Let a job that was left in the middle give back what it holds, in the threads: that may block too."""
        if isinstance(iterator, Generator) and inspect.getgeneratorstate(iterator) == inspect.GEN_SUSPENDED:
            if self._closed:
                iterator.close()
            else:
                self._threads.submit(iterator.close)

    def _retry_after_s(self) -> int:
        usual_s = sum(self._lengths) / len(self._lengths) if self._lengths else 1.0
        return max(1, round(usual_s * self._jobs / self._workers / 2))


def _ending() -> EngineFailedError:
    return EngineFailedError("The service is ending.")


def _next(iterator: Iterator[T]) -> tuple[T] | None:
    """The next item in a tuple, so that None is the end: StopIteration cannot travel through a future."""
    for item in iterator:
        return (item,)
    return None


async def _settled(step: asyncio.Future[Any]) -> None:
    while not step.done():
        try:
            await asyncio.wait({step})
        except asyncio.CancelledError:  # cancelled again: the thread is what it is
            continue
    if not step.cancelled():
        step.exception()  # asyncio would complain that nobody looked
