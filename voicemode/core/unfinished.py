"""Do the words so far want more words?

Words only: most transcribers end whatever they hear with a full stop, half a sentence too, so a full stop says nothing here.
A comma, a dash or an ellipsis does, since nobody writes one at the end without a reason.
"""

from __future__ import annotations

from enum import Enum, auto, unique

from voicemode.core.questions import Asked, Question, words_of
from voicemode.core.turn_words import TURN_WORDS, TurnWords, likely_languages

__all__ = ["TextCue", "text_cue"]

_SHORT_ANSWER = 4
"""Words up to which something is an answer to a question and not a story."""
_WHOLE_NUMBER = 7
"""Digits from which a number may be whole: local telephone numbers have seven or eight."""
_GOING_ON = (",", "-", "\u2013", "\u2014", ":", ";", "\u2026", "...", "(")


@unique
class TextCue(Enum):
    """What the words say about the end of the turn."""

    OPEN = auto()
    """They cannot end here, or hardly."""
    UNKNOWN = auto()
    CLOSED = auto()
    """They are a whole answer to what was asked, or a formula of ending."""


def text_cue(text: str, question: Question) -> TextCue:
    """What ``text``, all that was said in the turn so far, says about its end. Without words it says nothing."""
    words = words_of(text)
    if not words:
        return TextCue.UNKNOWN
    spoken = " ".join(words)
    if question.asked is Asked.CHOICE and spoken in question.options:
        return TextCue.CLOSED
    if text.rstrip().endswith(_GOING_ON) or (question.asked is Asked.SPELLING and _in_capitals(text)):
        return TextCue.OPEN
    languages = likely_languages(words, question.language)
    if len(languages) > 1 and len(words) == 1:
        return TextCue.UNKNOWN  # one word may be a whole answer in yet another one
    # "Ten of" may be English or Dutch: in both more has to come.
    cues = {_cue_in(TURN_WORDS.get(code), words, spoken, question) for code in languages}
    return cues.pop() if len(cues) == 1 else TextCue.UNKNOWN


def _cue_in(table: TurnWords | None, words: tuple[str, ...], spoken: str, question: Question) -> TextCue:
    if table is None:
        return TextCue.UNKNOWN
    if _ends(spoken, table.closed_endings):
        return TextCue.CLOSED
    if _spells(words, question, table) or _counts_on(words, question, table) or _breaks_off(words, spoken, table):
        return TextCue.OPEN
    return _answer(words, question, table)


def _ends(spoken: str, endings: tuple[str, ...]) -> bool:
    return f" {spoken}".endswith(tuple(f" {ending}" for ending in endings))


def _breaks_off(words: tuple[str, ...], spoken: str, table: TurnWords) -> bool:
    last = words[-1]
    asks = bool(table.question_words.intersection(words[:-1]))
    if _ends(spoken, table.open_endings) and not asks:
        return True
    if _ends(spoken, table.complete):
        return False
    if last in table.to_be and not asks:
        return len(words) > 2 and words[-2] not in table.pronouns
    return last in table.open_words or (last in table.stranded and not asks)


def _spells(words: tuple[str, ...], question: Question, table: TurnWords) -> bool:
    """Two letters one after the other: a third may follow. "S-M-I" is three. Who was asked to spell begins with one."""
    parts = [part for word in words for part in word.split("-")]
    least = 1 if question.asked is Asked.SPELLING else 2
    letters = all(len(part) == 1 and part.isalpha() and part not in table.digits for part in parts[-least:])
    return len(parts) >= least and letters


def _in_capitals(text: str) -> bool:
    """How some transcribers write letters that are said one after the other."""
    last = text.split()[-1].strip(".,!?")
    return len(last) > 1 and last.isalpha() and last.isupper()


def _counts_on(words: tuple[str, ...], question: Question, table: TurnWords) -> bool:
    run = _digits_at_end(words, table)
    digits = sum(len(word) if word.isdecimal() else 1 for word in run)
    if not 0 < digits < _WHOLE_NUMBER or question.asked is Asked.COUNT:
        return False
    by_digit = len(run) > 1 and all(len(word) == 1 or not word.isdecimal() for word in run)
    is_code = question.asked is Asked.DIGITS or bool(table.code_nouns.intersection(words))
    return by_digit or is_code


def _digits_at_end(words: tuple[str, ...], table: TurnWords) -> list[str]:
    parts = [part for word in words for part in word.split("-")]
    run: list[str] = []
    while parts and (parts[-1].isdecimal() or parts[-1] in table.digits):
        run.append(parts.pop())
    return run


def _answer(words: tuple[str, ...], question: Question, table: TurnWords) -> TextCue:
    if question.asked is Asked.LIST:
        return TextCue.OPEN if len(words) <= _SHORT_ANSWER else TextCue.UNKNOWN
    if len(words) > _SHORT_ANSWER:
        return TextCue.UNKNOWN
    match question.asked:
        case Asked.YES_NO:
            closed = words[0] in table.yes_no
        case Asked.CHOICE:
            closed = words[-1] in question.options
        case Asked.COUNT:
            closed = words[-1].isdecimal() or words[-1] in table.digits
        case _:
            closed = False
    return TextCue.CLOSED if closed else TextCue.UNKNOWN
