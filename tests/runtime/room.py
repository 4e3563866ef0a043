"""A room in virtual time: a loudspeaker, a microphone that hears it, and a person who speaks whenever a test says so.

Time passes only while everybody waits: half a minute of talk takes a fraction of a second, and is the same in every run.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np
import pytest

from tests.runtime.parts import Stage
from tests.runtime.tone_words import WordSynthesizer, WordTranscriber
from tests.virtual_time import VirtualTimeLoop
from voicemode.audio import CAPTURE_RATE, FULL_SCALE, AudioChunk, Samples
from voicemode.core.timeline import Timeline
from voicemode.engines.phrase_files import load_phrases
from voicemode.errors import DeviceLostError
from voicemode.interfaces import CapturedBlock
from voicemode.runtime.result import TurnRequest, TurnResult
from voicemode.runtime.turn import Turn
from voicemode.testing import FakeEchoCanceller

__all__ = ["Room", "Scene", "in_virtual_time"]

T = TypeVar("T")
_Air: TypeAlias = "np.ndarray[Any, np.dtype[np.floating[Any]]]"
_DEADLINE_S = 900.0
"""Virtual seconds: longer than "hold on" may last."""


def in_virtual_time(scenario: Callable[[], Awaitable[T]]) -> T:
    """Run it; a second takes no time, and ``time.monotonic`` is the loop's."""

    async def limited() -> T:
        async with asyncio.timeout(_DEADLINE_S):
            return await scenario()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner, pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "monotonic", runner.get_loop().time)
        return runner.run(limited())


class Room:
    """What is in the air, sample by sample since ``began_at``."""

    def __init__(self, *, echo_db: float = -12.0) -> None:
        self.echo_gain = 10 ** (echo_db / 20)
        self.began_at = time.monotonic()
        self.speaker = RoomSpeaker(self)
        self.microphone = RoomMicrophone(self)
        self._voices: list[tuple[int, Samples]] = []
        self._noise = np.random.default_rng(7).normal(0, 10, CAPTURE_RATE)

    def now(self) -> int:
        """The sample that is in the air now."""
        return self.at(time.monotonic())

    def at(self, instant: float) -> int:
        return round((instant - self.began_at) * CAPTURE_RATE)

    def speak(self, sound: Samples) -> None:
        """A person begins to speak now."""
        self._voices.append((self.now(), sound))

    def heard(self, start: int, count: int) -> Samples:
        """What the microphone hears."""
        noise = self._noise[np.arange(start, start + count) % len(self._noise)]
        echo = self.echo_gain * self.speaker.audible(start, count)
        return _clipped(noise + echo + _laid(self._voices, start, count))


def _laid(sounds: Sequence[tuple[int, Samples]], start: int, count: int) -> _Air:
    """The sounds, each from its sample on, as they are between ``start`` and ``start + count``."""
    air = np.zeros(count)
    for began, sound in sounds:
        first, last = max(began, start), min(began + len(sound), start + count)
        if first < last:
            air[first - start : last - start] += sound[first - began : last - began]
    return air


def _clipped(air: _Air) -> Samples:
    return np.clip(np.rint(air), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)


