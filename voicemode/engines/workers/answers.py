"""The expected answers as a grammar: what people say around them, and which one was said. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, TypeAlias

__all__ = ["AROUND", "Answers", "Transition", "Words"]

Words: TypeAlias = tuple[str, ...]


class Transition(NamedTuple):
    """One edge of a finite-state grammar: between states, with a probability and a word, or without one."""

    source: int
    target: int
    probability: float
    word: str | None = None


def _phrases(lines: str) -> tuple[Words, ...]:
    return tuple(tuple(phrase.split()) for phrase in lines.split(","))


_HESITATIONS = _phrases("um, uh, hmm, well, oh, okay")
_OPENINGS = _phrases("i think, i'd say, i'd like, i would like, i want, i'll take, let's take, let's go with, maybe, it's")
_ARTICLES = _phrases("the, a, an")
_CLOSINGS = _phrases("please, thanks, thank you, i think")

_BEFORE = (_HESITATIONS, _OPENINGS, _ARTICLES)
AROUND = frozenset(word for group in (*_BEFORE, _CLOSINGS) for phrase in group for word in phrase)
"""Words that may stand beside an answer without changing it."""
_SKIP = 0.9
"""How likely each of these is left out; what remains is shared among its phrases."""


class Answers:
    """A set of expected answers, each in one or more spoken forms."""

    def __init__(self, forms: Sequence[Sequence[Words]]) -> None:
        """``forms[i]`` are the ways to say option ``i``; one without any cannot be recognised."""
        self.forms = tuple(tuple(dict.fromkeys(_bare(form) for form in option)) for option in forms)

    @property
    def words(self) -> frozenset[str]:
        """Every word that ``transitions`` may use."""
        return AROUND.union(word for option in self.forms for form in option for word in form)

    def transitions(self, pronounceable: AbstractSet[str]) -> tuple[list[Transition], int]:
        """The grammar, from state 0 to the returned final state, without what contains other words."""
        grammar = _Grammar()
        state = 0
        for group in _BEFORE:
            state = grammar.optional(state, [phrase for phrase in group if pronounceable >= set(phrase)])
        said = grammar.new_state()
        forms = [form for option in self.forms for form in option if pronounceable >= set(form)]
        for form in forms:
            grammar.phrase(state, said, form, 1 / len(forms))
        end = grammar.optional(said, [phrase for phrase in _CLOSINGS if pronounceable >= set(phrase)])
        return grammar.transitions, end

    def said(self, words: Sequence[str]) -> tuple[int, Words] | None:
        """Which option these words are, and in which form; None when they are not exactly one, as ``transitions`` allow."""
        spoken = tuple(words)
        starts = {0}
        for group in _BEFORE:
            starts |= {at + len(phrase) for at in starts for phrase in group if spoken[at : at + len(phrase)] == phrase}
        found = [
            (len(form), -index, index, form)
            for index, option in enumerate(self.forms)
            for form in option
            for start in starts
            if spoken[start : start + len(form)] == form and spoken[start + len(form) :] in ((), *_CLOSINGS)
        ]
        return max(found)[2:] if found else None


class _Grammar:
    def __init__(self) -> None:
        self.transitions: list[Transition] = []
        self._last = 0

    def new_state(self) -> int:
        self._last += 1
        return self._last

    def phrase(self, source: int, target: int, words: Words, probability: float) -> None:
        for word in words[:-1]:
            state = self.new_state()
            self.transitions.append(Transition(source, state, probability, word))
            source, probability = state, 1.0
        self.transitions.append(Transition(source, target, probability, words[-1]))

    def optional(self, source: int, phrases: Sequence[Words]) -> int:
        """Any one of the phrases, or none of them; the state behind it."""
        target = self.new_state()
        self.transitions.append(Transition(source, target, _SKIP if phrases else 1.0))
        for phrase in phrases:
            self.phrase(source, target, phrase, (1 - _SKIP) / len(phrases))
        return target


def _bare(form: Words) -> Words:
    """Without its article, which the grammar makes optional: people answer "second one" to "the second one"."""
    return form[1:] if len(form) > 1 and form[:1] in _ARTICLES else form
