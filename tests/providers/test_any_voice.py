"""A voice that nobody has is no reason to be silent."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import pytest

from tests.stubs.client import SpeechStub
from voicemode.audio import AudioChunk
from voicemode.core.failover import Origin
from voicemode.errors import RequestError, SpeechFailedError
from voicemode.interfaces import SpeechRequest, Synthesizer
from voicemode.providers.any_voice import AnyVoice
from voicemode.providers.failover_tts import FailoverSynthesizer
from voicemode.providers.http import HttpPool
from voicemode.providers.http_tts import HttpSynthesizer
from voicemode.providers.shelf import Entry, Shelf

pytestmark = pytest.mark.anyio


@pytest.fixture
def speaking(stub: SpeechStub, pool: HttpPool) -> AnyVoice:
    shelf: Shelf[Synthesizer] = Shelf("tts")
    engine = HttpSynthesizer(stub.url, pool, models=("tts-1",), voices=("own",))
    shelf.put(Entry(engine=engine, origin=Origin.NAMED, health=shelf.new_health()))
    return AnyVoice(FailoverSynthesizer(shelf))


class Picky:
    """Knows no voice but its own."""

    name = "picky"

    def __init__(self) -> None:
        self.asked: list[str | None] = []

    def synthesize(self, request: SpeechRequest) -> PickySynthesis:
        self.asked.append(request.voice)
        return PickySynthesis(request)

    async def aclose(self) -> None:
        """Nothing to free."""


class PickySynthesis:
    engine, failed = "picky", ()

    def __init__(self, request: SpeechRequest) -> None:
        self._request = request

    async def __aiter__(self) -> AsyncGenerator[AudioChunk]:
        if self._request.voice is not None:
            raise RequestError("voice", "there is no such voice")
        yield AudioChunk.silence(1.0, 24_000)

    async def aclose(self) -> None:
        """Nothing to free."""


async def seconds(synthesizer: AnyVoice, voice: str | None) -> float:
    synthesis = synthesizer.synthesize(SpeechRequest("Good morning.", voice))
    return sum([chunk.seconds async for chunk in synthesis])


async def test_the_voice_that_is_named_is_asked_for(speaking: AnyVoice, stub: SpeechStub) -> None:
    """Where it is known, nothing changes."""
    assert await seconds(speaking, "nova") > 0
    assert [event["body"]["voice"] for event in stub.events("tts")] == ["nova"]


async def test_without_a_voice_where_the_name_is_refused() -> None:
    """As espeak-ng does with names of OpenAI's; it then speaks with its own."""
    shelf: Shelf[Synthesizer] = Shelf("tts")
    engine = Picky()
    shelf.put(Entry(engine=engine, origin=Origin.BUILTIN, health=shelf.new_health()))
    assert await seconds(AnyVoice(FailoverSynthesizer(shelf)), "nova") == 1.0
    assert engine.asked == ["nova", None]


async def test_what_is_broken_is_not_asked_again(speaking: AnyVoice, stub: SpeechStub) -> None:
    """Another voice would not mend it."""
    stub.configure(tts_mode="500")
    with pytest.raises(SpeechFailedError):
        await seconds(speaking, "nova")
    assert len(stub.events("tts")) == 1
