"""What a diagnosis looks at, all fake, and the ways to read what it found."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from voicemode.audio import AudioChunk
from voicemode.engines.builtin import ESPEAK, POCKETSPHINX
from voicemode.errors import (
    SoundError,
)
from voicemode.interfaces import CapturedBlock
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.runtime.checks import Check, Part
from voicemode.runtime.diagnosis import Subject, diagnose
from voicemode.runtime.floor import Floor
from voicemode.runtime.journal import Journal
from voicemode.settings import Settings

__all__ = ["FakeEngine", "FakeMicrophone", "a_registry", "a_subject", "fails_with", "find_nothing", "look", "of", "only"]


class FakeMicrophone:
    """Delivers blocks of one value, or fails to open."""

    name = "fake"

    def __init__(self, value: int = 0, error: SoundError | None = None, hangs: bool = False) -> None:
        self.value, self.error, self.hangs = value, error, hangs
        self.opened = 0
        self.closed = 0

    async def open(self) -> None:
        self.opened += 1
        if self.error is not None:
            raise self.error
        if self.hangs:
            await asyncio.Event().wait()

    async def read(self) -> CapturedBlock | None:
        return CapturedBlock(AudioChunk(np.full(1600, self.value, dtype=np.int16), 16_000), time.monotonic())

    async def close(self) -> None:
        self.closed += 1


class FakeEngine:
    """A built-in engine that nobody starts."""

    def __init__(self, name: str) -> None:
        self.name = name


def a_registry(settings: Settings) -> Registry:
    """The endpoints of these settings, and both built-in engines."""
    tts: Any = FakeEngine(ESPEAK)
    stt: Any = FakeEngine(POCKETSPHINX)
    return Registry(settings, HttpPool(settings), Builtin(tts, stt))


async def find_nothing() -> None:
    """No services on this machine."""


def a_subject(folder: Path, settings: Settings | None = None, **parts: Any) -> Subject:
    """A machine on which everything works, but for ``parts``."""
    settings = settings or Settings()
    working: dict[str, Any] = {
        "settings": settings,
        "registry": a_registry(settings),
        "look_now": find_nothing,
        "find_scorer": lambda: ("prosody", "There is no smart-turn here."),
        "find_canceller": lambda: ("webrtc-aec3", "webrtc-aec3 takes the loudspeaker's sound out."),
        "floor": Floor(folder, "the doctor", 0),
        "journal": Journal(folder / "pending"),
        "find_input": lambda: "Headset",
        "find_output": lambda: "Speakers",
        "find_detector": lambda: ("silero", "It is the best."),
        "find_builtin": lambda: {ESPEAK: "espeak 1", POCKETSPHINX: "sphinx 5"},
    }
    return Subject(**{**working, **parts})


def fails_with(error: Exception) -> Callable[[], str]:
    """A look that finds the error."""

    def find() -> str:
        raise error

    return find


def look(subject: Subject) -> list[Check]:
    return asyncio.run(diagnose(subject))


def only(checks: Sequence[Check], name: Part) -> Check:
    (check,) = [check for check in checks if check.name is name]
    return check


def of(checks: Sequence[Check], name: Part) -> list[Check]:
    return [check for check in checks if check.name is name]
