"""Speech to text with every fault in front and a healthy endpoint behind: the transcript arrives."""

from __future__ import annotations

import asyncio

import pytest

from tests.failover.endpoints import connected, transcriber
from tests.failover.kinds import FOR_STT
from tests.stubs.client import SpeechStub
from tests.stubs.fault_client import FaultProxy
from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.interfaces import Transcript, TranscriptionRequest
from voicemode.testing import tone

pytestmark = pytest.mark.anyio

UTTERANCE = TranscriptionRequest(AudioChunk(tone(2.0), CAPTURE_RATE))


async def _transcribed(faults: FaultProxy, stub: SpeechStub, fault: str) -> tuple[str, Transcript]:
    front = faults.open(fault, stub.urls[0])
    try:
        async with connected((front, stub.urls[1])) as registry:
            return front, await transcriber(registry).transcribe(UTTERANCE)
    except BaseException as error:
        error.add_note(f"the cell: '{fault}'")
        raise


@pytest.mark.parametrize("kind", FOR_STT)
async def test_the_transcript_comes_from_the_next_endpoint(faults: FaultProxy, stub: SpeechStub, kind: str) -> None:
    """With the reason why the first one did not serve; the healthy one gets the whole utterance, once."""
    cells = await asyncio.gather(*(_transcribed(faults, stub, fault) for fault in FOR_STT[kind]))
    for front, transcript in cells:
        assert (transcript.text, transcript.engine) == ("what is the weather like", stub.urls[1])
        assert len(transcript.failed) == 1
        assert front in transcript.failed[0]
    behind = stub.events("stt", site=1)
    assert len(behind) == len(cells)
    assert {len(upload) for upload in stub.uploads()} == {44 + 2 * len(UTTERANCE.audio.samples)}


async def test_one_reset_is_asked_again(faults: FaultProxy, stub: SpeechStub) -> None:
    """A connection that breaks before any answer is no reason for another endpoint."""
    front = faults.open("reset_once", stub.urls[0])
    async with connected((front, stub.urls[1])) as registry:
        transcript = await transcriber(registry).transcribe(UTTERANCE)
    assert (transcript.text, transcript.engine, transcript.failed) == ("from the front", front, ())


@pytest.mark.parametrize("fault", ["busy", "broken"])
async def test_a_failed_endpoint_is_left_alone_by_the_next_request(faults: FaultProxy, stub: SpeechStub, fault: str) -> None:
    """The second utterance goes straight to the one that works."""
    front = faults.open(fault, stub.urls[0])
    async with connected((front, stub.urls[1])) as registry:
        speech = transcriber(registry)
        await speech.transcribe(UTTERANCE)
        again = await speech.transcribe(UTTERANCE)
    assert (again.engine, again.failed) == (stub.urls[1], ())
