"""Endpoints looked after in the background, over real sockets; and what is never done to anybody."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.stubs.client import SpeechStub
from voicemode.core.breaker import BreakerState, Failure
from voicemode.core.failover import Declared, Need, Origin, Task
from voicemode.core.schedule import Pace
from voicemode.providers.http import HttpPool
from voicemode.providers.known_services import KnownService
from voicemode.providers.registry import Builtin, Registry
from voicemode.providers.watch import LINGER_S, Watch
from voicemode.settings import Settings
from voicemode.testing import FakeSynthesizer, FakeTranscriber

pytestmark = pytest.mark.anyio

BUILTIN = Builtin(FakeSynthesizer(), FakeTranscriber())
QUICK = Pace(
    absent_s=0.05,
    silent_s=0.05,
    found_s=0.05,
    stranger_s=0.05,
    named_s=0.05,
    down_s=0.05,
    down_local_s=0.05,
    down_remote_s=0.05,
    tick_s=0.02,
)
"""What takes seconds, in no time."""
DEADLINE_S = 8.0


class Clock:
    """Stands still until it is told otherwise."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def watching(
    *known: KnownService, pace: Pace = QUICK, clock: Callable[[], float] = time.monotonic, **values: Any
) -> AsyncIterator[tuple[Registry, Watch]]:
    settings = Settings.model_validate(values)
    pool = HttpPool(settings)
    registry = Registry(settings, pool, BUILTIN)
    watch = Watch(registry, pool, known=known, pace=pace, clock=clock)
    try:
        yield registry, watch
    finally:
        await watch.aclose()
        await pool.aclose()


def known(stub: SpeechStub, *tasks: Task, site: int = 0) -> KnownService:
    """The stub's port, as one where such a service is looked for."""
    return KnownService(urlsplit(stub.urls[site]).port or 0, "stub", tasks)


async def until(holds: Callable[[], object]) -> None:
    """Fails when it does not come true."""
    async with asyncio.timeout(DEADLINE_S):
        while not holds():
            await asyncio.sleep(0.01)


def first(registry: Registry) -> str:
    """Who would be asked to speak now."""
    return registry.tts.decide(Need(task="tts")).order[0].name


def unreachable(registry: Registry, url: str) -> None:
    """A request of a moment ago was refused; the breaker waits as long as it does at the worst."""
    shelf = registry.tts
    ticket = shelf[url].health.begin(shelf.clock())
    shelf[url].health.failed(ticket, shelf.clock(), Failure.UNREACHABLE, "connection refused")
    shelf[url].health.breaker.until = shelf.clock() + 60


async def test_nothing_happens_before_somebody_converses(stub: SpeechStub) -> None:
    """Building it opens nothing and starts nothing."""
    async with watching(known(stub, "tts"), stt_base_urls=stub.urls[1]) as (_, watch):
        await asyncio.sleep(0)
        assert not watch.active
    assert stub.events() == []


async def test_a_service_that_runs_speaks_the_first_sentence(stub: SpeechStub) -> None:
    """Whoever begins a conversation waits for the look, and for no more than that."""
    async with watching(known(stub, "tts", "stt")) as (registry, watch), watch.conversation("tts"):
        assert first(registry) == stub.url
        assert [entry.origin for entry in registry.stt if entry.name == stub.url] == [Origin.FOUND]


async def test_a_silent_port_does_not_keep_the_first_sentence_waiting(stub: SpeechStub) -> None:
    """One service is enough, whatever else hangs."""
    stub.configure(0, models_mode="hang")
    async with watching(known(stub, "tts"), known(stub, "tts", site=1)) as (registry, watch), asyncio.timeout(DEADLINE_S):
        await watch.ready("tts")
        assert first(registry) == stub.urls[1]


async def test_hanging_ports_are_given_up_for_the_built_in_engine(stub: SpeechStub) -> None:
    """The wait has an end although the look goes on."""
    stub.configure(0, models_mode="hang")
    async with watching(known(stub, "tts")) as (registry, watch), asyncio.timeout(DEADLINE_S):
        await watch.ready("tts")
        assert registry.tts[first(registry)].origin is Origin.BUILTIN
        assert ["gone_at" in event for event in stub.events("models")] == [False]


