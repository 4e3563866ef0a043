"""A recording of any length becomes text, piece by piece, with times.

Times come from our own speech detector, so every engine will do. Only the piece at hand and the next one are held in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.segments import Segment, Segmenter
from voicemode.errors import MediaError, VoicemodeError
from voicemode.interfaces import SpeechDetector, Transcriber, TranscriptionRequest
from voicemode.runtime.checks import in_thread

__all__ = ["LostPiece", "OnProgress", "Piece", "transcribe_blocks"]

_STEP_S = 5.0
"""So much sound is looked at before progress is told; it takes 0.2 s."""

_HOPELESS = 2
"""Pieces lost in a row: nobody is there, and each further one would only take its time to fail."""

OnProgress: TypeAlias = Callable[[float], None]
"""Told how many seconds of the recording have been worked on."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of speech and its words. Times are seconds since the recording began."""

    start: float
    end: float
    text: str
    """Empty when the engine heard no words."""
    engine: str
    confidence: str
    """As in ``interfaces.Transcript``."""
    failed: tuple[str, ...] = ()
    """Endpoints that were tried before, each with its reason."""


@dataclass(frozen=True, slots=True)
class LostPiece:
    """A stretch of speech that nobody could transcribe."""

    start: float
    end: float | None
    """None: it was not tried any further, so all that follows is missing."""
    error: VoicemodeError


async def transcribe_blocks(
    blocks: Iterator[Samples],
    detector: SpeechDetector,
    transcriber: Transcriber,
    *,
    language: str | None = None,
    on_progress: OnProgress = lambda _: None,
) -> AsyncGenerator[Piece | LostPiece, None]:
    """The pieces of a recording in order, each as soon as its words are there.

    ``blocks`` are 16 kHz mono PCM of any length, read in a thread of their own. What was said before the sound broke off comes
    first, then its MediaError is raised. It ends early after a piece whose ``end`` is None.
    """
    listener = _Listener(blocks, detector)
    looking = asyncio.create_task(in_thread(listener.step))
    lost = 0
    try:
        while True:
            found = await looking
            if not found.over:  # the next one is looked for while this one is transcribed
                looking = asyncio.create_task(in_thread(listener.step))
            for number, (segment, sound) in enumerate(found.spoken):
                piece = await _write_down(segment, sound, transcriber, language)
                lost = lost + 1 if isinstance(piece, LostPiece) else 0
                if isinstance(piece, LostPiece) and lost == _HOPELESS:
                    all_done = found.over and number == len(found.spoken) - 1
                    yield piece if all_done else LostPiece(piece.start, None, piece.error)
                    return
                yield piece
                on_progress(segment.end)
            on_progress(found.position_s)
            if found.error is not None:
                raise found.error
            if found.over:
                return
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _write_down(segment: Segment, sound: AudioChunk, transcriber: Transcriber, language: str | None) -> Piece | LostPiece:
    try:
        transcript = await transcriber.transcribe(TranscriptionRequest(sound, language))
    except VoicemodeError as error:
        return LostPiece(segment.start, segment.end, error)
    return Piece(segment.start, segment.end, transcript.text, transcript.engine, transcript.confidence, transcript.failed)


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """What was found in a step."""

    spoken: Sequence[tuple[Segment, AudioChunk]]
    position_s: float
    over: bool
    """The recording has ended, with or without ``error``."""
    error: MediaError | None = None


class _Listener:
    """Looks for speech in a recording. Its one method blocks, and belongs into a thread."""

    def __init__(self, blocks: Iterator[Samples], detector: SpeechDetector) -> None:
        self._blocks, self._detector = blocks, detector
        self._segmenter = Segmenter()
        self._held: Samples = np.zeros(0, np.int16)
        """What may still become part of a segment, and what was not looked at yet."""
        self._held_from = 0
        """Number of its first sample."""
        self._looked_at = 0
        """Number of the first sample that no frame has covered yet."""
        detector.reset()

    def step(self) -> _Found:
        """Go on until something was said, or for some seconds."""
        taken, over, error = self._take()
        self._held = np.concatenate([self._held, *taken])
        spoken = [(segment, self._sound(segment)) for segment in self._look(to_the_end=over)]
        self._drop()
        return _Found(spoken, self._looked_at / CAPTURE_RATE, over, error)

    def _take(self) -> tuple[list[Samples], bool, MediaError | None]:
        taken: list[Samples] = []
        count = 0
        try:
            for block in self._blocks:
                taken.append(block)
                count += len(block)
                if count >= _STEP_S * CAPTURE_RATE:
                    return taken, False, None
        except MediaError as error:
            return taken, True, error
        return taken, True, None

    def _look(self, *, to_the_end: bool) -> Iterator[Segment]:
        size = self._detector.frame_samples
        rest = self._held[self._looked_at - self._held_from :]
        if to_the_end:
            rest = np.concatenate([rest, np.zeros(-len(rest) % size, np.int16)])
        for at in range(0, len(rest) - size + 1, size):
            segment = self._segmenter.push(self._detector.probability(rest[at : at + size]), size / CAPTURE_RATE)
            self._looked_at += size
            if segment is not None:
                yield segment
        if to_the_end and (segment := self._segmenter.finish()) is not None:
            yield segment

    def _sound(self, segment: Segment) -> AudioChunk:
        start, end = (round(seconds * CAPTURE_RATE) - self._held_from for seconds in (segment.start, segment.end))
        return AudioChunk(self._held[start:end].copy(), CAPTURE_RATE)

    def _drop(self) -> None:
        surplus = int(self._segmenter.needed_from * CAPTURE_RATE) - self._held_from
        if surplus > 0:
            self._held = self._held[surplus:].copy()
            self._held_from += surplus
