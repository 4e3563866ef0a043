"""The assistant's sound on its way out: answers one behind the other, cut into frames, counted as they leave."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from voicemode.audio import Samples

__all__ = ["Frame", "Happening", "PlayoutQueue"]

Happening: TypeAlias = tuple[Literal["started", "stopped"], str]
"""What became true with a frame, and of which answer."""


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """What leaves next."""

    samples: Samples
    """As many as were asked for; silence where nothing is queued."""
    happenings: tuple[Happening, ...] = ()
    silent: bool = False
    """Nothing was queued for it."""


@dataclass(slots=True, eq=False)
class _Stretch:
    response_id: str
    samples: Samples | None
    """None: the end of the answer."""


class PlayoutQueue:
    """Knows no rate: everything counts in samples. An answer ends in its own frame; the next one begins with the next."""

    def __init__(self) -> None:
        self._stretches: deque[_Stretch] = deque()
        self._queued = 0
        self._playing: str | None = None
        """The answer of which something left and the end did not; None between answers."""
        self._heard = 0
        """Samples of it that left."""
        self._flushed: set[str] = set()
        """Answers that the last flush cut off: what is still written to them is dropped."""

    @property
    def queued(self) -> int:
        """Samples that have not left."""
        return self._queued

    @property
    def heard(self) -> int:
        """Samples that left of the answer that is being heard; 0 between answers."""
        return self._heard if self._playing is not None else 0

    def write(self, response_id: str, samples: Samples) -> None:
        """Queue sound behind what is queued."""
        if len(samples) and response_id not in self._flushed:
            self._stretches.append(_Stretch(response_id, samples))
            self._queued += len(samples)

    def finish(self, response_id: str) -> None:
        """No more sound of this answer comes."""
        if response_id not in self._flushed:
            self._stretches.append(_Stretch(response_id, None))

    def take(self, count: int) -> Frame:
        """The next frame. An answer has stopped with the frame after its last one, which is when that one was heard."""
        happenings: list[Happening] = []
        self._end_answers(happenings)
        samples: Samples = np.zeros(count, dtype=np.int16)
        filled = 0
        while filled < count and self._stretches:
            stretch = self._stretches[0]
            if stretch.samples is None or self._playing not in (None, stretch.response_id):
                break
            if self._playing is None:
                self._playing, self._heard = stretch.response_id, 0
                happenings.append(("started", stretch.response_id))
            piece = stretch.samples[: count - filled]
            samples[filled : filled + len(piece)] = piece
            filled += len(piece)
            stretch.samples = stretch.samples[len(piece) :]
            if not len(stretch.samples):
                self._stretches.popleft()
        self._queued -= filled
        self._heard += filled
        return Frame(samples, tuple(happenings), silent=filled == 0)

    def flush(self) -> int:
        """Drop everything; returns how many samples left of the answer that was being heard, 0 if none was."""
        heard = self.heard
        self._flushed = {stretch.response_id for stretch in self._stretches}
        if self._playing is not None:
            self._flushed.add(self._playing)
        self._stretches.clear()
        self._queued = 0
        self._playing = None
        return heard

    def _end_answers(self, happenings: list[Happening]) -> None:
        """Take ends off the head. Where another answer follows without one, the one before has ended all the same."""
        while self._stretches:
            stretch = self._stretches[0]
            if stretch.samples is None:
                self._stretches.popleft()
                if stretch.response_id != self._playing:
                    continue
            elif self._playing in (None, stretch.response_id):
                return
            assert self._playing is not None  # noqa: S101 - both ways here compared with an answer that plays
            happenings.append(("stopped", self._playing))
            self._playing = None
