"""The diagnosis of speech: endpoints and built-in engines, what is wrong with each, and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from tests.runtime.diagnosed import a_registry, a_subject, look, of, only
from tests.stubs.client import SpeechStub
from voicemode.core.breaker import Failure
from voicemode.core.failover import Declared
from voicemode.engines.builtin import ESPEAK, POCKETSPHINX
from voicemode.providers.sites import Service
from voicemode.runtime.checks import Check, Part, State, used
from voicemode.settings import Settings


@pytest.fixture(scope="module")
def stub() -> Iterator[SpeechStub]:
    with SpeechStub(sites=2) as server:
        yield server


def test_endpoints_come_in_the_order_they_are_tried(tmp_path: Path, stub: SpeechStub) -> None:
    """The first that answers would be used; the built-in engine stays the last resort."""
    stub.reset()
    stub.configure(0, models_mode="503")
    checks = of(look(a_subject(tmp_path, Settings(tts_base_urls=stub.urls))), Part.TTS)
    assert [check.uses for check in checks] == ["", stub.urls[1], "builtin:espeak-ng"]
    assert [check.state for check in checks] == [State.WARNING, State.OK, State.OK]
    assert "503" in checks[0].detail


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ({"refuse": True}, "refused"),
        ({"models_mode": "html"}, "web page"),
        ({"models_mode": "500"}, "500"),
        ({"models_mode": "redirect", "redirect_to": "http://127.0.0.1:9/v1"}, "redirects"),
        ({"models_mode": "hang"}, "within 2 s"),
        ({"key": "right"}, "key"),
    ],
)
def test_an_endpoint_in_trouble_says_which(tmp_path: Path, stub: SpeechStub, behaviour: dict[str, Any], said: str) -> None:
    """Each kind of trouble has its own words and a remedy, and none is taken for working."""
    stub.reset()
    stub.configure(0, **behaviour)
    settings = Settings(stt_base_urls=(stub.url,), stt_api_key=SecretStr("sk-very-secret"))
    check = of(look(a_subject(tmp_path, settings)), Part.STT)[0]
    assert (check.state, check.uses) == (State.WARNING, "")
    assert said in check.detail
    assert check.remedy
    assert "sk-very-secret" not in f"{check}"


def test_a_server_without_a_list_of_models_is_reachable(tmp_path: Path, stub: SpeechStub) -> None:
    """Many good speech servers know /audio/transcriptions and nothing else."""
    stub.reset()
    stub.configure(0, models_mode="404")
    check = of(look(a_subject(tmp_path, Settings(stt_base_urls=(stub.url,)))), Part.STT)[0]
    assert (check.state, check.uses) == (State.OK, stub.url)


def test_the_key_is_sent(tmp_path: Path, stub: SpeechStub) -> None:
    """An endpoint that wants a key and gets it works."""
    stub.reset()
    stub.configure(0, key="right")
    settings = Settings(tts_base_urls=(stub.url,), tts_api_key=SecretStr("right"))
    assert of(look(a_subject(tmp_path, settings)), Part.TTS)[0].state is State.OK


def test_a_service_that_is_found_says_where(tmp_path: Path, stub: SpeechStub) -> None:
    """The look comes first, so that a service that was started a moment ago is in the answer."""
    stub.reset()
    settings = Settings()
    registry = a_registry(settings)

    async def find() -> None:
        registry.found([Service(stub.url, {"tts": Declared()})])

    check = of(look(a_subject(tmp_path, settings, registry=registry, look_now=find)), Part.TTS)[0]
    assert (check.state, check.uses) == (State.OK, stub.url)
    assert f"found on port {urlsplit(stub.url).port}" in check.detail


def test_a_look_that_hangs_is_given_up(tmp_path: Path) -> None:
    """What is known already is told."""

    async def hang() -> None:
        await asyncio.Event().wait()

    assert of(look(a_subject(tmp_path, look_now=hang)), Part.TTS)[0].uses == ESPEAK


def test_an_endpoint_that_answers_and_is_left_alone_is_not_in_use(tmp_path: Path, stub: SpeechStub) -> None:
    """Its list of models works and its speech does not: the next request goes to another one, and the figures say why."""
    stub.reset()
    settings = Settings(tts_base_urls=stub.urls)
    registry = a_registry(settings)
    health = registry.tts[stub.url].health
    now = registry.tts.clock()
    health.failed(health.begin(now), now, Failure.BUSY, "It is too busy.", 600.0)
    checks = of(look(a_subject(tmp_path, settings, registry=registry)), Part.TTS)
    assert used(checks) == {"text-to-speech": stub.urls[1]}
    (left,) = [check for check in checks if check.detail.startswith(stub.url)]
    assert (left.state, left.uses) == (State.WARNING, "")
    assert "is left alone for" in left.detail
    assert "It is too busy" in left.detail
    assert "served 0% of 1" in left.detail


def test_an_endpoint_that_is_tried_again_is_in_use_with_a_warning(tmp_path: Path, stub: SpeechStub) -> None:
    """Its time is up; whether it serves is not known yet."""
    stub.reset()
    settings = Settings(tts_base_urls=(stub.url,))
    registry = a_registry(settings)
    now = 1000.0
    registry.tts.clock = lambda: now
    health = registry.tts[stub.url].health
    health.failed(health.begin(now), now, Failure.BUSY, "It is too busy.", 600.0)
    now += 601
    check = of(look(a_subject(tmp_path, settings, registry=registry)), Part.TTS)[0]
    assert (check.state, check.uses) == (State.WARNING, stub.url)
    assert "is tried again after: It is too busy" in check.detail


def test_a_chat_endpoint_that_is_down_fails_nothing(tmp_path: Path, stub: SpeechStub) -> None:
    """An agent brings its own answers; who named an endpoint for them wants to know how it is."""
    stub.reset()
    stub.configure(0, refuse=True)
    down, well = of(look(a_subject(tmp_path, Settings(chat_base_urls=stub.urls))), Part.CHAT)
    assert (down.state, down.uses) == (State.WARNING, "")
    assert "VOICEMODE_CHAT_BASE_URLS" in down.remedy
    assert (well.state, well.uses) == (State.OK, stub.urls[1])


def test_a_key_of_other_programs_is_mentioned_where_it_would_help(tmp_path: Path, stub: SpeechStub) -> None:
    """It is not used, for nobody agreed to that; with a better endpoint, the consent or LOCAL_ONLY nothing is said."""
    stub.reset()

    def hints(**settings: Any) -> list[Check]:
        checks = look(a_subject(tmp_path, Settings(**settings), openai_key_elsewhere=True))
        return [check for check in checks if "OPENAI_API_KEY is in the environment" in check.detail]

    (hint,) = hints()
    assert "voicemode config set VOICEMODE_OPENAI_API_KEY" in hint.remedy
    assert (hint.name, hint.state) == (Part.TTS, State.OK)
    assert [hint.name for hint in hints(tts_base_urls=(stub.url,))] == [Part.STT]
    assert hints(tts_base_urls=(stub.url,), stt_base_urls=(stub.url,)) == []
    assert hints(local_only=True) == []
    assert not [c for c in look(a_subject(tmp_path)) if "OPENAI_API_KEY" in c.detail]


def test_without_any_engine_each_reason_is_a_failure(tmp_path: Path) -> None:
    """One engine is enough; without any, there is no voice."""
    settings = Settings(tts_base_urls=("http://127.0.0.1:9/v1",), builtin=False)
    checks = look(a_subject(tmp_path, settings))
    assert [check.state for check in of(checks, Part.TTS)] == [State.FAILED, State.FAILED]
    assert [check.state for check in of(checks, Part.STT)] == [State.FAILED]
    assert all(check.remedy for check in of(checks, Part.STT))


def test_the_built_in_recogniser_alone_is_a_warning(tmp_path: Path) -> None:
    """It gets one word in three wrong, and the remedy is one setting."""
    check = only(look(a_subject(tmp_path)), Part.STT)
    assert check.state is State.WARNING
    assert "VOICEMODE_STT_BASE_URLS" in check.remedy


def test_missing_built_in_engines_are_told_with_the_command_that_brings_them(tmp_path: Path) -> None:
    """Without any other engine it is a failure."""
    check = only(look(a_subject(tmp_path, find_builtin=lambda: {POCKETSPHINX: "sphinx 5"})), Part.TTS)
    assert check.state is State.FAILED
    assert "voicemode[builtin]" in check.remedy


def test_the_built_in_recogniser_is_of_no_use_for_another_language(tmp_path: Path) -> None:
    """It would refuse; English guesses would be worse."""
    check = only(look(a_subject(tmp_path, Settings(language="de"))), Part.STT)
    assert (check.state, check.uses) == (State.FAILED, "")
    assert "'de'" in check.detail
