"""Say by a soft sound that the turn is over, while its words are being found."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from voicemode.core.earcons import turn_ended_earcon
from voicemode.errors import SoundError
from voicemode.interfaces import Speaker
from voicemode.runtime.parts import TurnParts
from voicemode.runtime.turn_log import TurnLog

__all__ = ["acknowledged"]


@contextlib.asynccontextmanager
async def acknowledged(parts: TurnParts, log: TurnLog) -> AsyncIterator[None]:
    """While the block runs, let it be heard that the turn is over, if people want that (``parts.earcons``).

    A loudspeaker that fails fails nothing else: the words are what counts.
    """
    if not parts.earcons:
        yield
        return
    speaker = parts.make_speaker()
    sounding = asyncio.create_task(_sound(speaker, log))
    try:
        yield
        await asyncio.wait({sounding})  # a tenth of a second; cut off, it would be a click
    finally:
        sounding.cancel()
        await asyncio.gather(sounding, return_exceptions=True)
        await speaker.close()


async def _sound(speaker: Speaker, log: TurnLog) -> None:
    with contextlib.suppress(SoundError):
        await speaker.open()
        began = log.now()
        await speaker.play(turn_ended_earcon())
        await speaker.drain()
        log.timeline.earcon(began, log.now(), "turn_ended")
