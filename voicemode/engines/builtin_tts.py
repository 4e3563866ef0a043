"""The built-in synthesizer: espeak-ng in a worker process. It speaks 100 languages at once and sounds like a machine."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping
from typing import TypeAlias

import numpy as np

from voicemode.audio import AudioChunk, WordOnset
from voicemode.engines.builtin import ESPEAK, require_builtin
from voicemode.engines.espeak_voices import EspeakVoice, VoiceTable
from voicemode.engines.worker import Worker
from voicemode.errors import EngineError, RequestError
from voicemode.interfaces import SpeechRequest

__all__ = ["MAX_CHARACTERS", "BuiltinSynthesizer"]

MAX_CHARACTERS = 4096
"""Of one piece of text, as in the OpenAI audio API: about 5 minutes and 12 MB of sound, which is held until it is played."""

_WORDS_PER_MINUTE = 175
"""espeak-ng's own rate, which is speed 1.0."""
_SLOWEST, _FASTEST = 80, 450
"""Words per minute that espeak-ng makes without another library."""
_GAP_S = 10.0
"""Seconds the worker may take for the next 60 ms of sound, its start included; it needs 1 ms."""
_CLOSE_S = 0.3
_CONTROLS = {code: " " for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t"}
"""U+0001 begins a command of espeak-ng, and U+0000 ends the text."""

SpeechQueue: TypeAlias = "asyncio.Queue[AudioChunk | BaseException | None]"
"""Chunks; at the end what went wrong, if anything did, and None."""


class BuiltinSynthesizer:
    """A Synthesizer. Its worker starts with the first request, in 80 ms, and ends after two idle minutes."""

    name = ESPEAK

    def __init__(self, environ: Mapping[str, str], *, idle_s: float = 120.0) -> None:
        """Start nothing. The worker sees the allowed part of ``environ``, which is this process's own."""
        module = "voicemode.engines.workers.espeak_worker"
        self._worker = Worker(module, engine=ESPEAK, idle_s=idle_s, environ=environ)
        self._table: VoiceTable | None = None
        self._speaking: set[asyncio.Task[None]] = set()

    def synthesize(self, request: SpeechRequest) -> BuiltinSpeech:
        """Begin to speak: 22.05 kHz, in chunks of 60 ms. Nothing happens until the result is iterated.

        Iterating raises RequestError, LanguageError or EngineError.
        """
        return BuiltinSpeech(self, request)

    async def voices(self) -> list[str]:
        """The codes that name a voice, such as "en-us"; any may be followed by "+" and a variant. Raises EngineError."""
        return (await self.voice_table()).codes()

    @property
    def pid(self) -> int | None:
        """The worker process, or None while there is none."""
        return self._worker.pid

    async def aclose(self) -> None:
        """End what is being spoken and the worker. Idempotent."""
        for task in tuple(self._speaking):
            task.cancel()
        await asyncio.gather(*self._speaking, return_exceptions=True)
        await self._worker.aclose()

    async def voice_table(self) -> VoiceTable:
        """All voices, asked once: they belong to the installation, not to the process. Raises EngineError."""
        if self._table is None:
            require_builtin(ESPEAK)
            header = (await self._worker.ask({"op": "voices"}, timeout_s=_GAP_S)).header
            voices = (
                EspeakVoice(
                    voice["name"],
                    voice["identifier"],
                    tuple((code.casefold(), priority) for code, priority in voice["languages"]),
                )
                for voice in header["voices"]
            )
            self._table = VoiceTable(tuple(voices), tuple(header["variants"]))
        return self._table

    def begin(self, request: SpeechRequest, chunks: SpeechQueue) -> asyncio.Task[None]:
        """Speak into ``chunks`` in a task that this synthesizer owns; None, or what went wrong and None, end them."""
        task = asyncio.create_task(self._speak(request, chunks), name="builtin speech")
        self._speaking.add(task)
        task.add_done_callback(self._speaking.discard)
        task.add_done_callback(lambda done: _conclude(done, chunks))
        return task

    async def _speak(self, request: SpeechRequest, chunks: SpeechQueue) -> None:
        # A queue between worker and listener: a listener that pauses must not hold the worker.
        _check(request)
        order = {
            "op": "synthesize",
            "text": request.text.translate(_CONTROLS),
            "voice": (await self.voice_table()).choose(voice=request.voice, language=request.language),
            "words_per_minute": min(max(round(_WORDS_PER_MINUTE * request.speed), _SLOWEST), _FASTEST),
        }
        before_s = 0.0
        async with self._worker.exchange(order, gap_s=_GAP_S) as answer:
            async for message in answer:
                if message.payload:
                    samples = np.frombuffer(message.payload, dtype="<i2").astype(np.int16)
                    onsets = tuple(WordOnset(character, at_s - before_s) for character, at_s in message.header["onsets"])
                    chunk = AudioChunk(samples, message.header["sample_rate"], onsets)
                    before_s += chunk.seconds
                    chunks.put_nowait(chunk)


class BuiltinSpeech:
    """A Synthesis."""

    engine = ESPEAK
    failed: tuple[str, ...] = ()

    def __init__(self, synthesizer: BuiltinSynthesizer, request: SpeechRequest) -> None:
        self._synthesizer, self._request = synthesizer, request
        self._chunks: SpeechQueue = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._closed = False

    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        """Chunks in order; a second iteration goes on where the first one stopped."""
        if self._task is None and not self._closed:
            self._task = self._synthesizer.begin(self._request, self._chunks)
        while not self._closed and (item := await self._chunks.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
        self._chunks.put_nowait(None)

    async def aclose(self) -> None:
        """Stop the engine. Idempotent."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_CLOSE_S)


def _conclude(task: asyncio.Task[None], chunks: SpeechQueue) -> None:
    """Whatever way the task ended, its listener must learn it; one that was cancelled before it began cannot say so."""
    if task.cancelled():
        chunks.put_nowait(EngineError(ESPEAK, "it was closed while it spoke"))
    elif (error := task.exception()) is not None:
        chunks.put_nowait(error)
    chunks.put_nowait(None)


def _check(request: SpeechRequest) -> None:
    if not request.text.strip():
        raise RequestError("text", "there is nothing to speak")
    if len(request.text) > MAX_CHARACTERS:
        raise RequestError("text", f"has {len(request.text)} characters", f"{MAX_CHARACTERS} in one piece")
    if not (math.isfinite(request.speed) and 0.25 <= request.speed <= 4.0):
        raise RequestError("speed", f"is {request.speed:g}", "0.25 to 4.0")
