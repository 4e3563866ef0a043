"""The sound of one stream, and what was heard of it: which part to read next, and what to tell.

No sound is read for ever: once its words are settled it is cut off, so that every reading costs the same however long the
stream has been. Time is the stream's own; nothing here waits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from voicemode_service.decode import RATE

from voicemode_whisper.agreement import Agreement, Word

__all__ = ["LONGEST_S", "TRIM_S", "Hearing", "Update"]

LONGEST_S = 25.0
"""Seconds of sound in one reading; Whisper hears 30 at once."""
TRIM_S = 10.0
"""Seconds beyond which settled sound is cut off."""
_CONTEXT = 3
"""Settled words that stay to be heard again: a window that begins in mid-word would hear a word that nobody said."""
_OPEN_S = 2.0
"""Seconds at the end of a full window that are read once more: its last word may be cut."""


@dataclass(frozen=True, slots=True)
class Update:
    """What changed by a reading."""

    settled: str
    """To be appended to what was settled before; never taken back."""
    tail: str
    """How it goes on, so far; replaces the tail before. Behind all that is settled, it makes the text so far."""
    until: float
    """Seconds of the stream that were heard."""


class Hearing:
    """Of one stream: 16 kHz 16-bit little-endian mono."""

    def __init__(self) -> None:
        self._pending = bytearray()
        self._window: NDArray[np.int16] = np.empty(0, np.int16)
        self._begun = 0
        """Samples before the window."""
        self._agreement = Agreement()
        self.text = ""
        """All that is settled."""

    @property
    def pending(self) -> float:
        """Seconds that came and were not read."""
        return len(self._pending) / 2 / RATE

    @property
    def until(self) -> float:
        """Seconds of the stream up to the end of the window."""
        return (self._begun + self._window.size) / RATE

    @property
    def whole(self) -> bool:
        """Whether the window holds the stream from its beginning."""
        return self._begun == 0

    def feed(self, sound: bytes) -> None:
        """More sound: whole samples."""
        self._pending += sound

    def window(self) -> NDArray[np.float32]:
        """What to read now, -1 to 1: what is kept, and as much of what came as goes in."""
        room = 2 * (round(LONGEST_S * RATE) - self._window.size)
        new = np.frombuffer(bytes(self._pending[:room]), "<i2").astype(np.int16)
        del self._pending[:room]
        self._window = np.concatenate([self._window, new])
        return self._window.astype(np.float32) / 32768.0

    def read(self, words: Sequence[Word]) -> Update:
        """What was heard in that window, with times since it began."""
        settled = list(self._agreement.read(self._placed(words)))
        if self._window.size >= LONGEST_S * RATE:
            settled += self._agreement.settle(self.until - _OPEN_S)
        update = self._told(settled)
        self._trim(heard=bool(words))
        return update

    def finish(self, words: Sequence[Word]) -> Update:
        """The same of the last window: all of it is settled."""
        return self._told(self._agreement.finish(self._placed(words)))

    def _placed(self, words: Sequence[Word]) -> list[Word]:
        begun = self._begun / RATE
        return [Word(word.text, word.start + begun, word.end + begun) for word in words]

    def _told(self, words: Sequence[Word]) -> Update:
        added = "".join(word.text for word in words)
        added = added if self.text else added.lstrip()
        self.text += added
        tail = self._agreement.unsettled.rstrip()
        return Update(added, tail if self.text else tail.lstrip(), self.until)

    def _trim(self, *, heard: bool) -> None:
        if self._window.size <= TRIM_S * RATE:
            return
        context = self._agreement.latest(_CONTEXT)
        keep_from = context[0].start if context else 0.0
        if not heard:
            keep_from = max(keep_from, self.until - _OPEN_S)
        elif self._window.size >= LONGEST_S * RATE:
            keep_from = max(keep_from, self.until - LONGEST_S + _OPEN_S)  # else nothing new would go in
        cut = min(max(round(keep_from * RATE) - self._begun, 0), self._window.size)
        self._window, self._begun = self._window[cut:], self._begun + cut
