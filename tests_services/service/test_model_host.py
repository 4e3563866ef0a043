"""One copy of the model, for as long as somebody needs it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from voicemode_service.errors import EngineFailedError, NotFoundError
from voicemode_service.model_host import ModelHost


class Loader:
    """Loads a virtual model, when it is let."""

    def __init__(self, *failures: Exception, free: bool = True) -> None:
        self.loads, self._failures = 0, list(failures)
        self.let = threading.Event()
        self.began = threading.Event()
        if free:
            self.let.set()

    def __call__(self) -> str:
        self.loads += 1
        self.began.set()
        assert self.let.wait(10)
        if self._failures:
            raise self._failures.pop(0)
        return f"model {self.loads}"


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(test(), 30)

    asyncio.run(limited())


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.001)


async def use_once(host: ModelHost[str]) -> str:
    async with host.use() as model:
        return model


def test_many_first_requests_share_one_load() -> None:
    """Fifty that come together wait for the same copy."""
    loader = Loader()
    host = ModelHost(loader, idle_s=None)

    async def test() -> None:
        assert set(await asyncio.gather(*(use_once(host) for _ in range(50)))) == {"model 1"}

    run(test)
    assert loader.loads == 1
    assert host.load_s is not None


def test_who_leaves_while_it_loads_makes_nobody_begin_again() -> None:
    """The load outlives the one that began it: two at once would need twice the memory."""
    loader = Loader(free=False)
    host = ModelHost(loader, idle_s=None)

    async def test() -> None:
        first = asyncio.create_task(use_once(host))
        await asyncio.to_thread(loader.began.wait, 10)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = asyncio.create_task(use_once(host))
        await asyncio.sleep(0)
        loader.let.set()
        assert await second == "model 1"

    run(test)
    assert loader.loads == 1


def test_a_failed_load_is_told_to_all_who_waited_and_tried_again_at_the_next_use() -> None:
    """/health can say why, until it works."""
    loader = Loader(OSError("the file is cut off"))
    host = ModelHost(loader, idle_s=None)

    async def test() -> None:
        failed = await asyncio.gather(*(use_once(host) for _ in range(5)), return_exceptions=True)
        assert [type(error) for error in failed] == [EngineFailedError] * 5
        assert "cut off" in host.failure
        assert not host.loaded
        assert await use_once(host) == "model 2"
        assert host.failure == ""

    run(test)


def test_a_failure_that_the_service_knows_keeps_its_kind() -> None:
    """A missing model is the client's to know: 404, not 503."""
    host = ModelHost(Loader(NotFoundError("no such model")), idle_s=None)

    async def test() -> None:
        with pytest.raises(NotFoundError):
            await use_once(host)
        assert host.failure == "no such model"

    run(test)


def test_a_failure_that_nobody_waited_for_is_remembered_and_nothing_else() -> None:
    """The one who asked has gone; asyncio has nothing to complain about, and the next one tries again."""
    loader = Loader(OSError("the file is cut off"), free=False)
    host = ModelHost(loader, idle_s=1.0)

    async def test() -> None:
        first = asyncio.create_task(use_once(host))
        await asyncio.to_thread(loader.began.wait, 10)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        loader.let.set()
        await until(lambda: host.failure != "")
        assert await use_once(host) == "model 2"

    run(test)


def test_an_unused_model_is_given_back() -> None:
    """After the idle time, which begins when the last one leaves."""
    host = ModelHost(Loader(), idle_s=0.01)

    async def test() -> None:
        await use_once(host)
        await until(lambda: not host.loaded)
        assert await use_once(host) == "model 2"

    run(test)


def test_a_model_in_use_is_never_given_back() -> None:
    """Also not by the clock that an earlier use had started."""
    loader = Loader()
    host = ModelHost(loader, idle_s=0.01)

    async def test() -> None:
        await use_once(host)
        async with host.use():
            await asyncio.sleep(0.03)
            assert host.loaded
            assert await use_once(host) == "model 1"
            await asyncio.sleep(0.03)
            assert host.loaded

    run(test)
    assert loader.loads == 1


def test_a_load_that_nobody_waits_for_any_more_is_given_back_too() -> None:
    """The idle time begins when it is loaded."""
    loader = Loader(free=False)
    host = ModelHost(loader, idle_s=0.01)

    async def test() -> None:
        first = asyncio.create_task(use_once(host))
        await asyncio.to_thread(loader.began.wait, 10)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        loader.let.set()
        await until(lambda: host.load_s is not None)
        await until(lambda: not host.loaded)

    run(test)
    assert loader.loads == 1


def test_unloading_leaves_the_model_with_those_who_use_it() -> None:
    """They keep what they have; the next one gets a new copy."""
    host = ModelHost(Loader(), idle_s=None)

    async def test() -> None:
        async with host.use() as model:
            host.unload()
            host.unload()
            assert not host.loaded
            assert model == "model 1"
            assert await use_once(host) == "model 2"

    run(test)


def test_using_it_once_at_the_start_is_how_it_is_preloaded() -> None:
    """The first request then waits for nothing."""
    loader = Loader()
    host = ModelHost(loader, idle_s=None)

    async def test() -> None:
        async with host.use():
            pass
        assert host.loaded
        await use_once(host)

    run(test)
    assert loader.loads == 1
