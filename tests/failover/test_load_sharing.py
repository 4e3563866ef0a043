"""Equal endpoints share the work, over real sockets, and one that becomes slow is left alone."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pytest

from tests.stubs.client import SpeechStub
from voicemode.audio import AudioChunk
from voicemode.interfaces import TranscriptionRequest
from voicemode.providers.failover_stt import FailoverTranscriber
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.settings import Settings

CALLERS = 6
USUAL_S = 0.05


@pytest.fixture
def three() -> Iterator[SpeechStub]:
    with SpeechStub(sites=3) as stub:
        for site in range(3):
            stub.configure(site, stt_delay_s=USUAL_S)
        yield stub


class Callers:
    """People who speak one after another, several at the same time."""

    def __init__(self, stub: SpeechStub) -> None:
        settings = Settings.model_validate({"stt_base_urls": "|".join(stub.urls), "stt_models": "whisper-1"})
        self.pool = HttpPool(settings)
        self.transcriber = FailoverTranscriber(Registry(settings, self.pool, Builtin()).stt)
        self.sites = {url: site for site, url in enumerate(stub.urls)}

    async def ask(self, requests: int) -> Counter[int]:
        """How many of the requests each site served."""
        request = TranscriptionRequest(AudioChunk(np.zeros(1600, np.int16), 16_000))
        served: list[int] = []
        left = iter(range(requests))

        async def caller() -> None:
            for _ in left:
                served.append(self.sites[(await self.transcriber.transcribe(request)).engine])

        async with asyncio.timeout(60):
            await asyncio.gather(*(caller() for _ in range(CALLERS)))
        return Counter(served)


def test_three_equals_share_the_work_and_a_slow_one_gets_nearly_none(three: SpeechStub) -> None:
    """Within 15 % of a third each; once one takes five times as long, under a tenth from the twentieth request on."""

    async def scenario() -> tuple[Counter[int], Counter[int]]:
        callers = Callers(three)
        try:
            equal = await callers.ask(180)
            await asyncio.to_thread(three.configure, 1, stt_delay_s=5 * USUAL_S)
            await callers.ask(20)
            return equal, await callers.ask(180)
        finally:
            await callers.pool.aclose()

    equal, unequal = asyncio.run(scenario())
    assert all(abs(equal[site] - 60) <= 9 for site in range(3)), equal
    assert unequal[1] < 18, unequal
