"""What waits to be played: the event loop pushes, PortAudio's callback takes, and neither waits for the other.

There is no lock. Every field has one writer, the loop or the callback, and positions only grow, so each side may act on
a slightly old reading of the other's: the worst is one block of silence.
"""

from __future__ import annotations

from collections import deque

import numpy as np
import numpy.typing as npt

from voicemode.audio import Samples

__all__ = ["PlaybackQueue"]

_FADE_S = 0.005


class PlaybackQueue:
    """Samples at one rate, numbered from 0 in the order they were pushed."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        # -- written by the loop
        self.pushed = 0
        """Samples pushed."""
        self._released = 0
        """Samples before this one may be played."""
        self._dropped = (0, 0)
        """From the first of these samples on, and before the second, all are dropped that are not yet taken."""
        self._pieces: deque[Samples] = deque()
        # -- written by the callback
        self.position = 0
        """Samples taken or dropped."""
        self.taken = 0
        """Samples given to the device."""
        self.first_audible_at: float | None = None
        """When the first of them is audible; None before that was taken."""
        self.audible_until: float | None = None
        """When the last of them has been audible."""
        self._in_first_run = True
        """Whether no silence has followed the first sample yet."""
        self._dry_at = 0
        """The position at which the device last got silence because there was no more."""
        self._head: Samples = np.zeros(0, dtype=np.int16)
        fade = round(_FADE_S * sample_rate)
        self._fade = np.linspace(1.0, 0.0, fade, endpoint=False, dtype=np.float32)

    # -- the loop's side

    @property
    def queued(self) -> int:
        """Samples that wait."""
        return self.pushed - self.position

    @property
    def dry(self) -> bool:
        """Whether silence is playing until the next ``release``."""
        return self._dry_at == self._released

    def push(self, samples: Samples) -> None:
        """Queue samples; they are played when they were released, at once if the queue is not dry."""
        flowing = not self.dry
        self._pieces.append(samples)
        self.pushed += len(samples)
        if flowing:
            self._released = self.pushed

    def release(self) -> None:
        """Play all that is queued."""
        self._released = self.pushed

    def cut(self) -> None:
        """Drop all that is queued; what plays fades out in 5 ms."""
        self._dropped = (0, self.pushed)
        self._released = self.pushed

    def withdraw(self, mark: int) -> None:
        """Drop what was pushed since ``pushed`` was ``mark``, as far as it is not yet taken.

        Does nothing while an earlier withdrawal of other samples still waits for its turn.
        """
        start, end = self._dropped
        if self.position < end:
            if mark > end:
                return
            mark = min(start, mark)
        # Released with it, for what is dropped must not look like something that still waits to be played.
        self._dropped = (mark, self.pushed)
        self._released = self.pushed

    # -- the callback's side

    def fill(self, out: npt.NDArray[np.int16], audible_at: float) -> None:
        """Fill a block of shape (frames, channels), whose first frame will be audible at ``audible_at``."""
        start, end = self._dropped  # read once: the loop may move it meanwhile
        if start <= self.position < end:
            count = self._fade_out(out, end)
        else:
            stop = min(self._released, start) if self.position < start else self._released
            count = min(len(out), stop - self.position)
            self._take(out[:count])
        out[count:] = 0
        if count:
            self._note_times(count, audible_at)
        if count < len(out):
            self._dry_at = self.position
            self._in_first_run = self.first_audible_at is None

    def _note_times(self, count: int, audible_at: float) -> None:
        self.taken += count
        self.audible_until = audible_at + count / self.sample_rate
        if self._in_first_run:
            # A device that has just started asks for several blocks at once and gives each the same long delay; the
            # later blocks of the same run show when the first one was really heard.
            first = self.audible_until - self.taken / self.sample_rate
            self.first_audible_at = first if self.first_audible_at is None else min(first, self.first_audible_at)

    def _fade_out(self, out: npt.NDArray[np.int16], cut: int) -> int:
        """Play 5 ms of what was cut, fading, and drop the rest; silence that was playing stays silence."""
        silent = self._dry_at == self.position
        count = 0 if silent else min(len(self._fade), len(out), cut - self.position)
        self._take(out[:count])
        out[:count] = out[:count] * self._fade[:count, None]
        while self.position < cut:
            self._next_part(cut - self.position)
        return count

    def _take(self, out: npt.NDArray[np.int16]) -> None:
        filled = 0
        while filled < len(out):
            part = self._next_part(len(out) - filled)
            out[filled : filled + len(part)] = part[:, None]
            filled += len(part)

    def _next_part(self, most: int) -> Samples:
        if not len(self._head):
            self._head = self._pieces.popleft()
        part, self._head = self._head[:most], self._head[most:]
        self.position += len(part)
        return part
