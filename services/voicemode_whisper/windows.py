"""Sound cut into windows of at most 30 s, which is what Whisper hears at once: where nobody speaks, and without the silence.

faster-whisper can do both over a whole file, but then the voice detector and the spectrum of four hours are one step that
nobody can cancel, and take a gigabyte. Window by window it takes the memory of a window, the first words come after the first
one, and between two of them others get their turn. Cutting at pauses is what WhisperX showed to cost no accuracy
(Bain et al. 2023, https://arxiv.org/abs/2303.00747).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from faster_whisper.vad import VadOptions, get_speech_timestamps
from numpy.typing import NDArray
from voicemode_service.decode import RATE

__all__ = ["WINDOW_S", "Window", "windows"]

WINDOW_S = 30
"""Seconds; the length of Whisper's input."""

_SIZE = WINDOW_S * RATE
_EARLIEST_CUT = 15 * RATE
"""Short windows cost as much as long ones: the encoder's input is always 30 s."""
_SEARCHED = 5 * RATE
"""Before the end of a window without any pause, for its quietest moment."""
_FRAME = RATE // 50
_KEPT_SILENCE = 2 * RATE
"""Pauses up to that long stay: they tell sentences apart (faster-whisper's own min_silence_duration_ms)."""
_ONSET = RATE // 2
"""At the end of a window without speech, kept for the next one: a word may just begin there."""

_VAD = VadOptions(min_silence_duration_ms=300, speech_pad_ms=200)

Piece = tuple[int, int]
"""First sample, and the one after the last, from where the window began."""


@dataclass(frozen=True, slots=True)
class Window:
    """What is to be heard at once."""

    samples: NDArray[np.float32]
    """16 kHz mono, -1 to 1; empty when nobody speaks."""
    begin: float
    """Seconds of the sound before this window."""
    end: float
    final: bool
    """Nothing comes after it."""
    pieces: tuple[Piece, ...]
    """What ``samples`` is made of."""

    def span(self, start: float, end: float) -> tuple[float, float]:
        """Seconds of the whole sound, of what is between two moments of ``samples``."""
        return self._moment(start, end_of=False), self._moment(end, end_of=True)

    def _moment(self, seconds: float, *, end_of: bool) -> float:
        if not self.pieces:
            return self.begin
        at = min(max(round(seconds * RATE), 0), self.samples.size)
        starts = [0, *accumulate(end - start for start, end in self.pieces)][:-1]
        # The moment between two pieces is the end of one for what ends there, and the start of the other for what starts.
        piece = max(bisect_right(starts, at - 1 if end_of else at) - 1, 0)
        return self.begin + (self.pieces[piece][0] + at - starts[piece]) / RATE


def windows(blocks: Iterator[NDArray[np.float32]], *, vad: bool) -> Iterator[Window]:
    """All of the sound; ``vad`` leaves silence out. At least one window, and the last one says so."""
    rest: NDArray[np.float32] = np.empty(0, np.float32)
    begun, more = 0, True
    while True:
        rest, more = _filled(rest, blocks, more=more)
        final = not more and rest.size <= _SIZE
        part = rest[:_SIZE]
        pieces = _speech(part) if vad else [(0, part.size)] * bool(part.size)
        cut = part.size if final else _cut(part, pieces)
        kept = _joined([(start, min(end, cut)) for start, end in pieces if start < cut])
        samples = np.concatenate([part[start:end] for start, end in kept]) if kept else part[:0]
        yield Window(samples, begun / RATE, (begun + cut) / RATE, final, tuple(kept))
        if final:
            return
        rest, begun = rest[cut:], begun + cut


def _filled(
    rest: NDArray[np.float32], blocks: Iterator[NDArray[np.float32]], *, more: bool
) -> tuple[NDArray[np.float32], bool]:
    """One sample more than a window, if there are that many: it tells whether this one is the last."""
    parts, size = [rest], rest.size
    while more and size <= _SIZE:
        block = next(blocks, None)
        if block is None:
            more = False
        else:
            parts.append(block)
            size += block.size
    return np.concatenate(parts), more


def _speech(samples: NDArray[np.float32]) -> list[Piece]:
    if not samples.size:
        return []
    return [(int(found["start"]), int(found["end"])) for found in get_speech_timestamps(samples, _VAD)]


def _cut(part: NDArray[np.float32], pieces: Sequence[Piece]) -> int:
    """The sample after the last of this window: in its last pause, else at its quietest moment."""
    if not pieces:
        return part.size - _ONSET
    ends = [end for _, end in pieces]
    starts = [*(start for start, _ in pieces[1:]), part.size]
    for end, start in reversed([*zip(ends, starts, strict=True)]):
        if start > end and (end + start) // 2 >= _EARLIEST_CUT:
            return (end + start) // 2
    tail = part[part.size - _SEARCHED :].astype(np.float64)
    loudness = np.square(tail[: tail.size // _FRAME * _FRAME].reshape(-1, _FRAME)).sum(axis=1)
    return int(part.size - _SEARCHED + int(loudness.argmin()) * _FRAME + _FRAME // 2)


def _joined(pieces: Sequence[Piece]) -> list[Piece]:
    """Pieces with a short pause between them as one."""
    joined: list[Piece] = []
    for start, end in pieces:
        if joined and start - joined[-1][1] < _KEPT_SILENCE:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
