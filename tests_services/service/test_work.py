"""The queue: who gets a turn, who is told to wait, and what is left of those who leave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import aclosing

import pytest
from voicemode_service.errors import BusyError, EngineFailedError
from voicemode_service.work import Stop, WorkQueue

from tests_services.service.virtual_engine import Engine, heard, until, with_queue

pytestmark = pytest.mark.usefixtures("no_thread_left")


def test_jobs_take_turns_step_by_step() -> None:
    """Three long ones that came together are served in rounds."""
    engine = Engine(free=False)

    async def test(queue: WorkQueue) -> None:
        tasks = [asyncio.create_task(heard(queue.run(engine.job(name, 3)))) for name in "abc"]
        await until(lambda: queue.jobs == 3)
        engine.let(9)
        assert await asyncio.gather(*tasks) == [[f"{name}{step}" for step in range(3)] for name in "abc"]
        assert engine.ran == ["a0", "b0", "c0", "a1", "b1", "c1", "a2", "b2", "c2"]

    with_queue(test)


def test_who_has_heard_nothing_goes_before_who_listens() -> None:
    """A newcomer's first step is run before the second one of those who came earlier."""
    engine = Engine(free=False)

    async def test(queue: WorkQueue) -> None:
        tasks = [asyncio.create_task(heard(queue.run(engine.job(name, 2)))) for name in "ab"]
        engine.let()
        await until(lambda: engine.ran == ["a0"] and queue.busy == 1)
        await asyncio.sleep(0)  # a1 is in the queue, b0 runs
        tasks.append(asyncio.create_task(heard(queue.run(engine.job("c", 1)))))
        await until(lambda: queue.jobs == 3)
        engine.let(4)
        await asyncio.gather(*tasks)
        assert engine.ran == ["a0", "b0", "c0", "a1", "b1"]

    with_queue(test)


def test_newcomers_without_end_do_not_silence_who_listens() -> None:
    """After eight first steps in a row the one that waits longest goes on."""
    engine = Engine(free=False)

    async def test(queue: WorkQueue) -> None:
        listening = asyncio.create_task(heard(queue.run(engine.job("a", 2))))
        await until(lambda: queue.busy == 1)
        crowd = [asyncio.create_task(heard(queue.run(engine.job(f"n{number}-", 1)))) for number in range(20)]
        await until(lambda: queue.jobs == 21)
        engine.let(22)
        await asyncio.gather(listening, *crowd)
        assert 1 <= engine.ran.index("a1") <= 10

    with_queue(test)


def test_a_full_queue_says_when_to_come_back() -> None:
    """As a whole number of seconds, and it costs no place."""
    engine = Engine(free=False)

    async def test(queue: WorkQueue) -> None:
        tasks = [asyncio.create_task(heard(queue.run(engine.job(name, 1)))) for name in "ab"]
        await until(lambda: queue.jobs == 2)
        with pytest.raises(BusyError) as refused:
            await heard(queue.run(engine.job("c", 1)))
        assert refused.value.retry_after_s >= 1
        engine.let(2)
        await asyncio.gather(*tasks)
        engine.let()
        assert await heard(queue.run(engine.job("c", 1))) == ["c0"]

    with_queue(test, capacity=2)


def test_who_waits_for_a_place_may_leave() -> None:
    """Nothing of it is run, and the next one in the queue gets the place."""
    engine = Engine(free=False)

    async def test(queue: WorkQueue) -> None:
        first, leaving, staying = [asyncio.create_task(heard(queue.run(engine.job(name, 1)))) for name in "abc"]
        await until(lambda: queue.jobs == 3)
        leaving.cancel()
        await asyncio.gather(leaving, return_exceptions=True)
        assert queue.jobs == 2
        engine.let(2)
        assert (await first, await staying) == (["a0"], ["c0"])
        assert engine.ran == ["a0", "c0"]

    with_queue(test)


def test_who_leaves_at_the_moment_of_getting_a_place_hands_it_on() -> None:
    """The place was given, the client had gone: it is not lost."""
    engine = Engine(free=False)

    async def test(queue: WorkQueue) -> None:
        async def one_then_cancel() -> None:
            async with aclosing(queue.run(engine.job("a", 2))) as items:
                await anext(items)
                leaving.cancel()  # it has the place already, and has not run since

        first = asyncio.create_task(one_then_cancel())
        leaving, staying = [asyncio.create_task(heard(queue.run(engine.job(name, 1)))) for name in "bc"]
        await until(lambda: queue.jobs == 3)
        engine.let(3)
        await first
        assert await staying == ["c0"]
        await asyncio.gather(leaving, return_exceptions=True)
        assert "b0" not in engine.ran

    with_queue(test)


def test_who_leaves_in_mid_step_frees_the_place_when_the_step_ends() -> None:
    """The engine is never entered twice at once, and the step is told that nobody waits."""
    engine = Engine(free=False)

    async def test(queue: WorkQueue) -> None:
        leaving = asyncio.create_task(heard(queue.run(engine.job("a", 3))))
        await until(lambda: queue.busy == 1)
        leaving.cancel()
        staying = asyncio.create_task(heard(queue.run(engine.job("b", 1))))
        await until(lambda: queue.jobs == 2)
        assert queue.busy == 1
        engine.let(2)
        assert await staying == ["b0"]
        await asyncio.gather(leaving, return_exceptions=True)
        assert leaving.cancelled()
        assert engine.stopped == ["a"]
        assert "a" in engine.ended

    with_queue(test)


