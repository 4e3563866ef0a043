"""Who answers, and why: as settings and endpoints are with each answer."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.stubs.client import SpeechStub
from voicemode.answers import AnswerRequest
from voicemode.core.failover import UNDECLARED
from voicemode.dialogue import Message
from voicemode.errors import SettingsError
from voicemode.providers.answer_choice import ChosenAnswerer, choose_answerer
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.providers.sites import Service
from voicemode.settings import Settings
from voicemode.testing import texts

pytestmark = pytest.mark.anyio

AGENT = shlex.join([sys.executable, str(Path(__file__).parents[1] / "stubs" / "agent.py"), "answer", "{text}"])
NOTHING = Settings(discovery=False)


@pytest.fixture
def registry(pool: HttpPool) -> Registry:
    return Registry(NOTHING, pool, Builtin())


@pytest.fixture
async def chosen(registry: Registry) -> AsyncIterator[ChosenAnswerer]:
    chosen = choose_answerer(NOTHING, registry, os.environ)
    yield chosen
    await chosen.aclose()


async def ask(chosen: ChosenAnswerer) -> str:
    flow = chosen.answer(AnswerRequest((Message("user", "Hello."),), session_id="one"))
    return "".join([text async for text in texts(flow)])


async def test_with_nothing_configured_an_echo_answers(chosen: ChosenAnswerer) -> None:
    """And says what is missing."""
    assert await ask(chosen) == "You said: Hello."
    assert chosen.choice.is_echo
    assert "VOICEMODE_CHAT_BASE_URLS" in chosen.choice.reason
    assert (chosen.name, chosen.acts) == ("echo (no responder is configured)", False)


async def test_an_endpoint_that_is_named_answers(chosen: ChosenAnswerer, registry: Registry, stub: SpeechStub) -> None:
    """From the next answer on; and no longer when it is taken away."""
    stub.configure(chat_text="Good morning.")
    settings = Settings(chat_base_urls=stub.urls)
    registry.configure(settings)
    chosen.configure(settings)
    assert await ask(chosen) == "Good morning."
    assert chosen.choice.reason == f"there is the chat endpoint {stub.urls[0]} and 1 more"
    assert not chosen.choice.is_echo
    registry.configure(NOTHING)
    assert await ask(chosen) == "You said: Hello."


async def test_an_endpoint_that_is_found_answers(chosen: ChosenAnswerer, registry: Registry, stub: SpeechStub) -> None:
    """Without any setting."""
    stub.configure(chat_text="Good morning.")
    registry.configure(Settings(), [Service(stub.url, {"chat": UNDECLARED})])
    assert await ask(chosen) == "Good morning."


async def test_a_command_comes_before_both(chosen: ChosenAnswerer, registry: Registry, stub: SpeechStub) -> None:
    """It is what the person wrote for nothing else; and it acts."""
    settings = Settings(chat_base_urls=stub.urls, responder_command=AGENT)
    registry.configure(settings)
    chosen.configure(settings)
    assert await ask(chosen) == "You asked:\nHello.\n"
    assert chosen.choice.reason == "VOICEMODE_RESPONDER_COMMAND is set"
    before = chosen.acts
    await chosen.leave("one")
    chosen.configure(NOTHING)
    assert (before, chosen.acts) == (True, False)
    assert stub.events("chat") == []


async def test_a_command_that_cannot_be_used_changes_nothing(chosen: ChosenAnswerer) -> None:
    """The setting is named."""
    with pytest.raises(SettingsError, match="VOICEMODE_RESPONDER_COMMAND"):
        chosen.configure(Settings(responder_command="sh -c 'agent {text}'"))
    assert chosen.choice.is_echo


async def test_the_same_command_keeps_its_conversations(chosen: ChosenAnswerer) -> None:
    """Other settings change all the time."""
    chosen.configure(Settings(responder_command=AGENT))
    before = chosen.choice.answerer
    chosen.configure(Settings(responder_command=AGENT, tts_speed=2.0))
    assert chosen.choice.answerer is before