async def test_nobody_waits_who_named_an_endpoint(stub: SpeechStub) -> None:
    """Nor for a look that was a moment ago, nor where discovery is switched off."""
    stub.configure(0, models_mode="hang")
    async with watching(known(stub, "tts"), tts_base_urls=stub.urls[1]) as (_, watch):
        await watch.ready("tts")
    async with watching(known(stub, "tts"), discovery=False) as (_, watch):
        await watch.ready("tts")
    assert stub.events("models") == []


async def test_a_look_is_fresh_for_ten_seconds(stub: SpeechStub) -> None:
    """Call after call costs nothing; then one looks again."""
    stub.configure(models_mode="404")
    clock = Clock()
    async with watching(known(stub, "stt"), clock=clock) as (_, watch):
        for clock.now in (100.0, 109.0, 111.0):
            await watch.ready("stt")
    assert len(stub.events("models")) == 2


async def test_a_service_that_is_started_later_is_found(stub: SpeechStub) -> None:
    """Without restarting anything, and with all that it declares."""
    stub.configure(refuse=True, models=["kokoro"], voice_list=["af_sky"])
    async with watching(known(stub, "tts")) as (registry, watch), watch.conversation("tts"):
        assert stub.url not in registry.tts
        stub.configure(refuse=False)
        await until(lambda: stub.url in registry.tts)
        assert registry.tts[stub.url].declared == Declared(models=("kokoro",), voices=("af_sky",), languages=("en-us",))


async def test_a_stranger_on_the_port_of_a_service_is_no_longer_spoken_to(stub: SpeechStub) -> None:
    """Nothing is sent to it but looks."""
    async with watching(known(stub, "tts")) as (registry, watch), watch.conversation("tts"):
        assert stub.url in registry.tts
        stub.configure(models_mode="html")
        await until(lambda: stub.url not in registry.tts)


@pytest.mark.parametrize("way", ["named", "found"])
async def test_an_endpoint_that_returns_may_be_asked_at_once(stub: SpeechStub, way: str) -> None:
    """However long its breaker still had to wait."""
    named: dict[str, Any] = {"tts_base_urls": stub.url} if way == "named" else {}
    async with watching(known(stub, "tts"), **named) as (registry, watch), watch.conversation("tts"):
        stub.configure(refuse=True)
        unreachable(registry, stub.url)
        breaker = registry.tts[stub.url].health.breaker
        await asyncio.sleep(0.2)  # looks at a port that refuses, which must not count as an answer
        assert not breaker.admits(registry.tts.clock())
        stub.configure(refuse=False)
        await until(lambda: breaker.admits(registry.tts.clock()))
        assert breaker.state is BreakerState.OPEN  # a look is no proof: the next request tries


async def test_an_endpoint_that_failed_otherwise_is_not_helped_by_an_answer(stub: SpeechStub) -> None:
    """Its list of models says nothing of a model that is out of memory."""
    async with watching(tts_base_urls=stub.url) as (registry, watch), watch.conversation():
        shelf = registry.tts
        ticket = shelf[stub.url].health.begin(shelf.clock())
        shelf[stub.url].health.failed(ticket, shelf.clock(), Failure.BROKEN, "HTTP 500")
        shelf[stub.url].health.breaker.until = shelf.clock() + 60
        await asyncio.to_thread(stub.wait_for, lambda events: len(events) >= 4)
        assert not shelf[stub.url].health.breaker.admits(shelf.clock())


async def test_a_named_endpoint_is_asked_what_it_has(stub: SpeechStub) -> None:
    """In the background, each task with its own key, and again when it may have changed."""
    stub.configure(models=["whisper-1", "kokoro"], voice_list=["af_sky"])
    keys: dict[str, Any] = {"tts_api_key": "for-tts", "stt_api_key": "for-stt"}
    async with watching(tts_base_urls=stub.url, stt_base_urls=stub.url, **keys) as (registry, watch), watch.conversation():
        await until(lambda: registry.tts[stub.url].declared.models == ("kokoro",))
        await until(lambda: registry.stt[stub.url].declared.models == ("whisper-1",))
        stub.configure(models=["kokoro-2"])
        await until(lambda: registry.tts[stub.url].declared.models == ("kokoro-2",))
    asked = {(event["kind"], event["authorization"]) for event in stub.events()}
    assert asked == {("models", "Bearer for-tts"), ("voices", "Bearer for-tts"), ("models", "Bearer for-stt")}


