"""What waits to be played: the event loop pushes, PortAudio's callback takes, and neither waits for the other.

There is no lock. Every field has one writer, the loop or the callback; what must be read together is one tuple, and what
the loop wants done carries a number that the callback repeats when it has done it. So each side may act on a slightly old
reading of the other's: the worst is one block of silence.

Sound that was taken is kept for a while. Rewinding takes nothing back: it puts kept sound in front of what is queued.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from voicemode.audio import Samples

__all__ = ["KEPT_S", "PlaybackQueue"]

KEPT_S = 3.0
"""Seconds of taken sound that can be replayed."""
_FADE_S = 0.005
"""Short enough to be silence at once, long enough not to click."""
_RAMP_S = 0.015
"""From one gain to the next: no click, and done within two blocks."""


class _Account(NamedTuple):
    """What the device got; the callback writes it, all at once."""

    taken: int
    """Samples given to it, less those taken back."""
    run_from: int
    """Of these, the ones before the last silence."""
    audible_until: float | None
    """When the last of them has been audible; None before the first."""


class _Drop(NamedTuple):
    """What is not to be played."""

    start: int
    """From this sample on,"""
    end: int
    """and before this one, all that is not yet taken;"""
    cuts: int
    """and whatever is replayed, when this number is new."""


class _Seek(NamedTuple):
    """Where to go on."""

    taken: int
    """After so many samples."""
    silent_at: float | None
    """When the device fell silent, having thrown away what it had; None when it has not."""
    number: int


class PlaybackQueue:
    """Samples at one rate, numbered from 0 in the order they were pushed."""

    def __init__(self, sample_rate: int) -> None:
        self.sample_rate = sample_rate
        fade = round(_FADE_S * sample_rate)
        self._fade = np.linspace(1.0, 0.0, fade, endpoint=False, dtype=np.float32)
        self._ramp = np.arange(1, round(_RAMP_S * sample_rate) + 1, dtype=np.float32)
        # -- written by the loop
        self.pushed = 0
        """Samples pushed."""
        self.held = False
        """Whether only silence is played, and nothing taken."""
        self.gain = 1.0
        """The factor to be reached, 0 to 1."""
        self._released = 0
        """Samples before this one may be played."""
        self._dropped = _Drop(0, 0, 0)
        self._seek = _Seek(0, None, 0)
        self._pieces: deque[Samples] = deque()
        # -- written by the callback
        self.position = 0
        """Samples taken or dropped; what is replayed was taken already."""
        self.replaying = 0
        """Samples to be replayed before it goes on at ``position``."""
        self.first_audible_at: float | None = None
        """When the first sample is audible; None before that was taken."""
        self.quiet = True
        """Whether the last block ended in silence."""
        self._account = _Account(0, 0, None)
        self._cuts_done = 0
        self._seeks_done = 0
        self._in_first_run = True
        """Whether no silence has followed the first sample yet."""
        self._dry_at = 0
        """The position at which the device last got silence because there was no more."""
        self._head: Samples = np.zeros(0, dtype=np.int16)
        self._replay: deque[Samples] = deque()
        self._history: deque[Samples] = deque()
        """What was taken, the newest last: ``_kept`` samples."""
        self._kept = 0
        self._level = 1.0
        """The gain of the last sample."""
        self._slope = (1.0, 0.0)
        """The gain that is being reached, and the change for each sample."""
        self._fading_in = 0
        """Samples that are still to be faded in, after sound was broken off."""

    # -- the loop's side

    @property
    def queued(self) -> int:
        """Samples that wait, those to be replayed among them."""
        return self.pushed - self.position + self.replaying + (self._account.taken - self._now_at().taken)

    @property
    def dry(self) -> bool:
        """Whether silence is playing until the next ``release``."""
        return self._dry_at == self._released

    @property
    def taken(self) -> int:
        """Samples given to the device, less those that were taken back."""
        return self._now_at().taken

    @property
    def audible_until(self) -> float | None:
        """When the last of them has been audible; None while there is none."""
        return self._now_at().audible_until

    def played(self, now: float) -> int:
        """Samples that have been audible at an instant: it is the last one there was, while silence is played."""
        account = self._now_at()
        ahead = max((account.audible_until or 0.0) - now, 0.0)
        return max(account.taken - round(ahead * self.sample_rate), min(account.run_from, account.taken))

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
        """Drop all that is queued; what plays fades out in 5 ms. Ends a ``hold``, and the past cannot be replayed."""
        self._dropped = _Drop(0, self.pushed, self._dropped.cuts + 1)
        self._released = self.pushed
        self.held = False  # last: between the two, silence is right

    def withdraw(self, mark: int) -> None:
        """Drop what was pushed since ``pushed`` was ``mark``, as far as it is not yet taken.

        Does nothing while an earlier withdrawal of other samples still waits for its turn.
        """
        start, end, cuts = self._dropped
        if self.position < end:
            if mark > end:
                return
            mark = min(start, mark)
        # Released with it, for what is dropped must not look like something that still waits to be played.
        self._dropped = _Drop(mark, self.pushed, cuts)
        self._released = self.pushed

    def hold(self) -> None:
        """Play silence from the next block on. What plays fades out in 5 ms, and is not taken: it will be heard again."""
        self.held = True

    def go_on(self) -> None:
        """End a ``hold``: what was broken off fades in over the same 5 ms."""
        self.held = False

    def seek(self, taken: int, silent_at: float | None = None) -> None:
        """Go on behind the first ``taken`` samples; the nearest that is kept, when that is too early or was never taken.

        ``silent_at``: when the device threw away what it had been given.
        """
        last = self._now_at()
        pending = self._seek.number != self._seeks_done
        target = max(min(taken, last.taken), self._account.taken - self._kept)
        self._seek = _Seek(target, self._seek.silent_at if pending and silent_at is None else silent_at, self._seek.number + 1)

    def _now_at(self) -> _Account:
        """The account as it will be when the callback has done what it was told."""
        account, seek = self._account, self._seek
        if seek.number == self._seeks_done or seek.taken > account.taken:
            return account
        return _sought(account, seek)

    # -- the callback's side

    def fill(self, out: npt.NDArray[np.int16], audible_at: float) -> None:
        """Fill a block of shape (frames, channels), whose first frame will be audible at ``audible_at``."""
        seek, drop = self._seek, self._dropped  # read once: the loop may replace them meanwhile
        if seek.number != self._seeks_done:
            self._go_to(seek)
        if drop.cuts != self._cuts_done:
            count = self._cut_off(out, drop)
        elif self.held:
            self._break_off(out, drop)
            return
        else:
            count = self._play(out, drop)
        out[count:] = 0
        if count:
            self._note_times(count, audible_at)
        self.quiet = count < len(out)
        if self.quiet:
            self._dry_at = self.position
            self._in_first_run = self.first_audible_at is None

    def _note_times(self, count: int, audible_at: float) -> None:
        taken, run_from, _ = self._account
        until = audible_at + count / self.sample_rate
        self._account = _Account(taken + count, taken if self.quiet else run_from, until)
        if self._in_first_run:
            # A device that has just started asks for several blocks at once and gives each the same long delay; the
            # later blocks of the same run show when the first one was really heard.
            first = until - (taken + count) / self.sample_rate
            self.first_audible_at = first if self.first_audible_at is None else min(first, self.first_audible_at)

    def _play(self, out: npt.NDArray[np.int16], drop: _Drop) -> int:
        dropped = not self.replaying and self._is_dropped(drop)  # while it plays; further on it needs no fade
        count = min(len(out), self._playable(drop))
        self._take(out[:count])
        if dropped and count < len(out):
            count += self._fade_out(out[count:], drop.end, silent=self.quiet and not count)
        return count

    def _playable(self, drop: _Drop) -> int:
        """Samples until it is dry, or comes to what is dropped."""
        if self._is_dropped(drop):
            return self.replaying
        stop = min(self._released, drop.start) if self.position < drop.start else self._released
        return self.replaying + stop - self.position

    def _is_dropped(self, drop: _Drop) -> bool:
        return drop.start <= self.position < drop.end

    def _cut_off(self, out: npt.NDArray[np.int16], drop: _Drop) -> int:
        """End what plays and forget it."""
        count = self._fade_out(out, drop.end, silent=self.quiet)
        self._replay.clear()
        self._history.clear()
        self.replaying = self._kept = self._fading_in = 0
        self._cuts_done = drop.cuts
        return count

    def _break_off(self, out: npt.NDArray[np.int16], drop: _Drop) -> None:
        """Silence, after 5 ms of what plays that are not taken."""
        count = 0 if self.quiet else min(len(self._fade), len(out), self._playable(drop))
        self._take(out[:count])
        out[:count] = out[:count] * self._fade[:count, None]
        out[count:] = 0
        self._rewind(count)
        if not self.replaying and self._is_dropped(drop):
            self._drop_until(drop.end)
        self.quiet = True
        self._in_first_run = self.first_audible_at is None

    def _fade_out(self, out: npt.NDArray[np.int16], end: int, *, silent: bool) -> int:
        """Play 5 ms of what is dropped, fading, and drop the rest; silence that was playing stays silence."""
        left = self.replaying + max(end - self.position, 0)
        count = 0 if silent else min(len(self._fade), len(out), left)
        self._take(out[:count])
        out[:count] = out[:count] * self._fade[:count, None]
        self._drop_until(end)
        return count

    def _drop_until(self, end: int) -> None:
        while self.position < end:
            self._next_queued(end - self.position)

    def _go_to(self, seek: _Seek) -> None:
        self._rewind(self._account.taken - seek.taken)
        self._account = _sought(self._account, seek)
        if not self._account.taken:  # nothing of it was ever audible
            self.first_audible_at, self._in_first_run = None, True
        self._seeks_done = seek.number

    def _rewind(self, count: int) -> None:
        """Put what was taken last in front of what is queued."""
        count = min(count, self._kept)
        if count <= 0:
            return
        self._kept -= count
        self.replaying += count
        self._dry_at = -1
        self._fading_in = len(self._fade)
        while count:
            piece = self._history.pop()
            if len(piece) > count:
                self._history.append(piece[:-count])
                piece = piece[-count:]
            self._replay.appendleft(piece)
            count -= len(piece)

    def _take(self, out: npt.NDArray[np.int16]) -> None:
        filled = 0
        while filled < len(out):
            most = len(out) - filled
            part = self._next_replayed(most) if self._replay else self._next_queued(most)
            out[filled : filled + len(part)] = part[:, None]
            filled += len(part)
            self._keep(part)
        if filled:
            self._shape(out)

    def _keep(self, part: Samples) -> None:
        self._history.append(part)
        self._kept += len(part)
        while self._kept - len(self._history[0]) >= KEPT_S * self.sample_rate:
            self._kept -= len(self._history.popleft())

    def _next_replayed(self, most: int) -> Samples:
        piece = self._replay.popleft()
        if len(piece) > most:
            self._replay.appendleft(piece[most:])
            piece = piece[:most]
        self.replaying -= len(piece)
        return piece

    def _next_queued(self, most: int) -> Samples:
        if not len(self._head):
            self._head = self._pieces.popleft()
        part, self._head = self._head[:most], self._head[most:]
        self.position += len(part)
        return part

    def _shape(self, out: npt.NDArray[np.int16]) -> None:
        """Bring it to its gain, which changes slowly while there is sound, and fade it in after a break."""
        gain = self.gain
        if self.quiet:
            self._level = gain
        if gain != self._slope[0]:
            self._slope = (gain, (gain - self._level) / len(self._ramp))
        if self._level != gain:
            self._change_gain(out, gain)
        elif gain != 1.0:
            out[:] = out * np.float32(gain)
        if self._fading_in:
            count = min(self._fading_in, len(out))
            first = len(self._fade) - self._fading_in
            out[:count] = out[:count] * (1.0 - self._fade[first : first + count, None])
            self._fading_in -= count

    def _change_gain(self, out: npt.NDArray[np.int16], gain: float) -> None:
        step = self._slope[1]
        count = min(len(out), len(self._ramp))
        gains = self._level + np.float32(step) * self._ramp[:count]
        gains = np.minimum(gains, gain) if step > 0 else np.maximum(gains, gain)
        out[:count] = out[:count] * gains[:, None]
        out[count:] = out[count:] * np.float32(gain)
        reached = float(gains[-1])
        self._level = gain if abs(reached - gain) < abs(step) / 2 else reached


def _sought(account: _Account, seek: _Seek) -> _Account:
    """The account after the device has gone to another place."""
    until = account.audible_until
    if until is not None and seek.silent_at is not None:
        until = min(until, seek.silent_at)
    return _Account(seek.taken, min(account.run_from, seek.taken), until if seek.taken else None)
