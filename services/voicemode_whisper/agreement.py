"""What of a transcription that is still growing can be shown for good: the words on which two readings in a row agree.

LocalAgreement-2 (Macháček et al. 2023, https://arxiv.org/abs/2307.14743): each new reading of the longer sound is compared with
the one before; their common beginning, beyond what is settled, is settled. What is settled never changes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from unicodedata import category

__all__ = ["Agreement", "Word"]

_SEEN_AGAIN = 5
"""Words at most that a late reading repeats."""


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

    def latest(self, count: int) -> tuple[Word, ...]:
        """Of the settled words."""
        return tuple(self._settled[-count:])

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
        """How the last reading goes on, white space at both ends included; may change."""
        return "".join(word.text for word in self._last)

    def read(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """A new reading, from wherever it begins; the words that are settled by it."""
        fresh = self._fresh(words)
        agreed = []
        for before, now in zip(self._last, fresh, strict=False):
            if _folded(before) != _folded(now):
                break
            agreed.append(now)
        self._settled += agreed
        self._last = fresh[len(agreed) :]
        return tuple(agreed)

    def settle(self, until: float) -> tuple[Word, ...]:
        """Take what the last reading heard before ``until`` (seconds) for settled: nobody will hear it again."""
        count = 0
        while count < len(self._last) and self._last[count].end <= until:
            count += 1
        taken, self._last = self._last[:count], self._last[count:]
        self._settled += taken
        return tuple(taken)

    def finish(self, words: Sequence[Word]) -> tuple[Word, ...]:
        """The last reading: nothing will come after it, so all of it is settled."""
        rest = self._fresh(words)
        self._last = []
        self._settled += rest
        return tuple(rest)

    def _fresh(self, words: Sequence[Word]) -> list[Word]:
        """Without what is settled: a reading begins where the sound that is kept does, which is earlier.

        The same word is put a little earlier or later by every reading, so its middle tells on which side it is. What is left
        of a late one is known by its text, and by lying nearer to the start of the settled word than to its end: one said
        twice ("no, no") begins where the first ended.
        """
        until = self.settled_until
        fresh = [word for word in words if (word.start + word.end) / 2 >= until]
        for length in range(min(len(self._settled), len(fresh), _SEEN_AGAIN), 0, -1):
            if all(_same(old, new) for old, new in zip(self._settled[-length:], fresh, strict=False)):
                return fresh[length:]
        return fresh


def _same(old: Word, new: Word) -> bool:
    return _folded(old) == _folded(new) and abs(new.start - old.start) <= abs(new.start - old.end)


def _folded(word: Word) -> str:
    """Letters, digits and the vowel signs of scripts that have them; readings differ in marks and case."""
    return "".join(c for c in word.text.casefold() if c.isalnum() or category(c).startswith("M"))
