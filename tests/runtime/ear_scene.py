"""What an ear and a listening are given, block by block, and what comes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.endpointing import EndpointEvent, FrameFacts
from voicemode.interfaces import CapturedBlock, Transcript, TranscriptionRequest
from voicemode.runtime.ear import Ear, Overheard
from voicemode.testing import FakeTranscriber

__all__ = ["BEGAN_AT", "SILENCE", "FarSound", "Notes", "Recorded", "blocks_of", "heard"]

BEGAN_AT = 1000.0
"""When sample 0 was in the air."""


class FarSound:
    """A loudspeaker that makes these samples audible from ``began`` on: seconds after ``BEGAN_AT``."""

    def __init__(self, sound: Samples, began: float = 0.0) -> None:
        self._sound, self._began = sound, BEGAN_AT + began
        self.tears = 0

    def between(self, start: float, samples: int) -> Samples:
        first = round((start - self._began) * CAPTURE_RATE)
        wanted = np.arange(first, first + samples)
        inside = (wanted >= 0) & (wanted < len(self._sound))
        return np.where(inside, self._sound[np.clip(wanted, 0, len(self._sound) - 1)], 0).astype(np.int16)


SILENCE = FarSound(np.zeros(1, np.int16))


def blocks_of(sound: Samples, sizes: Sequence[int]) -> list[CapturedBlock]:
    """The sound in blocks of these sizes, the last of which repeats."""
    blocks, at = [], 0
    for size in [*sizes, *[sizes[-1]] * (len(sound) // sizes[-1])]:
        if at + size > len(sound):
            break
        blocks.append(CapturedBlock(AudioChunk(sound[at : at + size], CAPTURE_RATE), BEGAN_AT + at / CAPTURE_RATE))
        at += size
    return blocks


def heard(ear: Ear, blocks: Sequence[CapturedBlock]) -> tuple[Samples, list[Overheard]]:
    parts = [np.zeros(0, np.int16)]
    facts: list[Overheard] = []
    for block in blocks:
        samples, overheard = ear.hear(block)
        assert len(samples) == 160 * len(overheard)
        parts.append(samples)
        facts += overheard
    return np.concatenate(parts), facts


class Notes:
    """An attendant of ``Listening`` who writes down what it is told."""

    def __init__(self) -> None:
        self.frames = 0
        self.ends: list[tuple[int, float]] = []
        """After how many frames of 10 ms, and when the last of them ended."""
        self.utterances: list[Samples] = []
        self._due: list[tuple[float, Callable[[], None]]] = []

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """When so much has been heard."""
        self._due.append((BEGAN_AT + seconds, act))

    def transcribe(self, utterance: AudioChunk) -> asyncio.Task[Transcript]:
        self.utterances.append(utterance.samples)
        return asyncio.create_task(FakeTranscriber().transcribe(TranscriptionRequest(utterance)))

    def far_end_active(self) -> bool:
        return False

    def heard_frames(self, facts: Sequence[FrameFacts], overheard: Sequence[Overheard], ends_at: float) -> None:
        assert len(facts) == len(overheard)
        self.frames += len(facts)
        self.ends.append((self.frames, ends_at))
        while self._due and ends_at >= self._due[0][0]:
            self._due.pop(0)[1]()

    def heard_event(self, event: EndpointEvent, anchor: float) -> None:
        assert anchor == pytest.approx(BEGAN_AT)

    def heard_zeros(self) -> None:
        raise AssertionError("there was sound")

    def scored(self, probability: float, silence_until: float, who: str) -> None:
        raise AssertionError("nobody was asked")

    def understood(self, text: str) -> None:
        """It does not matter."""


class Recorded:
    """A microphone that delivers these blocks."""

    name = "recorded"

    def __init__(self, blocks: Sequence[CapturedBlock]) -> None:
        self._blocks = iter(blocks)

    async def open(self) -> None:
        """It is."""

    async def read(self) -> CapturedBlock | None:
        await asyncio.sleep(0)
        return next(self._blocks, None)

    async def close(self) -> None:
        """Nothing is open."""
