"""The process that speaks is killed in the middle of a message."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest

from tests.failover.ear import Ear
from tests.failover.endpoints import connected
from tests.stubs.client import SpeechStub
from tests.stubs.sentence_tones import sentences
from voicemode.interfaces import SpeechRequest
from voicemode.providers.failover_tts import FailoverSynthesizer
from voicemode.runtime.playback import speak

pytestmark = pytest.mark.anyio

SENTENCES = 6


@pytest.mark.parametrize("while_speaking", [1, 3, 6])
async def test_no_sentence_is_lost(stub: SpeechStub, while_speaking: int) -> None:
    """SIGKILL while the first, a middle or the last of six sentences is on its way: all six are heard, once, in order."""
    with SpeechStub(sites=1) as mortal:
        mortal.configure(voice="numbers", seconds_per_char=0.04, rate_x=2.0)
        ear = Ear(2.0)
        async with connected((mortal.url, stub.urls[1])) as registry:
            synthesizer = FailoverSynthesizer(registry.tts)
            message = speak(sentences(SENTENCES), SpeechRequest(""), synthesizer, ear, lambda _: None)
            speaking = asyncio.create_task(message)
            await asyncio.to_thread(mortal.wait_for, lambda events: _half_sent(events, while_speaking), 10)
            os.kill(mortal.pid, signal.SIGKILL)
            spoken = await speaking
            await ear.drain()
    ear.check(SENTENCES)
    assert spoken.engine == stub.urls[1]
    assert any(mortal.url in reason for reason in spoken.failed)


def _half_sent(events: list[dict[str, object]], number: int) -> bool:
    """The sentence of this number has begun to be sent, and is not done."""
    speeches = [event for event in events if event["kind"] == "tts"]
    return len(speeches) == number and len(_pieces(speeches[-1])) > 2 and "at_done" not in speeches[-1]


def _pieces(event: dict[str, object]) -> list[object]:
    pieces = event.get("at_pieces", [])
    assert isinstance(pieces, list)
    return pieces
