"""Text to speech with every fault in front and a healthy endpoint behind: the person hears every sentence, once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from tests.failover.endpoints import connected, say
from tests.failover.kinds import FOR_TTS, UNREACHABLE
from tests.stubs.client import SpeechStub
from tests.stubs.fault_client import FaultProxy

pytestmark = pytest.mark.anyio

SENTENCES = 5


@dataclass(frozen=True, slots=True)
class Told:
    """What is known of a message that arrived whole."""

    fault: str
    front: str
    engine: str
    failed: tuple[str, ...]


async def _message(faults: FaultProxy, stub: SpeechStub, fault: str, after: int) -> Told:
    front = faults.open(fault, stub.urls[0], after=after)
    try:
        async with connected((front, stub.urls[1])) as registry:
            spoken, ear = await say(registry, SENTENCES)
        ear.check(SENTENCES)
    except BaseException as error:
        error.add_note(f"the cell: '{fault}' after {after} sentences")
        raise
    return Told(fault, front, spoken.engine, spoken.failed)


async def _messages(faults: FaultProxy, stub: SpeechStub, kinds: Sequence[str], afters: Sequence[int] = (0, 2)) -> list[Told]:
    """Each fault from the first sentence on, and from the third."""
    return await asyncio.gather(*(_message(faults, stub, fault, after) for fault in kinds for after in afters))


@pytest.mark.parametrize("kind", FOR_TTS)
async def test_the_message_is_whole_when_an_endpoint_is_replaced(faults: FaultProxy, stub: SpeechStub, kind: str) -> None:
    """From the first sentence on, and from the third: the next endpoint goes on, and the reason is told."""
    for told in await _messages(faults, stub, FOR_TTS[kind]):
        assert told.engine == stub.urls[1], told
        assert any(told.front in reason for reason in told.failed), told


async def test_the_message_is_whole_when_an_endpoint_cannot_be_reached(faults: FaultProxy, stub: SpeechStub) -> None:
    """No connection, no such name, no encryption to be trusted: the next endpoint speaks, and the reason is told."""
    for told in await _messages(faults, stub, UNREACHABLE, (0,)):
        assert told.engine == stub.urls[1], told
        assert any(told.front in reason for reason in told.failed), told


@pytest.mark.parametrize("fault", ["reset_once", "odd", "odd_short", "wav_too_short", "wav_too_long"])
async def test_an_endpoint_keeps_the_word_when_its_fault_can_be_mended(
    faults: FaultProxy, stub: SpeechStub, fault: str
) -> None:
    """One reset is asked again; half a sample is no sound; a wrong length in a head is not believed."""
    for told in await _messages(faults, stub, [fault]):
        assert (told.engine, told.failed) == (told.front, ()), told
