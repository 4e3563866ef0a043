"""What of a transcription that is still growing can be shown for good: the words on which two readings in a row agree.

LocalAgreement-2 (Macháček et al. 2023, https://arxiv.org/abs/2307.14743): each new reading of the longer sound is compared with
the one before; their common beginning, beyond what is settled, is settled. What is settled never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Agreement", "Word"]

_LATE_S = 0.1
"""Two readings put the same word up to this far apart."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word as the engine wrote it, white space and marks included."""

    text: str
    start: float
    """Seconds since the stream began."""
    end: float


class Agreement:
    """The words of one stream."""

    def __init__(self) -> None:
        self._settled: list[Word] = []
        self._last: list[Word] = []

    @property
    def settled(self) -> tuple[Word, ...]:
        """In order; only ever grows."""
        return tuple(self._settled)

    @property
    def settled_until(self) -> float:
        """Seconds of the stream whose words are settled."""
        return self._settled[-1].end if self._settled else 0.0

    @property
    def text(self) -> str:
        """The settled words."""
        return "".join(word.text for word in self._settled).strip()

    @property
    def unsettled(self) -> str:
        """How the last reading goes on; may change."""
        return "".join(word.text for word in self._last).strip()

    def read(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """A new reading, from wherever it begins; the words that are settled by it."""
        fresh = [
            word for word in words if word.end > self.settled_until + _LATE_S / 2 or word.start >= self.settled_until - _LATE_S
        ]
        fresh = self._without_repetition(fresh)
        agreed = []
        for before, now in zip(self._last, fresh, strict=False):
            if _folded(before) != _folded(now):
                break
            agreed.append(now)
        self._settled += agreed
        self._last = fresh[len(agreed) :]
        return tuple(agreed)

    def finish(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """The last reading: nothing will come after it, so all of it is settled."""
        settled = self.read(words)
        rest, self._last = self._last, []
        self._settled += rest
        return (*settled, *rest)

    def _without_repetition(self, fresh: list[Word]) -> list[Word]:
        """A reading that begins a little early begins with words that are settled already."""
        for length in range(min(len(self._settled), len(fresh), 5), 0, -1):
            if [_folded(w) for w in self._settled[-length:]] == [_folded(w) for w in fresh[:length]]:
                close = abs(fresh[length - 1].end - self._settled[-1].end) < 1.0
                if close:
                    return fresh[length:]
        return fresh


def _folded(word: Word) -> str:
    return "".join(c for c in word.text.casefold() if c.isalnum())
