"""Several engines as one: tried in order within each request, and one that failed is left for last for a while.

The registry of endpoints with health probes and circuit breakers takes this place later; it needs the same interfaces.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import replace
from typing import Protocol, TypeVar

from voicemode.audio import AudioChunk
from voicemode.errors import (
    EndpointError,
    EngineError,
    LanguageError,
    RequestError,
    SpeechFailedError,
    VoicemodeError,
)
from voicemode.interfaces import (
    SpeechRequest,
    Synthesis,
    Synthesizer,
    Transcriber,
    Transcript,
    TranscriptionRequest,
)

__all__ = ["ChainSynthesis", "SynthesizerChain", "TranscriberChain"]

DOWN_S = 30.0
"""Seconds a failed engine is tried last, unless it says itself how long it wants to be left alone."""

MAX_DOWN_S = 300.0
"""However long an endpoint asks for."""

_THEIR_FAULT = (EndpointError, EngineError, LanguageError, RequestError, SpeechFailedError)
"""What another engine may do better; everything else is a bug here and is not hidden by trying the next."""

_BAD_REQUEST = frozenset({400, 413, 415, 422})
"""The endpoint is well and said no to this request."""


class _Named(Protocol):
    @property
    def name(self) -> str: ...


Engine = TypeVar("Engine", bound=_Named)


class _Health:
    """Which engines failed lately."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._down_until: dict[str, float] = {}

    def ordered(self, engines: Sequence[Engine]) -> list[Engine]:
        """The engines as configured, those that are down behind the others."""
        now = self._clock()
        return sorted(engines, key=lambda engine: self._down_until.get(engine.name, now) > now)

    def failed(self, name: str, error: VoicemodeError) -> None:
        if isinstance(error, (RequestError, LanguageError)):
            return
        down_s = DOWN_S
        if isinstance(error, EndpointError):
            if error.status in _BAD_REQUEST:
                return
            if error.retry_after_s is not None:
                down_s = min(error.retry_after_s, MAX_DOWN_S)
        self._down_until[name] = self._clock() + down_s

    def worked(self, name: str) -> None:
        self._down_until.pop(name, None)


class SynthesizerChain:
    """Synthesizers in order of preference. It owns them: closing it closes them."""

    def __init__(self, synthesizers: Sequence[Synthesizer], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._synthesizers, self._health = tuple(synthesizers), _Health(clock)

    @property
    def name(self) -> str:
        return ", ".join(s.name for s in self._synthesizers)

    def synthesize(self, request: SpeechRequest) -> ChainSynthesis:
        return ChainSynthesis(self._synthesizers, request, self._health)

    async def aclose(self) -> None:
        for synthesizer in self._synthesizers:
            await synthesizer.aclose()


class ChainSynthesis:
    """One piece of text, spoken by the first engine that can.

    An engine that fails before its first chunk is replaced by the next one. One that fails later ends the synthesis
    with its error; it is then down, so that asking for the text again asks another engine first.
    """

    def __init__(self, synthesizers: Sequence[Synthesizer], request: SpeechRequest, health: _Health) -> None:
        self._synthesizers, self._request, self._health = synthesizers, request, health
        self._current: Synthesis | None = None
        self._engine = ""
        self._attempts: list[VoicemodeError] = []
        self._closed = False

    @property
    def engine(self) -> str:
        """Who speaks; empty until the first chunk is there."""
        return self._engine

    @property
    def attempts(self) -> tuple[VoicemodeError, ...]:
        """Why the engines that were tried before did not serve."""
        return tuple(self._attempts)

    @property
    def failed(self) -> tuple[str, ...]:
        """The attempts in words, as ``Transcript.failed`` has them."""
        return tuple(error.problem for error in self._attempts)

    async def __aiter__(self) -> AsyncGenerator[AudioChunk]:
        """Raises EndpointError or EngineError after the first chunk; before it SpeechFailedError, or its only reason."""
        waiting = deque((s, self._request) for s in self._health.ordered(self._synthesizers))
        try:
            while waiting and not self._closed:
                synthesizer, request = waiting.popleft()
                try:
                    async for chunk in self._speak(synthesizer, request):
                        yield chunk
                except _THEIR_FAULT as error:
                    self._health.failed(synthesizer.name, error)
                    if self._engine:
                        raise
                    if self._attempts and request.voice and _is_refusal(error):
                        # The voice belongs to the engine that failed; any voice is better than none.
                        waiting.appendleft((synthesizer, replace(request, voice=None)))
                    else:
                        self._attempts.append(error)
                else:
                    self._health.worked(synthesizer.name)
                    return
            if not self._closed:
                raise _all_failed("text-to-speech", self._attempts)
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        self._closed = True
        if self._current is not None:
            await self._current.aclose()

    async def _speak(self, synthesizer: Synthesizer, request: SpeechRequest) -> AsyncGenerator[AudioChunk]:
        self._current = synthesis = synthesizer.synthesize(request)
        try:
            async for chunk in synthesis:
                self._engine = synthesis.engine
                yield chunk
        finally:
            await synthesis.aclose()


class TranscriberChain:
    """Transcribers in order of preference. It owns them: closing it closes them."""

    def __init__(self, transcribers: Sequence[Transcriber], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._transcribers, self._health = tuple(transcribers), _Health(clock)

    @property
    def name(self) -> str:
        return ", ".join(t.name for t in self._transcribers)

    async def prepare(self, options: Sequence[str] = ()) -> None:
        """Prepare the one that would be asked first."""
        for transcriber in self._health.ordered(self._transcribers)[:1]:
            await transcriber.prepare(options)

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """The first transcript; ``failed`` says why the engines before did not serve.

        Raises SpeechFailedError, or the only reason when it is the caller's to mend.
        """
        attempts: list[VoicemodeError] = []
        for transcriber in self._health.ordered(self._transcribers):
            try:
                transcript = await transcriber.transcribe(request)
            except _THEIR_FAULT as error:
                self._health.failed(transcriber.name, error)
                attempts.append(error)
            else:
                self._health.worked(transcriber.name)
                return replace(transcript, failed=(*(e.problem for e in attempts), *transcript.failed))
        raise _all_failed("speech-to-text", attempts)

    async def aclose(self) -> None:
        for transcriber in self._transcribers:
            await transcriber.aclose()


def _is_refusal(error: VoicemodeError) -> bool:
    return isinstance(error, RequestError) or (isinstance(error, EndpointError) and error.status in _BAD_REQUEST)


def _all_failed(task: str, attempts: Sequence[VoicemodeError]) -> VoicemodeError:
    match attempts:
        case [RequestError() | LanguageError() as only]:
            return only
        case _:
            return SpeechFailedError(task, attempts)
