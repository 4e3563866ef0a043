"""Chat with every fault in front and a healthy endpoint behind: every word of the answer comes, once, in order."""

from __future__ import annotations

import asyncio

import pytest

from tests.failover.endpoints import connected
from tests.failover.kinds import FOR_CHAT
from tests.stubs.client import SpeechStub
from tests.stubs.fault_client import FaultProxy
from voicemode.answers import AnswerRequest
from voicemode.dialogue import Message
from voicemode.errors import SpeechFailedError
from voicemode.providers.failover_chat import FailoverAnswer, FailoverAnswerer
from voicemode.testing import texts

pytestmark = pytest.mark.anyio

WORDS = "One day it rained. Two days later the sun came out. Three of us went for a walk, and four came back."
REQUEST = AnswerRequest((Message("user", "Tell me a story."),))
HASTY = {"connect_timeout_s": 1.0, "first_byte_timeout_s": 0.5, "stall_timeout_s": 0.3}


async def _answer(urls: tuple[str, str], **settings: object) -> tuple[str, FailoverAnswer]:
    async with connected(urls, chat_models="stub", **settings) as registry:
        answer = FailoverAnswerer(registry.chat).answer(REQUEST)
        return "".join([text async for text in texts(answer)]), answer


async def _answered(faults: FaultProxy, stub: SpeechStub, fault: str) -> None:
    front = faults.open(fault, stub.urls[0])
    try:
        words, answer = await _answer((front, stub.urls[1]))
        assert words == WORDS
        assert answer.engine == stub.urls[1]
        assert len([reason for reason in answer.failed if front in reason]) == 1, answer.failed
    except BaseException as error:
        error.add_note(f"the cell: '{fault}'")
        raise


async def _unanswered(faults: FaultProxy, stub: SpeechStub, fault: str) -> None:
    urls = (faults.open(fault, stub.urls[0]), faults.open(fault, stub.urls[0]))
    try:
        with pytest.raises(SpeechFailedError) as caught:
            await _answer(urls, **HASTY)
        for url in urls:
            assert len([attempt for attempt in caught.value.attempts if url in attempt.problem]) == 1, caught.value
            assert url in str(caught.value)
    except BaseException as error:
        error.add_note(f"the cell: '{fault}'")
        raise


@pytest.mark.parametrize("kind", FOR_CHAT)
async def test_the_answer_is_whole_when_an_endpoint_is_replaced(faults: FaultProxy, stub: SpeechStub, kind: str) -> None:
    """Also when it is replaced in mid-answer: what was said already is not said again, and the reason is told once."""
    for site in range(2):
        stub.configure(site, chat_text=WORDS)
    await asyncio.gather(*(_answered(faults, stub, fault) for fault in FOR_CHAT[kind]))


@pytest.mark.parametrize("kind", FOR_CHAT)
async def test_an_answer_nobody_gives_ends_with_every_reason(faults: FaultProxy, stub: SpeechStub, kind: str) -> None:
    """Two endpoints with the same fault: one error that names each of them once."""
    stub.configure(0, chat_text=WORDS)
    await asyncio.gather(*(_unanswered(faults, stub, fault) for fault in FOR_CHAT[kind]))


async def test_one_reset_is_asked_again(faults: FaultProxy, stub: SpeechStub) -> None:
    """A connection that breaks before any answer is no reason for another endpoint."""
    stub.configure(0, chat_text=WORDS)
    front = faults.open("reset_once", stub.urls[0])
    words, answer = await _answer((front, stub.urls[1]))
    assert (words, answer.engine, answer.failed) == (WORDS, front, ())
