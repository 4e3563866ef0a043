"""A long step gives way to whoever has heard nothing yet."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

from voicemode_service.work import Stop, WorkQueue

Steps = Callable[[Stop], Iterator[str]]


def test_whoever_asks_first_is_told_so() -> None:
    """One request is enough; the next step starts afresh."""
    stop, asked = Stop(), list[str]()
    stop.gives_way(lambda: asked.append("now"))
    assert [stop.give_way(), stop.give_way()] == [True, False]
    stop.begin()
    assert stop.give_way()
    assert asked == ["now", "now"]


def test_a_request_that_came_before_the_step_was_ready_holds() -> None:
    """It is passed on as soon as the step can be interrupted."""
    stop, asked = Stop(), list[str]()
    stop.give_way()
    stop.gives_way(lambda: asked.append("now"))
    assert asked == ["now"]


def _long(gave_way: threading.Event) -> Steps:
    def steps(stop: Stop) -> Iterator[str]:
        yield "first"
        stop.gives_way(gave_way.set)
        assert gave_way.wait(10)
        stop.gives_way(None)
        yield "gave way"
        yield "resumed"

    return steps


async def _conversation() -> list[str]:
    queue, heard, gave_way = WorkQueue(workers=1, capacity=4), list[str](), threading.Event()

    async def listen(steps: Steps) -> None:
        async for item in queue.run(steps):
            heard.append(item)

    long = asyncio.create_task(listen(_long(gave_way)))
    while queue.busy == 0 or heard != ["first"]:
        await asyncio.sleep(0)
    await listen(lambda _: iter(["newcomer"]))
    await long
    await queue.aclose()
    return heard


def test_the_newcomer_is_heard_before_the_long_one_goes_on() -> None:
    """And the long one is resumed after it."""
    heard = asyncio.run(_conversation())
    assert heard.index("newcomer") < heard.index("resumed")
    assert heard[-1] == "resumed"


async def _two_beginners() -> bool:
    queue, asked = WorkQueue(workers=1, capacity=4), threading.Event()
    go = threading.Event()

    def first(stop: Stop) -> Iterator[str]:
        stop.gives_way(asked.set)
        assert go.wait(10)
        yield "first"

    async def listen(steps: Steps) -> None:
        async for _ in queue.run(steps):
            pass

    beginner = asyncio.create_task(listen(first))
    while not queue.busy:
        await asyncio.sleep(0)
    second = asyncio.create_task(listen(lambda _: iter(["second"])))
    while queue.jobs < 2:
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    go.set()
    await asyncio.gather(beginner, second)
    await queue.aclose()
    return asked.is_set()


def test_a_first_step_gives_way_to_nobody() -> None:
    """Its listener has heard nothing either, and came earlier."""
    assert not asyncio.run(_two_beginners())