async def test_what_was_declared_is_not_forgotten_for_a_moment_of_trouble(stub: SpeechStub) -> None:
    """A list that cannot be had says nothing."""
    async with watching(tts_base_urls=stub.url) as (registry, watch), watch.conversation():
        await until(lambda: registry.tts[stub.url].declared.models == ("tts-1",))
        stub.configure(models_mode="404")
        await asyncio.to_thread(stub.wait_for, lambda events: [e.get("status") for e in events].count(404) >= 3)
        assert registry.tts[stub.url].declared.models == ("tts-1",)


async def test_the_cloud_and_whoever_works_elsewhere_is_left_alone(stub: SpeechStub, monkeypatch: pytest.MonkeyPatch) -> None:
    """A remote endpoint says once what it has; the cloud is not asked at all while nobody uses it."""
    monkeypatch.setenv("http_proxy", stub.urls[1].removesuffix("/v1"))  # the second site stands for the world outside
    monkeypatch.setenv("https_proxy", stub.urls[1].removesuffix("/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    elsewhere = "http://speech.example.com/v1"
    async with watching(tts_base_urls=f"{elsewhere},{stub.url}", openai_api_key="k") as (_, watch), watch.conversation():
        await asyncio.to_thread(stub.wait_for, lambda events: len([e for e in events if e["site"] == 0]) >= 6)
    assert len(stub.events(site=1)) == 2  # its models and its voices


async def test_it_ends_by_itself_when_nobody_converses(stub: SpeechStub) -> None:
    """A while after the last sign, and not before; the next sign starts it again."""
    clock = Clock()
    async with watching(known(stub, "tts"), clock=clock) as (_, watch):
        watch.touch()
        async with watch.conversation():
            clock.now += 10 * LINGER_S
            await asyncio.sleep(0.1)  # longer than it sleeps: it has seen the time
            assert watch.active
        clock.now += LINGER_S - 1
        await asyncio.sleep(0.1)
        assert watch.active
        clock.now += 2
        await until(lambda: not watch.active)
        watch.touch()
        assert watch.active


async def test_closing_ends_what_hangs(stub: SpeechStub) -> None:
    """Every task that it began, also in the middle of a look; twice does no harm."""
    stub.configure(models_mode="hang")
    before = asyncio.all_tasks()
    async with watching(known(stub, "tts"), stt_base_urls=stub.urls[1]) as (_, watch):
        watch.touch()
        await asyncio.to_thread(stub.wait_for, lambda events: len(events) >= 1)
        await watch.aclose()
        assert asyncio.all_tasks() == before


async def test_ports_of_chat_are_left_alone_until_somebody_chats(stub: SpeechStub) -> None:
    """Port 8080 is everybody's, and a spoken conversation needs nothing from it."""
    stub.configure(0, models=["llama3.2:latest"])
    async with watching(known(stub, "chat"), known(stub, "tts", site=1)) as (registry, watch), watch.conversation("tts"):
        await asyncio.to_thread(stub.wait_for, lambda events: len(events) >= 4)
        assert stub.events(site=0) == []
        await watch.ready("chat")
        assert [entry.name for entry in registry.chat] == [stub.url]


async def test_one_look_at_everything_for_whoever_asks(stub: SpeechStub) -> None:
    """Ports and named endpoints; it has an end although one hangs, and nothing goes on."""
    stub.configure(1, models_mode="hang")
    async with watching(known(stub, "tts"), stt_base_urls=stub.urls[1]) as (registry, watch), asyncio.timeout(DEADLINE_S):
        await watch.look_now()
        assert first(registry) == stub.url
        assert not watch.active


async def test_a_bug_in_a_look_is_told_and_ends_nothing(
    stub: SpeechStub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The conversation goes on, and so do the other looks."""
    async with watching(known(stub, "tts"), stt_base_urls=stub.urls[1]) as (registry, watch):
        monkeypatch.setattr(registry, "declare", None)
        async with watch.conversation("tts"):
            await until(lambda: "failed" in caplog.text)
            assert first(registry) == stub.url
            assert watch.active
