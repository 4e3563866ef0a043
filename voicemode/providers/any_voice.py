"""A synthesizer that takes any name of a voice: clients of OpenAI name OpenAI's, whoever speaks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from voicemode.audio import AudioChunk
from voicemode.core.breaker import Failure
from voicemode.errors import RequestError, SpeechFailedError, VoicemodeError
from voicemode.interfaces import SpeechRequest, Synthesis, Synthesizer
from voicemode.providers.racing import failure_of

__all__ = ["AnyVoice"]


class AnyVoice:
    """Asks for the voice, and without one where the name is refused: a wrong voice is better than none.

    It owns nothing; closing it does nothing.
    """

    def __init__(self, synthesizer: Synthesizer) -> None:
        self._synthesizer = synthesizer

    @property
    def name(self) -> str:
        return self._synthesizer.name

    def synthesize(self, request: SpeechRequest) -> Synthesis:
        return _AnyVoice(self._synthesizer, request)

    async def aclose(self) -> None:
        """The synthesizer is its owner's."""


class _AnyVoice:
    def __init__(self, synthesizer: Synthesizer, request: SpeechRequest) -> None:
        self._synthesizer, self._request = synthesizer, request
        self._current = synthesizer.synthesize(request)
        self._closed = False

    @property
    def engine(self) -> str:
        return self._current.engine

    @property
    def failed(self) -> tuple[str, ...]:
        return self._current.failed

    async def __aiter__(self) -> AsyncGenerator[AudioChunk]:
        begun = refused = False
        try:
            async with aclosing(_chunks(self._current)) as chunks:
                async for chunk in chunks:
                    begun = True
                    yield chunk
        except (RequestError, SpeechFailedError) as error:
            refused = not begun and self._request.voice is not None and _declined(error)
            if not refused:
                raise
        if refused and not self._closed:
            self._current = self._synthesizer.synthesize(replace(self._request, voice=None))
            async with aclosing(_chunks(self._current)) as chunks:
                async for chunk in chunks:
                    yield chunk

    async def aclose(self) -> None:
        self._closed = True
        await self._current.aclose()


async def _chunks(synthesis: Synthesis) -> AsyncGenerator[AudioChunk]:
    try:
        async for chunk in synthesis:
            yield chunk
    finally:
        await synthesis.aclose()


def _declined(error: VoicemodeError) -> bool:
    """Somebody found fault with the request itself, who might have no fault to find with another one."""
    attempts = error.attempts if isinstance(error, SpeechFailedError) else (error,)
    return any(failure_of(each)[0] is Failure.DECLINED for each in attempts)
