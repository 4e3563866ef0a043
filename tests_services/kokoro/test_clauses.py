"""Texts are cut where people would breathe, and nothing of them is lost."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from voicemode_kokoro.clauses import FIRST_MAX, LATER_MAX, clauses, cut, pause_after

_PARTS = [
    "word ",
    "Dr. ",
    "3.5 ",
    "so, ",
    "end. ",
    "“quoted.” ",
    "e.g. ",
    "a" * 70,
    "文。",
    "、",
    "\n",
    "\x00",
    "—",
    "... ",
    "?!",
]
_TEXTS = st.text() | st.lists(st.sampled_from(_PARTS), min_size=15, max_size=120).map("".join)


def _heard(text: str) -> str:
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", "", text)


@given(_TEXTS)
def test_the_clauses_together_are_the_text(text: str) -> None:
    """Nothing is lost, nothing is said twice, and the order is kept."""
    assert "".join(_heard(clause) for clause in clauses(text)) == _heard(text)


@given(_TEXTS)
def test_a_clause_is_never_empty_nor_longer_than_the_bound(text: str) -> None:
    """The first is short, the others are bounded."""
    made = list(clauses(text))
    assert all(made)
    assert all(len(clause) <= FIRST_MAX for clause in made[:1])
    assert all(len(clause) <= LATER_MAX for clause in made)


@given(st.text("abc ", max_size=300), st.integers(1, 40))
def test_pieces_of_phonemes_together_are_all_of_them(text: str, most: int) -> None:
    """Cutting at spaces loses none but the spaces."""
    pieces = list(cut(text, most))
    assert "".join(pieces).replace(" ", "") == text.replace(" ", "")
    assert all(0 < len(piece) <= most for piece in pieces)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("Certainly, I can do that for you right away.", "Certainly,"),
        ("Good morning. What shall we do about the report?", "Good morning."),
        ("No. Well, that depends on what you would like.", "No. Well, that depends on what you would"),
        ("The value is 3.5 and so on, which is rather a lot.", "The value is 3.5 and so on,"),
        ("Some of them, e.g. this one, are really very good.", "Some of them,"),
        ("I met Dr. Smith and J. Doe in the U.S. yesterday. He waved.", "I met Dr. Smith and J. Doe in the U.S."),
        ("At 10:30 see example.com or version 1.2.3: it says so there.", "At 10:30 see example.com or version 1.2.3:"),
        ("“Is it so?” she asked, and nobody said anything at all.", "“Is it so?”"),
        ("これは最初の文です。そしてこれは二番目の文で、とても長いので切られます。", "これは最初の文です。"),
    ],
)
def test_the_first_clause_ends_at_the_earliest_mark_worth_it(text: str, first: str) -> None:
    """Sound comes soon; abbreviations, numbers and addresses end nothing."""
    assert next(clauses(text)) == first


def test_a_short_text_is_one_clause() -> None:
    """Cutting it would cost more in melody than it saves in time."""
    assert list(clauses("Hello there, my friend.")) == ["Hello there, my friend."]


def test_clauses_grow_so_that_each_is_made_while_the_one_before_is_heard() -> None:
    """None is much longer than the one before it."""
    made = list(clauses("one two three four five six seven eight nine ten " * 40))
    assert all(len(later) <= max(40, 1.5 * len(before)) for before, later in itertools.pairwise(made))
    assert max(map(len, made)) > 100


@pytest.mark.parametrize(("clause", "seconds"), [("So it is.", 0.25), ("“Is it?”", 0.25), ("so,", 0.1), ("cut here", 0.0)])
def test_the_pause_is_what_the_mark_asks_for(clause: str, seconds: float) -> None:
    """A sentence rests longer than a clause, and a cut between words not at all."""
    assert pause_after(clause) == seconds
