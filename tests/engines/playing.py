"""A loudspeaker at the virtual sound card, and what is heard of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from scripts.sound_recorder import Recorder, Recording
from scripts.virtual_sound_card import VirtualSoundCard
from voicemode.audio import Samples
from voicemode.engines.speaker import SoundDeviceSpeaker
from voicemode.testing import tone

HERTZ = 440.0
RATE = 24_000
TAIL_S = 0.15
_TRIES = 4


@asynccontextmanager
async def opened(device: str = "") -> AsyncIterator[SoundDeviceSpeaker]:
    speaker = SoundDeviceSpeaker(device)
    await speaker.open()
    try:
        yield speaker
    finally:
        await speaker.close()


def steady(seconds: float, rate: int = RATE) -> Samples:
    return tone(seconds, rate, hertz=HERTZ)


async def heard(recorder: Recorder, since: float, until: float) -> Recording:
    await asyncio.to_thread(recorder.wait_for, until)
    return recorder.recording(since, until)


async def hear_unhurried(card: VirtualSoundCard, play: Callable[[SoundDeviceSpeaker], Awaitable[None]]) -> Recording:
    """What is heard of ``play`` until it returns. Again when the machine was too busy to fill the device in time."""
    for _ in range(_TRIES):
        with card.record_loudspeaker() as recorder:
            async with opened() as speaker:
                began_at = time.monotonic()
                await play(speaker)
                recording = await heard(recorder, began_at, time.monotonic() + TAIL_S)
                if not speaker.missed_blocks and not speaker.underruns:
                    return recording
    raise AssertionError(f"the sound broke off in each of {_TRIES} tries: {speaker.missed_blocks} {speaker.underruns}")
