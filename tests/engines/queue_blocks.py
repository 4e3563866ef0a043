"""A device for the playback queue: blocks of ten samples at 1 kHz, which a test looks at one by one."""

from __future__ import annotations

import numpy as np

from voicemode.audio import Samples
from voicemode.engines.playback_queue import PlaybackQueue

RATE = 1_000
BLOCK = 10


def block(queue: PlaybackQueue, audible_at: float = 0.0, channels: int = 1) -> Samples:
    out = np.full((BLOCK, channels), 99, dtype=np.int16)
    queue.fill(out, audible_at)
    return out[:, 0]


def ramp(start: int, count: int) -> Samples:
    return np.arange(start, start + count, dtype=np.int16)


def playing(*counts: int) -> PlaybackQueue:
    """A queue that plays, of pieces of so many samples; the samples count on from 1."""
    queue = PlaybackQueue(RATE)
    for count in counts:
        queue.push(ramp(queue.pushed + 1, count))
    queue.release()
    return queue


def heard(queue: PlaybackQueue, blocks: int = 20) -> list[int]:
    """What is not silence in the next blocks."""
    return [int(sample) for _ in range(blocks) for sample in block(queue) if sample]
