"""Text to speech by whichever endpoint can, between real endpoints."""

from __future__ import annotations

import asyncio

import pytest

from tests.providers.engines import in_flight, shelf_of
from tests.stubs.client import SpeechStub
from voicemode.errors import EndpointError
from voicemode.interfaces import SpeechRequest, Synthesizer
from voicemode.providers.failover_tts import FailoverSynthesis, FailoverSynthesizer
from voicemode.providers.http import HttpPool
from voicemode.providers.http_tts import HttpSynthesizer
from voicemode.providers.shelf import Shelf

pytestmark = pytest.mark.anyio

HELLO = SpeechRequest("Hello.")


@pytest.mark.parametrize(
    "order", [{"refuse": True}, {"tts_mode": "503", "retry_after_s": 0}, {"tts_mode": "html"}, {"tts_mode": "empty"}]
)
async def test_speaking_fails_over_and_comes_back(stub: SpeechStub, pool: HttpPool, order: dict[str, str | bool | int]) -> None:
    """Each kind of failure, within one request, and back to the first when it works again."""
    stub.configure(**order)  # type: ignore[arg-type]
    shelf: Shelf[Synthesizer] = shelf_of("tts", *(HttpSynthesizer(url, pool) for url in stub.urls))
    failover = FailoverSynthesizer(shelf)
    synthesis = failover.synthesize(HELLO)
    assert [chunk async for chunk in synthesis]
    assert synthesis.engine == stub.urls[1]
    assert [error.endpoint for error in synthesis.attempts if isinstance(error, EndpointError)] == [stub.urls[0]]
    stub.configure(refuse=False, tts_mode="ok")
    shelf[stub.urls[0]].health.breaker.settings_changed()
    synthesis = failover.synthesize(HELLO)
    assert [chunk async for chunk in synthesis]
    assert synthesis.engine == stub.urls[0]


async def test_cancelling_passes_through_and_frees_the_connection(stub: SpeechStub, pool: HttpPool) -> None:
    """A cancelled request is no reason to ask the next endpoint."""
    stub.configure(tts_mode="hang")
    shelf: Shelf[Synthesizer] = shelf_of("tts", *(HttpSynthesizer(url, pool) for url in stub.urls))
    task = asyncio.ensure_future(_iterate(FailoverSynthesizer(shelf).synthesize(HELLO)))
    await asyncio.to_thread(stub.wait_for, lambda events: any("at_body" in e and "gone_at" not in e for e in events))
    task.cancel()
    await asyncio.wait({task})
    assert task.cancelled()
    await asyncio.to_thread(stub.wait_for, lambda events: all("gone_at" in e for e in events))
    assert stub.events(site=1) == []
    assert in_flight(shelf) == {}


async def _iterate(synthesis: FailoverSynthesis) -> int:
    return len([chunk async for chunk in synthesis])
