"""The queue of an engine that cannot be interrupted, but can do one thing more at a time."""

from __future__ import annotations

import asyncio

import pytest
from voicemode_service.work import WorkQueue

from tests_services.service.virtual_engine import Engine, heard, until, with_queue

pytestmark = pytest.mark.usefixtures("no_thread_left")


def test_a_spare_frees_the_place_at_once() -> None:
    """The engine still works for who left; the next one is served beside it, and what was left is closed afterwards."""
    stuck, engine = Engine(free=False), Engine()

    async def test(queue: WorkQueue) -> None:
        leaving = asyncio.create_task(heard(queue.run(stuck.job("a", 3))))
        await until(lambda: queue.busy == 1)
        leaving.cancel()
        assert await heard(queue.run(engine.job("b", 2))) == ["b0", "b1"]
        assert leaving.cancelled()
        assert stuck.ended == []
        stuck.let()
        await until(lambda: stuck.ended == ["a"])
        assert stuck.stopped == ["a"]

    with_queue(test, spares=1)


def test_who_leaves_while_the_spare_is_in_use_frees_the_place_when_the_step_ends() -> None:
    """However many leave at once, the engine is never entered more often than it can be; the spare comes back."""
    engine = Engine(free=False)

    async def test(queue: WorkQueue) -> None:
        for _ in range(2):
            leaving = [asyncio.create_task(heard(queue.run(engine.job(name, 1)))) for name in "ab"]
            for task in leaving:
                await until(lambda: queue.busy == 1)
                await asyncio.sleep(0.001)
                task.cancel()
                await asyncio.sleep(0.001)
            assert leaving[0].done()
            assert not leaving[1].done()
            assert queue.busy == 1
            engine.let(2)
            await asyncio.gather(*leaving, return_exceptions=True)
            await until(lambda: engine.ended.count("b") == engine.ended.count("a") > 0)
            assert queue.busy == 0
            engine.ended.clear()

    with_queue(test, spares=1)
