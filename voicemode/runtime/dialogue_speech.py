"""Turn pieces of text into sound for ``AnswerAudio``, chunk by chunk, never far ahead of what the person can have heard."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from voicemode.audio import AudioChunk, Samples, WordOnset
from voicemode.core.heard import Piece, heard_until
from voicemode.core.resample import StreamResampler
from voicemode.errors import EndpointError, EngineError, SpeechFailedError, VoicemodeError
from voicemode.interfaces import SpeechRequest, Synthesis, Synthesizer
from voicemode.runtime.dialogue_parts import ANSWER_RATE

__all__ = ["Speech"]

_CHUNK = ANSWER_RATE // 5
"""0.2 s: small enough that a cancellation falls between two chunks, large enough that few messages are sent."""
_LEAST_S, _LOOK_AGAIN_S = 0.01, 0.5
"""How often it is looked whether the person has caught up."""


class Speech:
    """The sound of one answer."""

    def __init__(
        self,
        synthesizer: Synthesizer,
        request: SpeechRequest,
        emit: Callable[[Samples, str, tuple[WordOnset, ...]], None],
        *,
        ahead_s: Callable[[], float],
        most_ahead_s: float,
    ) -> None:
        """``request`` gives voice, speed and language. ``emit`` gets 24 kHz sound, the words that begin with it, and when.

        ``ahead_s`` tells how much of what was emitted the person has still to hear; beyond ``most_ahead_s`` nothing is made.
        """
        self._synthesizer, self._request, self._emit = synthesizer, request, emit
        self._ahead_s, self._most_ahead_s = ahead_s, most_ahead_s
        self._engine = ""
        """Who spoke last, and keeps the word while it works."""
        self.emitted_s = 0.0

    async def say(self, piece: str) -> None:
        """Speak it, whole. Raises SpeechFailedError, LanguageError, RequestError.

        Where an engine breaks off in the middle, another one goes on with the words that were not spoken yet: what was
        emitted cannot be taken back.
        """
        broken: dict[str, VoicemodeError] = {}
        text, label = piece, piece
        while text:
            before_s = self.emitted_s
            synthesis = self._synthesizer.synthesize(
                replace(self._request, text=text, previous=self._engine, spare_s=max(self._ahead_s(), 0.0))
            )
            try:
                async with contextlib.aclosing(synthesis):
                    await self._pour(synthesis, label, aligned=text == piece)
            except (EndpointError, EngineError) as error:
                if synthesis.engine in broken:
                    raise SpeechFailedError("text-to-speech", [*broken.values()]) from error
                broken[synthesis.engine] = error
            except SpeechFailedError as error:
                if not broken:
                    raise
                raise SpeechFailedError(error.task, [*broken.values(), *error.attempts]) from error
            else:
                self._engine = synthesis.engine
                return
            spoken_s = self.emitted_s - before_s
            if spoken_s > 0:
                text, label = heard_until([Piece(text, 0.0)], spoken_s).unheard, ""

    async def _pour(self, synthesis: Synthesis, label: str, *, aligned: bool) -> None:
        """``aligned``: the engine speaks all of ``label``, and what it tells of its words is of these."""
        resampler: StreamResampler | None = None
        rate = 0
        async for chunk in synthesis:
            if resampler is None or chunk.sample_rate != rate:
                resampler, rate = StreamResampler(chunk.sample_rate, ANSWER_RATE), chunk.sample_rate
            onsets = chunk.onsets if aligned else ()
            for part in _parts(resampler, chunk):
                await self._let_catch_up()
                self._give(part, label, onsets)
                label, onsets = "", ()
        if resampler is not None and len(rest := resampler.flush()):
            self._give(rest, label)

    def _give(self, samples: Samples, label: str, onsets: tuple[WordOnset, ...] = ()) -> None:
        self._emit(samples, label, onsets)
        self.emitted_s += len(samples) / ANSWER_RATE

    async def _let_catch_up(self) -> None:
        await asyncio.sleep(0)  # an engine that has all its sound at once must not keep a cancellation waiting
        # Only time tells: nobody reports each sample that is heard.
        while (too_far_s := self._ahead_s() - self._most_ahead_s) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(max(too_far_s, _LEAST_S), _LOOK_AGAIN_S))


def _parts(resampler: StreamResampler, chunk: AudioChunk) -> Iterator[Samples]:
    samples = resampler.push(np.ascontiguousarray(chunk.samples))
    yield from (samples[at : at + _CHUNK] for at in range(0, len(samples), _CHUNK))
