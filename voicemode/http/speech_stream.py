"""A text of any length as one stream of sound, whoever makes it, and whoever fails while doing so."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

from voicemode.audio import Samples
from voicemode.core.resample import StreamResampler
from voicemode.core.sentences import split
from voicemode.errors import EndpointError, EngineError, VoicemodeError
from voicemode.interfaces import SpeechRequest, Synthesizer
from voicemode.wire.openai_audio import PCM_RATE

__all__ = ["spoken"]

_TRIES = 3
"""Engines that may break off in the middle of one piece; each time another one is asked first."""


async def spoken(
    synthesizer: Synthesizer, text: str, *, voice: str | None, speed: float, language: str | None = None
) -> AsyncGenerator[Samples]:
    """24 kHz mono PCM as it is made. Raises VoicemodeError when nobody could go on; what came before stands.

    The text is cut where a voice may breathe, so that the first sound does not wait for all of it. One voice speaks all pieces
    while it works. Where it breaks off in the middle of a piece, another one says that piece again, and what was heard of it is
    left out, by its length.
    """
    previous = ""
    for piece in split(text):
        done_s = 0.0
        for attempt in range(1, _TRIES + 1):
            request = SpeechRequest(piece, voice, speed, language, previous)
            try:
                async with aclosing(_piece(synthesizer, request, done_s)) as parts:
                    async for samples, engine in parts:
                        previous = engine
                        done_s += len(samples) / PCM_RATE
                        yield samples
                break
            except (EndpointError, EngineError) as error:
                if attempt == _TRIES or not _may_go_on(error):
                    raise


def _may_go_on(error: VoicemodeError) -> bool:
    return not isinstance(error, EndpointError) or error.retryable or error.status is None


async def _piece(synthesizer: Synthesizer, request: SpeechRequest, skip_s: float) -> AsyncGenerator[tuple[Samples, str]]:
    """One piece without its first ``skip_s`` seconds, and who speaks it."""
    synthesis = synthesizer.synthesize(request)
    resampler: StreamResampler | None = None
    rate, skip = 0, round(skip_s * PCM_RATE)
    try:
        async for chunk in synthesis:
            if resampler is None or rate != chunk.sample_rate:
                resampler, rate = StreamResampler(chunk.sample_rate, PCM_RATE), chunk.sample_rate
            samples, skip = _behind(resampler.push(chunk.samples), skip)
            if len(samples):
                yield samples, synthesis.engine
        if resampler is not None:
            samples, skip = _behind(resampler.flush(), skip)
            if len(samples):
                yield samples, synthesis.engine
    finally:
        await synthesis.aclose()


def _behind(samples: Samples, skip: int) -> tuple[Samples, int]:
    return samples[skip:], max(skip - len(samples), 0)
