"""What a loudspeaker at the other end of a line plays: what it was sent ahead, how far it is, and what it must be sent again.

Positions are samples since the loudspeaker was opened. The other end tells now and then which one is audible; in between it
goes on with time.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from voicemode.audio import Samples

__all__ = ["KEPT_S", "RemoteClock", "RemotePlayout"]

KEPT_S = 3.0
"""Seconds of audible sound that can be replayed."""
_AHEAD_S = 0.4
"""Sent before it is audible: more than a wireless network or a tunnel stumbles, and little to take back in an interruption."""
_CREEP = 0.002
"""Of two clocks; more than any quartz is off by."""
_FOLLOW_S = 0.05
"""A report that is so far off what was expected is believed: playback stumbled."""


class RemoteClock:
    """Another machine's clock in terms of ours, from messages that may be late and are never early. All in seconds."""

    def __init__(self) -> None:
        self._offset: float | None = None
        self._seen_at = 0.0

    def learn(self, theirs: float, ours: float) -> None:
        """A message was sent at ``theirs`` and came at ``ours``."""
        offset = ours - theirs
        if self._offset is None:
            self._offset = offset
        creep = _CREEP * max(ours - self._seen_at, 0.0)
        self._offset, self._seen_at = min(self._offset + creep, offset), ours

    def ours(self, theirs: float) -> float:
        """An instant of theirs. Raises ValueError before anything was learnt."""
        if self._offset is None:
            raise ValueError("nothing has come yet")
        return theirs + self._offset


class RemotePlayout:
    """One opening of a loudspeaker. Nothing here waits; times are seconds of one clock."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        self.held = False
        """Nothing is to be sent."""
        self.first_at: float | None = None
        """When the first sample was audible; None before that."""
        self._pieces: deque[Samples] = deque()
        self._begin = 0
        """Position of the first sample that is kept."""
        self._pushed = 0
        self._sent = 0
        self._known = 0
        """The position that the last report told."""
        self._zero_at: float | None = None
        """When the sample at position 0 would have been audible, had it played without a pause; None while nothing plays."""
        self._ended_at: float | None = None
        """When the last sample was audible; None while there is more to come, as far as is known."""

    @property
    def pushed(self) -> int:
        """Samples queued, without those that were dropped."""
        return self._pushed

    @property
    def sent(self) -> int:
        return self._sent

    @property
    def waiting(self) -> int:
        """Samples that are not audible yet as far as was told."""
        return self._pushed - self._known

    def push(self, samples: Samples) -> None:
        if len(samples):
            self._pieces.append(samples)
            self._pushed += len(samples)

    def played(self, now: float) -> int:
        """The position that is audible."""
        if self._zero_at is None:
            return self._known
        return min(max(round((now - self._zero_at) * self.sample_rate), self._known), self._sent)

    def until(self, now: float) -> float | None:
        """When the last sample is audible, if nothing holds it up; None before the first."""
        if self.first_at is None:
            return None
        if self._zero_at is not None:
            return self._zero_at + self._pushed / self.sample_rate
        if self._ended_at is not None and not self.waiting:
            return self._ended_at
        return now + self.waiting / self.sample_rate

    def report(self, position: int, at: float) -> bool:
        """The sample at ``position`` is audible at an instant. Whether that is news about when the rest is."""
        position = min(max(position, self._known), self._sent)
        zero = at - position / self.sample_rate
        if self.first_at is None and position:
            self.first_at = zero
        news = self._zero_at is None or abs(zero - self._zero_at) > _FOLLOW_S
        if news:
            self._zero_at = zero
        self._known = position
        self._forget()
        if position == self._pushed:
            self._zero_at, self._ended_at = None, at
        return news and self._zero_at is not None

    def audible_at(self, position: int) -> float | None:
        """When that sample is (or was) audible; None while nothing plays."""
        return None if self._zero_at is None else self._zero_at + position / self.sample_rate

    def next(self, most: int) -> tuple[int, Samples] | None:
        """What to send now, with its position: at most so many samples, and none while enough is on its way."""
        if self.held or self._sent == self._pushed or self._sent - self._known >= _AHEAD_S * self.sample_rate:
            return None
        position = self._sent
        samples = self.at(position, most)
        self._sent += len(samples)
        return position, samples

    def at(self, position: int, most: int) -> Samples:
        """What is kept from there on."""
        out: list[Samples] = []
        start = self._begin
        for piece in self._pieces:
            first = max(position - start, 0)
            if first < len(piece) and most > 0:
                out.append(piece[first : first + most])
                most -= len(out[-1])
            start += len(piece)
        return np.concatenate(out) if out else np.zeros(0, dtype=np.int16)

    def withdraw(self, mark: int) -> None:
        """Drop what was queued behind ``mark`` and is not sent."""
        self._truncate(max(mark, self._sent))

    def cut(self, position: int | None, now: float) -> None:
        """The other end fell silent and forgot what it had. ``position``: what it says was not audible; None: nobody knows."""
        reached = self.played(now) if position is None else min(max(position, 0), self._sent)
        self._known = self._sent = reached
        self._zero_at, self._ended_at = None, now

    def seek(self, position: int) -> None:
        """Go on there; the nearest that is kept."""
        self._known = self._sent = min(max(position, self._begin), self._known)

    def drop(self) -> None:
        """Forget all that was not audible, after a ``cut``."""
        self._truncate(self._sent)

    def _truncate(self, end: int) -> None:
        kept = self.at(self._begin, end - self._begin)
        self._pieces = deque([kept] if len(kept) else [])
        self._pushed = self._begin + len(kept)

    def _forget(self) -> None:
        keep_from = self._known - round(KEPT_S * self.sample_rate)
        while self._pieces and self._begin + len(self._pieces[0]) <= keep_from:
            self._begin += len(self._pieces.popleft())
