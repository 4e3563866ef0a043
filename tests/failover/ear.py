"""A loudspeaker that remembers what it played and when, and a judge of whether a message arrived as it should."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

import numpy as np

from tests.stubs.sentence_tones import Heard, listen
from voicemode.audio import AudioChunk

__all__ = ["Ear"]

RATE = 24_000
_QUEUE_S = 10.0
"""As ``interfaces.Speaker.play``."""


@dataclass(frozen=True, slots=True)
class _Played:
    chunk: AudioChunk
    offset_s: float
    arrived_at: float
    begins_at: float
    """When its first sample is audible."""


class Ear:
    """A Speaker that plays ``speed`` times as fast as a real one."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._played: list[_Played] = []
        self._until: float | None = None
        self.opened_at = time.monotonic()

    @property
    def name(self) -> str:
        return "ear"

    @property
    def first_sound_at(self) -> float | None:
        return self._played[0].begins_at if self._played else None

    @property
    def audible_until(self) -> float | None:
        return self._until

    @property
    def queued_s(self) -> float:
        return max((self._until or 0.0) - time.monotonic(), 0.0)

    @property
    def played_s(self) -> float:
        return sum(each.chunk.seconds for each in self._played) - self.queued_s * self._speed

    @property
    def paused(self) -> bool:
        return False

    @property
    def far_end(self) -> None:
        return None

    @property
    def longest_gap_s(self) -> float:
        """The longest silence between two chunks, in seconds of the clock."""
        pairs = zip(self._played, self._played[1:], strict=False)
        return max((b.begins_at - a.begins_at - a.chunk.seconds / self._speed for a, b in pairs), default=0.0)

    async def open(self) -> None:
        self.opened_at = time.monotonic()

    async def play(self, chunk: AudioChunk) -> None:
        assert chunk.sample_rate == RATE, f"nobody speaks at {chunk.sample_rate} Hz here"
        now = time.monotonic()
        while self._until is not None and self._until - now > _QUEUE_S:
            await asyncio.sleep(0.01)
            now = time.monotonic()
        begins_at = max(now, self._until or now)
        self._until = begins_at + chunk.seconds / self._speed
        self._played.append(_Played(chunk, sum(each.chunk.seconds for each in self._played), now, begins_at))

    async def drain(self) -> None:
        await asyncio.sleep(max((self._until or 0.0) - time.monotonic(), 0.0))

    def mark(self) -> int:
        return len(self._played)

    def withdraw(self, mark: int) -> None:
        now = time.monotonic()
        for index, each in enumerate(self._played[mark:], mark):
            audible = round(max(now - each.begins_at, 0.0) * self._speed * RATE)
            if audible < len(each.chunk.samples):
                del self._played[index:]
                if audible:
                    rest = AudioChunk(each.chunk.samples[:audible], RATE)
                    self._played.append(replace(each, chunk=rest))
                last = self._played[-1] if self._played else None
                self._until = last.begins_at + last.chunk.seconds / self._speed if last else None
                return

    def duck(self, gain_db: float) -> None:
        raise AssertionError("nobody interrupts here")

    async def pause(self) -> None:
        raise AssertionError("nobody interrupts here")

    async def resume(self, at_played_s: float | None = None) -> None:
        raise AssertionError("nobody interrupts here")

    def stop(self) -> None:
        raise AssertionError("nobody interrupts here")

    async def close(self) -> None:
        pass

    # -- judging

    def heard(self) -> list[Heard]:
        """Which sentences there were to hear, the broken ones too."""
        chunks = [each.chunk.samples for each in self._played]
        return listen(np.concatenate([*chunks, np.zeros(RATE // 50, np.int16)]), RATE) if chunks else []

    def check(self, count: int) -> None:
        """Fails unless sentences 1 to ``count`` were heard in order, each of them whole, once, and nothing else.

        A sentence may begin twice only if its first beginning was audible already when the second one arrived.
        """
        heard = self.heard()
        assert [each.number for each in heard if each.whole] == list(range(1, count + 1)), heard
        for broken, next_one in zip(heard, [*heard[1:], None], strict=True):
            if not broken.whole:
                assert next_one is not None, heard
                assert next_one.number == broken.number, heard
                assert self._sounded_at(broken.at_s) <= self._arrived_at(next_one.at_s), f"needless: {heard}"

    def _sounded_at(self, at_s: float) -> float:
        played = self._at(at_s)
        return played.begins_at + (at_s - played.offset_s) / self._speed

    def _arrived_at(self, at_s: float) -> float:
        return self._at(at_s + 0.02).arrived_at

    def _at(self, at_s: float) -> _Played:
        return next(each for each in reversed(self._played) if each.offset_s <= at_s)
