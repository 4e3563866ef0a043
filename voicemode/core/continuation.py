"""What is new in the answer of an endpoint that was asked to go on where another one broke off.

Some go on at the very letter. Others say the whole answer again, or its last sentence, or the last words, and go on from
there. So what comes is held back as long as it may be a repetition, and what turns out to be one is dropped. White space,
capitals, quotes and Markdown's marks do not count.

An answer that begins alike and then differs is another version: its sentences that were given out already are dropped, and
the one in which it differs is said from its beginning.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field
from itertools import accumulate

__all__ = ["Continuation"]

SURE_CHARS = 12
"""A repetition of so many letters is none by chance, wherever it begins."""

NEAR_CHARS = 400
"""Who does not begin at the beginning begins at most so many letters before the end. It bounds the work."""

LEAST_CHARS = 3
"""Fewer are none in any case: "go go" and "1 1" are sayable."""

_SENTENCE = re.compile(r"(?<=[.!?\u2026:])[\"'\u201d\u2019\xbb)\]*_]*\s+|(?<=[\u3002\uff01\uff1f])|\n+")
"""Ends of sentences, as far as they matter here: one too many does no harm."""
_AFTER = '.!?\u2026"\u201d\u2019)'
"""A new sentence may follow."""
_WORD = re.compile(r"(?<=\s)(?=\S)")
_PLAIN = str.maketrans("\u2013\u2014", "--", "*_`#~\"'\u2018\u2019\u201a\u201c\u201d\u201e\xab\xbb\u200b")


def _plain(text: str) -> str:
    """What counts of a text."""
    return "".join(text.translate(_PLAIN).casefold().split())


@dataclass(slots=True)
class Continuation:
    """One answer that goes on after ``given``. Feed it piece by piece, then ``finish``."""

    given: str
    _target: str = ""
    """What counts of ``given``."""
    _sentences: list[int] = field(default_factory=list)
    """Where a sentence of it begins in ``_target``, in order."""
    _held: str = ""
    """What came and may still be a repetition."""
    _heard: list[int] = field(default_factory=list)
    """For each letter that counts of ``_held``: where it ends in it."""
    _starts: list[int] = field(default_factory=list)
    """Places in ``_target`` from which ``_held`` repeats it word by word, so far."""
    _repeated: int | None = None
    """Where in ``_held`` a repetition reached the end of what was given; None as long as none did."""
    _settled: bool = False
    """What is new is known; the rest is."""

    def __post_init__(self) -> None:
        self._target = _plain(self.given)
        self._settled = not self._target
        counted = [0, *accumulate(len(_plain(character)) for character in self.given)]
        sentences = {0} | {counted[end.end()] for end in _SENTENCE.finditer(self.given)}
        words = {counted[start.end()] for start in _WORD.finditer(self.given)}
        near = range(max(len(self._target) - NEAR_CHARS, 0), len(self._target))
        self._sentences = sorted(sentences)
        self._starts = sorted({0} | (sentences | words).intersection(near))

    def feed(self, text: str) -> str:
        """What is certainly new; empty as long as that is open."""
        if self._settled:
            return text
        for position, character in enumerate(text, len(self._held) + 1):
            for letter in _plain(character):
                if not self._hear(letter, position):
                    self._held += text
                    return self._settle()
        self._held += text
        return ""

    def finish(self) -> str:
        """What is new of what was held back, now that nothing more comes."""
        if self._settled:
            return ""
        if self._repeated is None and self._begun():
            self._settled = True
            return ""  # it said less of the same, and holds that for all
        return self._settle()

    def _hear(self, letter: str, position: int) -> bool:
        """Whether it may still be a repetition with this letter, which ends at ``position`` of all that came."""
        at = len(self._heard)
        going_on = [start for start in self._starts if self._target[start + at : start + at + 1] == letter]
        if not going_on:
            return False
        self._heard.append(position)
        if len(self._target) - at - 1 in going_on:
            self._repeated = position
        self._starts = going_on
        return True

    def _settle(self) -> str:
        self._settled = True
        said = self._said_before()
        if self._repeated is not None and self._repeated >= said and self._counts(self._held[: self._repeated]):
            new = self._held[self._repeated :]
            return new.lstrip() if self.given[-1:].isspace() else new
        return _joined(self.given, self._held[said:])

    def _counts(self, repeated: str) -> bool:
        """Whether it repeats words, and does not just happen to go on with the same letters."""
        letters = _plain(repeated)
        if len(letters) >= SURE_CHARS:
            return True
        # Who goes on begins a new word with a space; who begins again does not.
        return len(letters) >= LEAST_CHARS and not letters.isdigit() and not repeated[:1].isspace()

    def _begun(self) -> set[int]:
        """Sentences that ``_held`` repeats from their beginning, so far."""
        return set(self._sentences).intersection(self._starts)

    def _said_before(self) -> int:
        """Where in ``_held`` the sentence begins that is not one of those given out."""
        heard = len(self._heard)
        ends = [self._sentences[bisect_right(self._sentences, start + heard) - 1] - start for start in self._begun()]
        dropped = max(ends, default=0)
        at = self._heard[dropped - 1] if dropped > 0 else 0
        return at if self._counts(self._held[:at]) else 0


def _joined(before: str, after: str) -> str:
    """``after`` with a space in front where it begins a word and the endpoint left the space out."""
    last, first = before[-1:], after[:1]
    if last.isspace():
        return after.lstrip()
    begins_sentence = first.isupper() and (last in _AFTER or last.islower())
    return f" {after}" if begins_sentence or (last in ",;:!?" and first.isalpha()) else after
