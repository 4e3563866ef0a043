"""The grammar allows what people say around an answer, and ``said`` reads exactly what the grammar allows."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from voicemode.engines.workers.answers import Answers, Transition

WINE = Answers([[("red", "wine")], [("white", "wine")], [("the", "second", "one"), ("beer",)]])


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("red wine", 0),
        ("white wine please", 1),
        ("um i'd like the red wine thank you", 0),
        ("second one", 2),
        ("the second one", 2),
        ("okay beer", 2),
    ],
)
def test_an_answer_is_found_among_what_people_say_around_it(words: str, option: int) -> None:
    """Hesitation, opening, article and thanks change nothing."""
    said = WINE.said(words.split())
    assert said is not None
    assert said[0] == option


@pytest.mark.parametrize("words", ["", "wine", "not red wine", "red wine or white wine", "red", "red wine is bad"])
def test_anything_more_or_less_is_no_answer(words: str) -> None:
    """ "Not red wine" must never become "red wine"."""
    assert WINE.said(words.split()) is None


def test_an_option_that_looks_like_a_frame_is_still_an_option() -> None:
    """Someone may ask "please or thanks?"."""
    answers = Answers([[("please",)], [("thanks",)], [("okay",)]])
    assert [answers.said([word]) for word in ("please", "thanks", "okay")] == [
        (0, ("please",)),
        (1, ("thanks",)),
        (2, ("okay",)),
    ]


def _walk(transitions: list[Transition], end: int, seed: int) -> Iterator[str]:
    chance, state = random.Random(seed), 0
    while state != end:
        edge = chance.choice([each for each in transitions if each.source == state])
        if edge.word is not None:
            yield edge.word
        state = edge.target


def test_every_walk_through_the_grammar_is_an_answer() -> None:
    """What the recogniser can return, ``said`` can read; probabilities of each choice add up to one."""
    transitions, end = WINE.transitions(WINE.words)
    for seed in range(300):
        assert WINE.said(list(_walk(transitions, end, seed))) is not None
    for state in {edge.source for edge in transitions}:
        assert sum(edge.probability for edge in transitions if edge.source == state) == pytest.approx(1)


def test_a_word_nobody_can_pronounce_leaves_the_grammar_with_its_option_only() -> None:
    """One missing word would make the whole grammar fail."""
    transitions, _ = WINE.transitions(WINE.words - {"white", "um"})
    words = {edge.word for edge in transitions}
    assert "red" in words
    assert not {"white", "um"} & words
