"""The product's own way to several endpoints, made of addresses."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from tests.failover.ear import Ear
from tests.stubs.sentence_tones import sentences
from voicemode.interfaces import SpeechRequest
from voicemode.providers.failover_stt import FailoverTranscriber
from voicemode.providers.failover_tts import FailoverSynthesizer
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.runtime.playback import Spoken, speak
from voicemode.settings import Settings

__all__ = ["DEADLINE_S", "SPEED", "connected", "say", "transcriber"]

DEADLINE_S = 15.0
"""A cell that takes longer hangs."""

SPEED = 2.0
"""Messages are played so many times as fast as a person hears them, to save the tests' time."""


@asynccontextmanager
async def connected(urls: Sequence[str], **settings: object) -> AsyncIterator[Registry]:
    """A registry of these endpoints in this order, for every task; nothing built in, nothing discovered."""
    listed = ",".join(urls)
    addresses = {"tts_base_urls": listed, "stt_base_urls": listed, "chat_base_urls": listed}
    chosen = Settings.model_validate({**addresses, "builtin": False, "discovery": False, **settings})
    pool = HttpPool(chosen)
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield Registry(chosen, pool, Builtin())
    finally:
        await pool.aclose()


async def say(registry: Registry, count: int, speed: float = SPEED) -> tuple[Spoken, Ear]:
    """Speak a message of so many sentences to its end."""
    ear = Ear(speed)
    synthesizer = FailoverSynthesizer(registry.tts)
    spoken = await speak(sentences(count), SpeechRequest(""), synthesizer, ear, lambda _: None)
    await ear.drain()
    return spoken, ear


def transcriber(registry: Registry) -> FailoverTranscriber:
    return FailoverTranscriber(registry.stt)
