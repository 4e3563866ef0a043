"""What tests of a page as microphone and loudspeaker share."""

from __future__ import annotations

import asyncio

import numpy as np

from voicemode.audio import AudioChunk, Samples
from voicemode.transports.browser import BrowserSpeaker
from voicemode.transports.browser_microphone import BrowserMicrophone
from voicemode.transports.page_line import NotAttached, PageLine
from voicemode.wire.page_line import PLAY_RATE

RATE = PLAY_RATE
LAG_S = 0.15
"""More than two reports are apart, on a busy machine."""


async def take(line: PageLine, *, wait_s: float = 0.5, ring_s: float = 0.3) -> NotAttached | None:
    return await line.take(wait_s=wait_s, ring_s=ring_s)


def ramp(seconds: float, rate: int = RATE) -> AudioChunk:
    """Each sample says where it is."""
    return AudioChunk((np.arange(round(seconds * rate)) % 30_000 + 1).astype(np.int16), rate)


def pattern(samples: int) -> Samples:
    return np.random.default_rng(1).integers(-9_000, 9_000, samples).astype(np.int16)


async def until(holds: object, within_s: float = 5.0) -> None:
    assert callable(holds)
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)


async def hear(microphone: BrowserMicrophone) -> None:
    while await microphone.read() is not None:
        pass


async def hear_words(microphone: BrowserMicrophone) -> None:
    while (block := await microphone.read()) is not None and not (block.chunk.samples > 1).any():
        pass


async def speaking(line: PageLine) -> BrowserSpeaker:
    assert await take(line) is None
    speaker = BrowserSpeaker(line)
    await speaker.open()
    return speaker
