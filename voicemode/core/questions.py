"""What was the person asked? It tells what a whole answer looks like.

Read from the agent's last sentence; a guess, so it may only shorten or lengthen a wait, within the policy's limits.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto, unique

from voicemode.core.assent import read_assent
from voicemode.core.turn_words import TURN_WORDS, TurnWords, guess_language

__all__ = ["NO_QUESTION", "Asked", "Question", "answers_early", "offered_in", "question_in", "words_of"]

_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")
_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*['\u2019]?")


@unique
class Asked(Enum):
    """The kinds of answer a question wants."""

    ANYTHING = auto()
    YES_NO = auto()
    CHOICE = auto()
    """One of several that were named."""
    COUNT = auto()
    """One number."""
    DIGITS = auto()
    """A number that is said digit by digit: a telephone's, a card's."""
    SPELLING = auto()
    LIST = auto()


@dataclass(frozen=True, slots=True)
class Question:
    """What the person is expected to answer."""

    asked: Asked = Asked.ANYTHING
    language: str = ""
    """ISO 639-1, for example "en"; empty when it is not known: then the words themselves tell it."""
    options: frozenset[str] = frozenset()
    """Whole answers that were offered, in lower case, without punctuation."""


NO_QUESTION = Question()


def words_of(text: str) -> tuple[str, ...]:
    """Lower case, without punctuation; apostrophes and hyphens inside words stay."""
    return tuple(match.group().replace("\u2019", "'").rstrip("'") for match in _WORD.finditer(text.lower()))


def question_in(message: str, *, options: Sequence[str] = (), language: str | None = None) -> Question:
    """What the agent's ``message`` asks. ``language`` is BCP 47; None guesses it from the message."""
    words = words_of(message)
    code = guess_language(words) if language is None else language.lower().replace("_", "-").split("-")[0]
    offered = frozenset(" ".join(words_of(option)) for option in options) - {""}
    table = TURN_WORDS.get(code)
    sentences = [found.group() for found in _SENTENCE.finditer(message)]
    if table is None or not sentences:
        return Question(Asked.CHOICE if offered else Asked.ANYTHING, code, offered)
    asked = _asked(words_of(sentences[-1]), table, is_question=sentences[-1].rstrip().endswith("?"))
    if offered:
        asked = Asked.CHOICE
    elif asked is Asked.CHOICE:
        offered = _named(words_of(sentences[-1]), table)
    return Question(asked, code, offered)


def offered_in(message: str, *, options: Sequence[str] = (), language: str | None = None) -> tuple[str, ...]:
    """What the person may choose from: the options, and a question of the agent's that names some ("stop or go on?")."""
    if question_in(message, language=language).asked is not Asked.CHOICE:
        return tuple(options)
    return (*options, _SENTENCE.findall(message)[-1])


def answers_early(text: str, message: str, unheard: str, *, language: str | None = None) -> bool:
    """Is ``text`` a whole yes or no to what the agent asks at the end of its message, of which ``unheard`` is still to come?"""
    if question_in(message, language=language).asked is not Asked.YES_NO or read_assent(text) is None:
        return False
    return len(words_of(unheard)) < len(words_of(_SENTENCE.findall(message)[-1]))


def _asked(words: tuple[str, ...], table: TurnWords, *, is_question: bool) -> Asked:
    text = f" {' '.join(words)} "
    known = frozenset(words)
    if known & table.spelled:
        return Asked.SPELLING
    if any(f" {phrase} " in text for phrase in table.counted):
        return Asked.COUNT
    if known & table.code_nouns and (is_question is False or known & table.question_words):
        return Asked.DIGITS
    if any(f" {phrase} " in text for phrase in table.listed):
        return Asked.LIST
    if not is_question:
        return Asked.ANYTHING
    if known & table.alternatives:
        return Asked.CHOICE
    return Asked.ANYTHING if known & table.question_words else Asked.YES_NO


def _named(words: tuple[str, ...], table: TurnWords) -> frozenset[str]:
    """The words that a question with "or" offers; little words are none."""
    little = table.common | table.open_words | table.question_words | table.alternatives | table.stranded
    return frozenset(word for word in words if word not in little)
