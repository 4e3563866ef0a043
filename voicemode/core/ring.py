"""Remember the last seconds of a stream by absolute position, and keep a stretch whole for as long as it is needed."""

from __future__ import annotations

import numpy as np

from voicemode.audio import Samples

__all__ = ["PrerollRing"]


class PrerollRing:
    """The newest ``capacity_samples`` samples, or more while ``keep_from`` holds on to older ones.

    Positions count samples since the first push. What is returned was pushed: never padding, never zeros of our own.
    """

    def __init__(self, capacity_samples: int) -> None:
        """``capacity_samples`` >= 0 is what is kept while nothing is held."""
        if capacity_samples < 0:
            raise ValueError(f"a ring cannot keep {capacity_samples} samples")
        self._capacity = capacity_samples
        # Twice the capacity: so the kept samples are moved to the front once per capacity, not once per push.
        self._buffer: Samples = np.zeros(max(2 * capacity_samples, 1), dtype=np.int16)
        self._used = 0
        self._total = 0
        self._held: int | None = None
        """The position ``keep_from`` protects; None while nothing is held."""

    @property
    def total(self) -> int:
        """Samples pushed so far: the position after the newest one."""
        return self._total

    @property
    def first(self) -> int:
        """The position of the oldest sample that is kept; equal to ``total`` when none is."""
        oldest = max(self._total - self._capacity, 0)
        return oldest if self._held is None else min(self._held, oldest)

    def push(self, samples: Samples) -> None:
        """Append a copy of ``samples``."""
        if self._used + len(samples) > len(self._buffer):
            self._make_room(len(samples))
        self._buffer[self._used : self._used + len(samples)] = samples
        self._used += len(samples)
        self._total += len(samples)

    def amend(self, position: int, samples: Samples) -> None:
        """Put ``samples`` in the place of what was pushed from ``position`` on, as far as that is kept. Nothing is added."""
        begin, end = max(position, self.first), min(position + len(samples), self._total)
        if begin < end:
            at = self._used - (self._total - begin)
            self._buffer[at : at + end - begin] = samples[begin - position : end - position]

    def since(self, position: int) -> Samples:
        """A copy of everything from ``position`` on, as far back as it is kept; empty from ``total`` on."""
        count = self._total - max(position, self.first)
        return self._buffer[self._used - max(count, 0) : self._used].copy()

    def last(self, n: int) -> Samples:
        """A copy of the newest ``n`` samples, fewer when fewer are kept."""
        return self.since(self._total - max(n, 0))

    def keep_from(self, position: int) -> None:
        """Keep every sample from ``position`` on until ``release``; what was dropped before stays lost.

        Calling it again replaces the position.
        """
        self._held = max(position, self.first)

    def release(self) -> None:
        """Fall back to the capacity. Idempotent."""
        self._held = None
        if len(self._buffer) > 4 * max(self._capacity, 1):
            self._make_room(0)

    def _make_room(self, count: int) -> None:
        kept = self.since(self.first)
        needed = len(kept) + count
        if needed > len(self._buffer) or len(self._buffer) > 4 * max(needed, self._capacity, 1):
            self._buffer = np.zeros(2 * max(needed, self._capacity, 1), dtype=np.int16)
        self._buffer[: len(kept)] = kept
        self._used = len(kept)
