"""Cut a stream of blocks of any size into frames of one size."""

from __future__ import annotations

import numpy as np

from voicemode.audio import Samples

__all__ = ["Framer"]


class Framer:
    """Holds back what does not fill a frame yet. No sample is lost, added or reordered."""

    def __init__(self, frame_samples: int) -> None:
        """``frame_samples`` is the length of every frame, > 0."""
        if frame_samples <= 0:
            raise ValueError(f"a frame needs at least one sample, not {frame_samples}")
        self._frame_samples = frame_samples
        self._rest: Samples = np.zeros(0, dtype=np.int16)

    @property
    def pending(self) -> int:
        """Samples held back: 0 to ``frame_samples`` - 1."""
        return len(self._rest)

    def push(self, samples: Samples) -> list[Samples]:
        """The frames that are now complete, oldest first; they do not share memory with ``samples``."""
        return list(self.block(samples))

    def block(self, samples: Samples) -> Samples:
        """The same as ``push``, in one array: (frames, frame_samples)."""
        joined = np.concatenate((self._rest, samples))
        count = len(joined) // self._frame_samples
        whole = count * self._frame_samples
        self._rest = joined[whole:]
        return joined[:whole].reshape(count, self._frame_samples)

    def flush(self) -> Samples:
        """What was held back, shorter than a frame and not padded; afterwards nothing is pending."""
        rest, self._rest = self._rest, self._rest[:0]
        return rest
