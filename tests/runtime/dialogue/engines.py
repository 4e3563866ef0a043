"""Engines that do as they are told, and break where they are told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from voicemode.answers import AnswerDelta
from voicemode.audio import AudioChunk
from voicemode.errors import EndpointError
from voicemode.interfaces import SpeechRequest
from voicemode.testing import FakeAnswerer, FakeSynthesizer
from voicemode.testing.engines import FakeAnswer, FakeSynthesis

__all__ = ["Scripted", "Voice"]


class Scripted(FakeAnswerer):
    """Answers with these deltas, each after so many seconds."""

    def __init__(self, *script: tuple[float, AnswerDelta | Exception], acts: bool = False) -> None:
        super().__init__(acts=acts)
        self.script = script

    def answer(self, request: object) -> FakeAnswer:
        self.requests.append(request)  # type: ignore[arg-type]
        self.answers.append(_ScriptedAnswer(self, request))  # type: ignore[arg-type]
        return self.answers[-1]


class _ScriptedAnswer(FakeAnswer):
    async def __aiter__(self) -> AsyncIterator[AnswerDelta]:
        assert isinstance(self.owner, Scripted)
        for after_s, delta in self.owner.script:
            await asyncio.sleep(after_s)
            if isinstance(delta, Exception):
                raise delta
            yield delta


class Voice(FakeSynthesizer):
    """Breaks off after some chunks of those of its syntheses that are named, as if another engine came next."""

    def __init__(self, breaks: dict[int, int], error: Exception | None = None) -> None:
        super().__init__()
        self.breaks = breaks
        self.fault = error

    def synthesize(self, request: SpeechRequest) -> FakeSynthesis:
        self.requests.append(request)
        self.syntheses.append(_Broken(self, request, self.breaks.get(len(self.requests)), len(self.requests)))
        return self.syntheses[-1]


class _Broken(FakeSynthesis):
    def __init__(self, owner: Voice, request: SpeechRequest, after: int | None, number: int) -> None:
        super().__init__(owner, request)
        self.after, self.number, self.voice = after, number, owner

    @property
    def engine(self) -> str:
        return f"engine {self.number}"

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        async for chunk in super().__aiter__():
            if self.after is not None and self.given > self.after:
                raise self.voice.fault or EndpointError(self.engine, "broke off")
            yield chunk
