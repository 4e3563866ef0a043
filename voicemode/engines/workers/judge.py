"""Whether the answer that a grammar found was really said. A grammar fits anything: "the spring of hope" into a deck of cards.

So the same sound is also dictated and written down in phones, and the three must agree. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from voicemode.engines.workers.answers import AROUND, Words
from voicemode.engines.workers.phones import distance

__all__ = ["Hypothesis", "Segment", "believable"]

# Fitted by logistic regression, and rounded, on fluent phrases cut from human recordings, with several sorts of options
# each. On others than it was fitted to: of 284 that were not among the options 2 are believed; of 58 that were, 51 are
# recognised, 7 dictated, and none taken for another.
_THRESHOLD = 4.4
_SCORE, _BEST_SCORE = 5_000.0, 1e-3
_HEARD, _DICTATED, _COVERED, _BESIDE = 3.0, 4.0, 4.5, 6.0

_NEGATIONS = frozenset(("don't", "isn't", "neither", "never", "no", "none", "nope", "nor", "not", "without"))


class Segment(NamedTuple):
    """A word or a phone, in frames of 10 ms."""

    word: str
    start: int
    end: int

    @property
    def frames(self) -> int:
        return self.end - self.start + 1

    def shared(self, other: Segment) -> int:
        """Frames in both."""
        return max(min(self.end, other.end) - max(self.start, other.start) + 1, 0)


class Hypothesis(NamedTuple):
    """What one search found, without silences."""

    score: float
    """Natural logarithm, of sound and language together."""
    segments: Sequence[Segment]

    @property
    def words(self) -> Words:
        return tuple(segment.word for segment in self.segments)


def believable(
    form: Words, *, fitted: Hypothesis, dictated: Hypothesis, heard: Hypothesis, phones: Callable[[str], Sequence[str]]
) -> bool:
    """Whether ``form``, which is in ``fitted``, was said, judging by the dictation and the phones of the same sound.

    ``phones`` is the dictionary. What counts: how well grammar and dictation fit; how alike the answer is to the phones
    and the words at its place; how much of the speech it explains; how much else was dictated. A "not" beside it forbids.
    """
    core = _place(form, fitted)
    spoken = max(sum(phone.frames for phone in heard.segments), 1)
    beside = [word for word in dictated.segments if core.shared(word) * 2 < word.frames and word.word not in AROUND]
    if not _NEGATIONS.isdisjoint(dictated.words) and _NEGATIONS.isdisjoint(form):
        return False
    confirmed = [
        word
        for word in fitted.segments
        if not core.shared(word) and any(word.word == other.word and word.shared(other) for other in dictated.segments)
    ]
    answer = [phone for word in form for phone in phones(word)]
    at_its_place = [phone.word for phone in heard.segments if core.shared(phone) * 2 >= phone.frames]
    dictated_there = (word.word for word in dictated.segments if core.shared(word) * 2 >= word.frames)
    evidence = (
        _SCORE * min((fitted.score - dictated.score) / spoken, _BEST_SCORE)
        - _HEARD * distance(answer, at_its_place)
        - _DICTATED * distance(answer, [phone for word in dictated_there for phone in phones(word)])
        + _COVERED * min((core.frames + _frames(confirmed)) / spoken, 1)
        - _BESIDE * _frames(beside) / spoken
    )
    return evidence >= _THRESHOLD


def _place(form: Words, fitted: Hypothesis) -> Segment:
    """When the answer was said, as one segment."""
    size = len(form)
    at = next(at for at in range(len(fitted.words) - size + 1) if fitted.words[at : at + size] == form)
    return Segment(" ".join(form), fitted.segments[at].start, fitted.segments[at + size - 1].end)


def _frames(segments: Iterable[Segment]) -> int:
    return sum(segment.frames for segment in segments)