class RoomMicrophone:
    """Blocks of 20 ms, each ``late_s`` after its last sample was in the air. While ``muted`` it hears exact zeros."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._position = 0
        self.is_open = False
        self.opened = 0
        self.muted = False
        self.late_s = 0.0

    @property
    def name(self) -> str:
        return "room microphone"

    async def open(self) -> None:
        if not self.is_open:
            self.is_open, self._position = True, self._room.now()
            self.opened += 1

    async def read(self) -> CapturedBlock | None:
        assert self.is_open
        start, count = self._position, CAPTURE_RATE // 50
        captured_at = self._room.began_at + start / CAPTURE_RATE
        await asyncio.sleep(max(captured_at + count / CAPTURE_RATE + self.late_s - time.monotonic(), 0.0))
        self._position += count
        samples = np.zeros(count, np.int16) if self.muted else self._room.heard(start, count)
        return CapturedBlock(AudioChunk(samples, CAPTURE_RATE), captured_at)

    async def close(self) -> None:
        self.is_open = False


class RoomSpeaker:
    """A loudspeaker as ``interfaces.Speaker`` wants it, its own far end; ``open_s``, ``close_s``: how long that takes."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._queue: Samples = np.zeros(0, np.int16)
        """All that was queued and not dropped."""
        self._past: list[tuple[int, Samples]] = []
        """What was audible, from which sample of the room on."""
        self._position = 0
        """Of ``_queue``, where the current stretch began."""
        self._since = 0
        """Of the room, when it did."""
        self._gain_db = 0.0
        self._first_sound_at: float | None = None
        self.open_s = self.close_s = 0.0
        self.is_open = self.paused = self.lost = False
        self.ducked: list[float] = []
        self.resumed_at: list[float] = []
        """The position, in seconds, at which each pause ended."""
        self.paused_at: list[float] = []
        """The position at which each began."""

    name = "room loudspeaker"

    @property
    def far_end(self) -> RoomSpeaker:
        return self

    # -- as FarEndReader

    def between(self, start: float, samples: int) -> Samples:
        return self.audible(self._room.at(start), samples)

    tears = 0

    def audible(self, start: int, count: int) -> Samples:
        """What was, is, or will be audible if nothing happens."""
        current = [] if self.paused else [(self._since, self._quieter(self._queue[self._position :]))]
        return _clipped(_laid([*self._past, *current], start, count))

    def since_began(self) -> Samples:
        """All that was audible since the room began; call it when the loudspeaker is closed or has been heard out."""
        self._cut_here()
        return _clipped(_laid(self._past, 0, max(began + len(sound) for began, sound in self._past)))

    # -- as Speaker

    @property
    def first_sound_at(self) -> float | None:
        return self._first_sound_at

    @property
    def audible_until(self) -> float | None:
        if self._first_sound_at is None:
            return None
        since = self._room.now() if self.paused else self._since
        return self._room.began_at + (since + len(self._queue) - self._position) / CAPTURE_RATE

    @property
    def queued_s(self) -> float:
        return (len(self._queue) - self._now_at()) / CAPTURE_RATE

    @property
    def played_s(self) -> float:
        return self._now_at() / CAPTURE_RATE

    async def open(self) -> None:
        await asyncio.sleep(self.open_s)
        self.is_open = True

    async def play(self, chunk: AudioChunk) -> None:
        self._check()
        assert chunk.sample_rate == CAPTURE_RATE
        while self.queued_s > 10.0:
            await asyncio.sleep(0.01)
            self._check()
        self._cut_here()
        self._queue = np.concatenate([self._queue, chunk.samples])
        if self._first_sound_at is None and not self.paused:
            self._first_sound_at = time.monotonic()

    async def drain(self) -> None:
        while self.paused or self.queued_s > 0:
            await asyncio.sleep(0.01)
            self._check()

    def mark(self) -> int:
        return len(self._queue)

    def withdraw(self, mark: int) -> None:
        self._cut_here()
        self._queue = self._queue[: max(mark, self._position)]

    def duck(self, gain_db: float) -> None:
        self._cut_here()
        self._gain_db = gain_db
        self.ducked.append(gain_db)

    async def pause(self) -> None:
        self._check()
        if not self.paused:
            self._cut_here()
            self.paused = True
            self.paused_at.append(self.played_s)

    async def resume(self, at_played_s: float | None = None) -> None:
        self._check()
        if self.paused:
            if at_played_s is not None:
                wanted = round(at_played_s * CAPTURE_RATE)
                self._position = min(max(wanted, self._position - 3 * CAPTURE_RATE, 0), self._position)
            self.paused, self._since = False, self._room.now()
            self.resumed_at.append(self.played_s)
            if self._first_sound_at is None and len(self._queue):
                self._first_sound_at = time.monotonic()

    def stop(self) -> None:
        self._cut_here()
        self._queue = self._queue[: self._position]
        self.paused, self._gain_db = False, 0.0

    async def close(self) -> None:
        self.stop()
        self.is_open = False
        await asyncio.sleep(self.close_s)

    def _check(self) -> None:
        if not self.is_open:
            raise RuntimeError("open the loudspeaker before playing")
        if self.lost:
            raise DeviceLostError(self.name)

    def _now_at(self) -> int:
        """The position in ``_queue`` of what is heard now."""
        if self.paused:
            return self._position
        return min(self._position + self._room.now() - self._since, len(self._queue))

    def _cut_here(self) -> None:
        """What happens from now on is another stretch."""
        at = self._now_at()
        if not self.paused:
            self._past.append((self._since, self._quieter(self._queue[self._position : at])))
        self._position, self._since = at, self._room.now()

    def _quieter(self, samples: Samples) -> Samples:
        return samples if self._gain_db == 0 else _clipped(samples * 10 ** (self._gain_db / 20))


class Scene(Stage):
    """A turn's parts in a room. Make it inside ``in_virtual_time``."""

    def __init__(
        self,
        folder: Path,
        *,
        echo_db: float = -12.0,
        left_db: float | None = None,
        muted: bool = False,
        open_s: float = 0.0,
        transcriber: WordTranscriber | None = None,
    ) -> None:
        """``left_db``: how much of the echo the canceller leaves; None for nothing. ``muted``: the microphone is.

        ``open_s``: how long the loudspeaker takes to open.
        """
        self.words = transcriber or WordTranscriber()
        self.voice = WordSynthesizer()
        super().__init__(folder, transcriber=self.words, synthesizer=self.voice)
        self.echo_db, self.left_db, self.muted, self.open_s = echo_db, left_db, muted, open_s
        self.timelines: list[Timeline] = []
        self.rooms: list[Room] = []
        """One for each exchange."""
        self.parts = replace(
            self.parts,
            make_speaker=self._new_room,
            make_microphone=lambda: self.room.microphone,
            make_canceller=self._canceller,
            phrases=lambda language: load_phrases(language),
            keep_timeline=self.timelines.append,
        )

    @property
    def room(self) -> Room:
        """The newest."""
        if not self.rooms:
            self._new_room()
        return self.rooms[-1]

    def begin(self, request: TurnRequest) -> tuple[Turn, asyncio.Task[TurnResult]]:
        turn = self.turn(request)
        return turn, asyncio.create_task(turn.run())

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for it, to 10 ms."""
        async with asyncio.timeout(60):
            while not condition():
                await asyncio.sleep(0.01)

    async def listening(self, times: int = 1) -> None:
        """Wait until somebody has begun to listen so often."""
        await self.until(lambda: self.told.count("ListeningStarted") >= times)

    async def audible_for(self, seconds: float) -> None:
        """Wait until the message has been audible for so long."""
        await self.until(lambda: self.rooms and self.room.speaker.played_s >= seconds)

    def _new_room(self) -> RoomSpeaker:
        self.rooms.append(Room(echo_db=self.echo_db))
        self.rooms[-1].microphone.muted = self.muted
        self.rooms[-1].speaker.open_s = self.open_s
        return self.rooms[-1].speaker

    def _canceller(self) -> FakeEchoCanceller:
        left = 0.0 if self.left_db is None else 10 ** (self.left_db / 20)
        return FakeEchoCanceller(echo_gain=10 ** (self.echo_db / 20) * (1 - left))
