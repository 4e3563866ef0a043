"""A turn's parts, all fake, with what a test wants to look at afterwards."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import numpy as np

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.events import TurnEvent
from voicemode.interfaces import Microphone, Speaker, Synthesizer, Transcriber
from voicemode.runtime.journal import Journal
from voicemode.runtime.parts import TurnParts
from voicemode.runtime.result import TurnRequest, TurnResult
from voicemode.runtime.turn import Turn
from voicemode.testing import FakeDetector, FakeMicrophone, FakeScorer, FakeSpeaker, FakeSynthesizer, FakeTranscriber, tone

__all__ = ["Stage", "quiet", "run", "spoken"]

T = TypeVar("T")
DEADLINE_S = 20.0


def quiet(seconds: float) -> Samples:
    """A room with nobody speaking, at about -70 dBFS: not digital silence."""
    noise = np.random.default_rng(7).normal(0, 10, round(seconds * CAPTURE_RATE))
    return noise.astype(np.int16)


def spoken(*seconds: float, pause: float = 0.5) -> Samples:
    """Words (tones) of these lengths with pauses between, after half a second and before three of quiet."""
    parts = [quiet(0.5)]
    for length in seconds:
        parts += [tone(length), quiet(pause)]
    return np.concatenate([*parts, quiet(3.0)])


def run(scenario: Callable[[], Awaitable[T]]) -> T:
    """Run a scenario with a deadline."""

    async def limited() -> T:
        async with asyncio.timeout(DEADLINE_S):
            return await scenario()

    return asyncio.run(limited())


class Stage:
    """Fakes around one Turn."""

    def __init__(
        self,
        folder: Path,
        *,
        microphone: Microphone | None = None,
        speaker: Speaker | None = None,
        synthesizer: Synthesizer | None = None,
        transcriber: Transcriber | None = None,
        chime: str = "false",
    ) -> None:
        self.folder = folder
        self.events: list[TurnEvent] = []
        self.fake_microphone = FakeMicrophone(spoken(1.0))
        self.fake_speaker = FakeSpeaker()
        self.fake_synthesizer = FakeSynthesizer()
        self.fake_transcriber = FakeTranscriber(["the answer"])
        self.fake_scorer = FakeScorer()
        self.parts = TurnParts(
            make_microphone=lambda: microphone or self.fake_microphone,
            make_speaker=lambda: speaker or self.fake_speaker,
            make_detector=FakeDetector,
            synthesizer=synthesizer or self.fake_synthesizer,
            transcriber=transcriber or self.fake_transcriber,
            journal=Journal(folder / "pending"),
            scorer=self.fake_scorer,
            start_timeout_s=12.0,
            chime=chime,
        )

    def turn(self, request: TurnRequest) -> Turn:
        return Turn(self.parts, request, self.events.append, time.monotonic())

    def hold(self, request: TurnRequest) -> TurnResult:
        """One turn, start to end."""
        return run(lambda: self.turn(request).run())

    @property
    def recordings(self) -> list[Path]:
        """What waits on disk."""
        return sorted((self.folder / "pending").glob("*.wav")) if (self.folder / "pending").exists() else []

    @property
    def told(self) -> list[str]:
        """Names of the events, in order."""
        return [type(event).__name__ for event in self.events]
