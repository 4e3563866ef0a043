"""Shelves that follow the settings and what was found, without asking anybody."""

from __future__ import annotations

from typing import Any

import pytest

from tests.stubs.client import SpeechStub
from voicemode.answers import AnswerRequest
from voicemode.core.breaker import BreakerState, Failure
from voicemode.core.failover import UNDECLARED, Declared, Origin
from voicemode.dialogue import Message
from voicemode.errors import SettingsError
from voicemode.interfaces import SpeechRequest
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.providers.sites import Service
from voicemode.settings import Settings
from voicemode.testing import FakeSynthesizer, FakeTranscriber

pytestmark = pytest.mark.anyio

URL = "http://127.0.0.1:8880/v1"
KOKORO = Declared(models=("kokoro",), voices=("af_sky",))


def _settings(**values: Any) -> Settings:
    return Settings.model_validate(values)


def _registry(pool: HttpPool, **values: Any) -> Registry:
    return Registry(_settings(**values), pool, Builtin(FakeSynthesizer(), FakeTranscriber()))


async def test_the_built_in_engines_are_the_last_and_can_be_switched_off(pool: HttpPool) -> None:
    """With neither a name nor a service they are all there is."""
    registry = _registry(pool)
    assert [entry.origin for entry in registry.tts] == [Origin.BUILTIN]
    registry.configure(_settings(builtin=False))
    assert not list(registry.tts)
    assert not list(registry.stt)


async def test_a_service_comes_and_goes_with_what_is_found(pool: HttpPool) -> None:
    """It is there for its tasks, with what it declared."""
    registry = _registry(pool)
    registry.found([Service(URL, {"tts": KOKORO})])
    assert registry.tts[URL].origin is Origin.FOUND
    assert registry.tts[URL].declared == KOKORO
    assert URL not in registry.stt
    assert [site.url for site in registry.sites("tts")] == [URL]
    registry.found([])
    assert URL not in registry.tts


async def test_health_outlives_news_of_others(pool: HttpPool) -> None:
    """What was learnt of an endpoint is kept while its address and key stay the same."""
    registry = _registry(pool, tts_base_urls=URL)
    registry.declare("tts", URL, KOKORO)
    entry = registry.tts[URL]
    entry.health.breaker.failed(0.0, Failure.FORBIDDEN)
    registry.found([Service("http://127.0.0.1:8000/v1", {"stt": UNDECLARED})])
    again = registry.tts[URL]
    assert again.health is entry.health
    assert again.engine is entry.engine
    assert again.declared == KOKORO
    assert again.health.breaker.state is BreakerState.OPEN


async def test_another_key_gives_an_endpoint_another_chance(pool: HttpPool) -> None:
    """Whoever forbade the old one has not seen the new one."""
    registry = _registry(pool, tts_base_urls=URL, tts_api_key="old")
    registry.tts[URL].health.breaker.failed(0.0, Failure.FORBIDDEN)
    registry.configure(_settings(tts_base_urls=URL, tts_api_key="new"))
    assert registry.tts[URL].health.breaker.state is BreakerState.CLOSED


async def test_settings_that_cannot_be_used_change_nothing(pool: HttpPool) -> None:
    """Neither shelf, also when only one address is wrong."""
    registry = _registry(pool, tts_base_urls=URL)
    with pytest.raises(SettingsError):
        registry.configure(_settings(stt_base_urls="ftp://127.0.0.1/v1"))
    assert URL in registry.tts
    assert registry.settings.tts_base_urls == (URL,)


async def test_what_a_stranger_declares_is_ignored(pool: HttpPool) -> None:
    """It may have left while it was asked."""
    registry = _registry(pool)
    registry.declare("tts", URL, KOKORO)
    assert URL not in registry.tts


async def test_an_engine_asks_for_what_was_declared_meanwhile(stub: SpeechStub, pool: HttpPool) -> None:
    """The same engine object, before and after."""
    registry = _registry(pool, tts_base_urls=stub.url, voices="af_bella")
    for declared in (UNDECLARED, KOKORO):
        registry.declare("tts", stub.url, declared)
        async for _ in registry.tts[stub.url].engine.synthesize(SpeechRequest("Hello there.")):
            pass
    asked = [(event["body"]["model"], event["body"]["voice"]) for event in stub.events("tts")]
    assert asked == [("tts-1", "af_bella"), ("kokoro", "af_sky")]


async def test_chat_endpoints_stand_on_a_shelf_of_their_own_and_none_is_built_in(pool: HttpPool, stub: SpeechStub) -> None:
    """Their models are those that they declare."""
    registry = _registry(pool, chat_base_urls=stub.url)
    assert [entry.origin for entry in registry.chat] == [Origin.NAMED]
    registry.declare("chat", stub.url, Declared(models=("llama",)))
    request = AnswerRequest((Message("user", "How are you?"),))
    assert [delta async for delta in registry.chat[stub.url].engine.answer(request)]
    assert stub.events("chat")[0]["body"]["model"] == "llama"
    assert {shelf.task for shelf in registry.shelves()} == {"tts", "stt", "chat"}
