"""An answer is believed when grammar, dictation and phones agree, and not when the grammar squeezed something in."""

from __future__ import annotations

import pytest

from voicemode.engines.workers.judge import Hypothesis, Segment, believable

PHONES = {
    "red": ["R", "EH", "D"],
    "wine": ["W", "AY", "N"],
    "line": ["L", "AY", "N"],
    "please": ["P", "L", "IY", "Z"],
    "well": ["W", "EH", "L"],
    "not": ["N", "AA", "T"],
    "tomorrow": ["T", "AH", "M", "AA", "R", "OW"],
    "morning": ["M", "AO", "R", "N", "IH", "NG"],
}
FORM = ("red", "wine")


def _spoken(words: str, score: float, *, spread: int = 10) -> Hypothesis:
    """Words one after the other, ``spread`` frames for each of their phones."""
    segments, at = [], 0
    for word in words.split():
        end = at + spread * len(PHONES[word])
        segments.append(Segment(word, at, end - 1))
        at = end
    return Hypothesis(score, segments)


def _heard(words: str, *, spread: int = 10) -> Hypothesis:
    phones = [phone for word in words.split() for phone in PHONES[word]]
    return Hypothesis(-0.1, [Segment(phone, at * spread, (at + 1) * spread - 1) for at, phone in enumerate(phones)])


def _believed(fitted: str, dictated: str, heard: str, *, better: float) -> bool:
    return believable(
        FORM,
        fitted=_spoken(fitted, -0.2 + better),
        dictated=_spoken(dictated, -0.2),
        heard=_heard(heard),
        phones=lambda word: PHONES[word],
    )


@pytest.mark.parametrize("dictated", ["red wine", "red line"])
def test_an_answer_is_believed_although_dictation_is_a_little_wrong(dictated: str) -> None:
    """That is what the grammar is for."""
    assert _believed("red wine", dictated, "red wine", better=0.06)


def test_thanks_that_dictation_confirms_do_not_count_against_an_answer() -> None:
    """ "Red wine please" is an answer."""
    assert _believed("red wine please", "red line please", "red wine please", better=0.1)


def test_something_else_is_not_believed_however_well_the_grammar_scores() -> None:
    """ "Tomorrow morning" fits into the grammar too; phones and words say otherwise."""
    assert not _believed("red wine", "tomorrow morning", "tomorrow morning", better=0.5)


def test_an_answer_with_other_words_beside_it_is_not_believed() -> None:
    """It would drop half of what the person said."""
    assert not _believed("red wine please", "red wine tomorrow morning", "red wine tomorrow morning", better=0.2)


def test_a_negation_forbids_the_answer() -> None:
    """ "Not red wine" is the opposite; the grammar hears "well red wine"."""
    assert not _believed("well red wine", "not red wine", "not red wine", better=0.2)


def test_nothing_dictated_and_nothing_heard_is_no_answer() -> None:
    """Empty hypotheses do not divide by zero."""
    assert not _believed("red wine", "", "", better=0.01)