def test_being_cancelled_again_while_a_step_ends_changes_nothing() -> None:
    """Web servers cancel as often as they like."""
    engine = Engine(free=False)

    async def test(queue: WorkQueue) -> None:
        leaving = asyncio.create_task(heard(queue.run(engine.job("a", 3))))
        await until(lambda: queue.busy == 1)
        for _ in range(3):
            leaving.cancel()
            await asyncio.sleep(0)
        assert queue.busy == 1
        engine.let()
        await asyncio.gather(leaving, return_exceptions=True)

    with_queue(test)


def test_who_leaves_between_two_steps_lets_the_job_clean_up() -> None:
    """What a job holds is given back in a thread of the engine, not on the event loop."""
    engine = Engine()
    cleaned: list[str] = []

    def holding(_: Stop) -> Iterator[str]:
        try:
            yield from engine.job("a", 9)(_)
        finally:
            cleaned.append(threading.current_thread().name)

    async def test(queue: WorkQueue) -> None:
        async with aclosing(queue.run(holding)) as items:
            assert await anext(items) == "a0"
        assert queue.jobs == 0
        await until(lambda: bool(cleaned))
        assert cleaned[0].startswith("engine")
        assert engine.ran == ["a0"]

    with_queue(test)


def test_a_consumer_that_does_not_pull_stops_the_work() -> None:
    """One step is made ahead of nobody; others go on meanwhile."""
    engine = Engine()

    async def test(queue: WorkQueue) -> None:
        async with aclosing(queue.run(engine.job("slow", 9))) as slow:
            assert await anext(slow) == "slow0"
            assert await heard(queue.run(engine.job("b", 5))) == [f"b{number}" for number in range(5)]
            assert engine.ran.count("slow1") == 0
            assert await anext(slow) == "slow1"

    with_queue(test)


def test_what_a_step_raises_reaches_the_one_who_asked() -> None:
    """Its place is free afterwards."""

    def broken(_: Stop) -> Iterator[str]:
        yield "a0"
        raise ValueError("the engine broke")

    async def test(queue: WorkQueue) -> None:
        with pytest.raises(ValueError, match="broke"):
            await heard(queue.run(broken))
        assert await heard(queue.run(Engine().job("b", 1))) == ["b0"]

    with_queue(test)


def test_what_cannot_even_begin_takes_no_place() -> None:
    """The function that makes the steps may raise itself."""

    def broken(_: Stop) -> Iterator[str]:
        raise ValueError("no such voice")

    async def test(queue: WorkQueue) -> None:
        for _ in range(3):
            with pytest.raises(ValueError, match="no such voice"):
                await heard(queue.run(broken))

    with_queue(test, capacity=1)


def test_two_hundred_clients_at_once_are_all_served() -> None:
    """With two workers, each client gets its own steps in order, and every third that leaves takes nothing along."""
    engine = Engine()

    async def leaves(queue: WorkQueue, name: str) -> list[str]:
        async with aclosing(queue.run(engine.job(name, 5))) as items:
            return [await anext(items)]

    async def test(queue: WorkQueue) -> None:
        clients = [
            leaves(queue, f"{number}-") if number % 3 == 0 else heard(queue.run(engine.job(f"{number}-", 5)))
            for number in range(200)
        ]
        for number, items in enumerate(await asyncio.gather(*clients)):
            assert items == [f"{number}-{step}" for step in range(1 if number % 3 == 0 else 5)]
        await until(lambda: len(engine.ended) == 200)

    with_queue(test, workers=2)


def test_never_more_steps_at_once_than_workers() -> None:
    """The engine is sized for so many."""
    inside, most, lock = 0, 0, threading.Lock()

    def counted(_: Stop) -> Iterator[str]:
        nonlocal inside, most
        for _number in range(5):
            with lock:
                inside += 1
                most = max(most, inside)
            threading.Event().wait(0.001)
            with lock:
                inside -= 1
            yield "x"

    async def test(queue: WorkQueue) -> None:
        await asyncio.gather(*(heard(queue.run(counted)) for _ in range(20)))
        assert 1 <= most <= 3

    with_queue(test, workers=3)


def test_the_end_tells_everybody() -> None:
    """Steps under way are stopped, those who wait are told, and nothing begins afterwards."""
    engine = Engine(free=False)

    async def run() -> None:
        queue = WorkQueue(workers=1, capacity=9)
        tasks = [asyncio.create_task(heard(queue.run(engine.job(name, 2)))) for name in "ab"]
        await until(lambda: queue.jobs == 2 and queue.busy == 1)
        ending = asyncio.create_task(queue.aclose())
        await asyncio.sleep(0)
        engine.let(2)
        await ending
        running, waiting = await asyncio.gather(*tasks, return_exceptions=True)
        assert running == []
        assert isinstance(waiting, EngineFailedError)
        with pytest.raises(EngineFailedError):
            await heard(queue.run(engine.job("c", 1)))
        await queue.aclose()

    asyncio.run(run())
    assert engine.stopped == ["a"]
    assert "c" not in engine.ended


def test_the_end_does_not_wait_for_a_step_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who wait behind it are told all the same."""
    monkeypatch.setattr("voicemode_service.work._END_S", 0.01)
    engine = Engine(free=False)

    async def run() -> None:
        queue = WorkQueue(workers=1, capacity=9)
        hanging, waiting = [asyncio.create_task(heard(queue.run(engine.job(name, 2)))) for name in "ab"]
        await until(lambda: queue.jobs == 2 and queue.busy == 1)
        await queue.aclose()
        with pytest.raises(EngineFailedError):
            await waiting
        assert not hanging.done()
        engine.let()
        await hanging

    asyncio.run(run())
