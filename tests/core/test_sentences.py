"""What is cut, and above all what is not."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from voicemode.core.sentences import SentenceSplitter, split

ONE_PIECE = [
    "Hello there, how can I help?",
    "The build is green and all 214 tests pass. Shall I open the pull request?",
    "Yes. No. Maybe.",
    "ok",
]

INSIDE = [
    "Ask Dr. Brown about it",
    "Use a queue, e.g. Redis, i.e. small",
    "It happened in the U.S. Army",
    "See No. 5 on the list",
    "Written by J. R. Tolkien",
    "Pi is 3.14 or so",
    "Python 3.11.7 is installed",
    "Open https://example.com/a.b?c=d. now",
    "Well... Perhaps",
    "Well\u2026 Perhaps",
    "At 9 a.m. sharp",
    'He said "Stop!" and left',
    "It (really?) works",
    "We have approx. five of them",
    "The min. value is zero",
    "In Jan. 2024 it rained",
]
"""Each holds a stop that ends no sentence."""

BORDERS = [
    ("it works.", "Shall I go on?"),
    ("what?!", "Say that again."),
    ("wait...?", "Say that again."),
    ('he said "Stop!"', "Then he left."),
    ("it works (I think.)", "Let us see."),
    ("milk, eggs, etc.", "Then come home."),
    ("no.", "That is wrong."),
    ("so do I.", "Let us go."),
    ("it is version 2.3.1.", "Good."),
    ("it costs 5.", "Then we left."),
    ("see example.com.", "Good."),
    ("\u0928\u092e\u0938\u094d\u0924\u0947\u0964", "\u0906\u092a \u0915\u0948\u0938\u0947 \u0939\u0948\u0902?"),
    ("\u0645\u0631\u062d\u0628\u0627\u061f", "\u0646\u0639\u0645."),
    ("one line", "\nanother line"),
    ("milk", "\u2022 eggs"),
]
"""Two sentences each, in the words that come before and after the border."""

BEGINNING = "After all that anybody has ever been able to find out about this "
"""Long enough that the first sentence end behind it, right or wrong, ends the first piece."""


def streamed(text: str, cuts: list[int]) -> list[str]:
    """What the streaming splitter makes of ``text`` when it arrives in the chunks between ``cuts``."""
    splitter = SentenceSplitter()
    pieces: list[str] = []
    borders = sorted({0, len(text), *(cut % (len(text) + 1) for cut in cuts)})
    for begin, end in pairwise(borders):
        pieces += splitter.push(text[begin:end])
    return pieces + splitter.flush()


def without_space(text: str) -> str:
    return "".join(text.split())


@pytest.mark.parametrize("text", ONE_PIECE)
def test_a_short_message_is_one_piece(text: str) -> None:
    """One or two short sentences are synthesized at once, with one melody."""
    assert split(text) == [text]


@pytest.mark.parametrize("text", INSIDE)
def test_a_stop_inside_a_sentence_does_not_cut_it(text: str) -> None:
    """Abbreviations, numbers, addresses, ellipses and quotations inside a sentence are no borders."""
    assert split(f"{BEGINNING}{text}.") == [f"{BEGINNING}{text}."]


@pytest.mark.parametrize(("before", "after"), BORDERS)
def test_the_end_of_a_sentence_is_a_border(before: str, after: str) -> None:
    """Every end of a sentence is found, with the quotes and brackets that belong to it."""
    assert split(f"{BEGINNING}{before} {after}") == [f"{BEGINNING}{before}", after.strip()]


def test_text_in_small_letters_has_sentences_too() -> None:
    """A small letter after a full stop means that the sentence goes on, except where none begins with a capital."""
    text = f"{BEGINNING.lower()}it works. let me see."
    assert split(text) == [f"{BEGINNING.lower()}it works.", "let me see."]


def test_the_number_of_a_list_item_stays_with_it() -> None:
    """The full stop behind an item's number belongs to the number."""
    item = f"2. {'Open the door of the house ' * 10}now."
    assert split(f"{BEGINNING}it works.\n1. Look at the door of the house.\n{item}")[1:] == [
        "1. Look at the door of the house.",
        item,
    ]


def test_wide_full_stops_need_no_space() -> None:
    """Chinese and Japanese sentences end without a space, and a wide letter takes the time of three narrow ones."""
    first = "\u4eca\u5929\u5929\u6c14\u5f88\u597d\uff0c" * 3 + "\u600e\u4e48\u6837\uff1f"
    assert split(first + "\u597d\u7684\u3002") == [first, "\u597d\u7684\u3002"]


def test_a_short_greeting_takes_a_clause_with_it() -> None:
    """A first piece of one word would be over before the second one is synthesized."""
    text = "Sure. I looked at the file you mentioned, " + "then at the one beside it, " * 4 + "and then I fixed it."
    assert split(text)[0] == "Sure. I looked at the file you mentioned,"


@pytest.mark.parametrize("mark", [",", ";", ":", " \u2013", "\u2014", "..."])
def test_a_long_first_sentence_is_cut_behind_a_mark(mark: str) -> None:
    """The first sound does not wait for the end of a long sentence when a comma, semicolon or dash comes first."""
    head, tail = "I looked at the file you mentioned in your mail", f"{BEGINNING}it works and so on and on and on"
    space = "" if mark == "\u2014" else " "
    assert split(f"{head}{mark}{space}{tail}") == [f"{head}{mark}", tail]


@pytest.mark.parametrize("word", ["and", "but", "because"])
def test_a_long_first_sentence_is_cut_before_a_conjunction(word: str) -> None:
    """Where there is no mark, the clause begins with its conjunction."""
    head, tail = "I looked at the file you mentioned in your mail", f"{word} {BEGINNING}it works as it should do."
    assert split(f"{head} {tail}") == [head, tail]


def test_a_first_sentence_without_a_clause_is_waited_for() -> None:
    """A sentence a little over the limit is not torn in the middle of a phrase."""
    text = (
        "Nobody in the whole of the building seems to have any idea of how the old machine in the cellar of that house works."
    )
    assert len(text) > 110
    assert split(f"{text[:-1]} these days.") == [f"{text[:-1]} these days."]


def test_later_sentences_are_joined_while_they_are_short() -> None:
    """A request per word would cost more than it says."""
    pieces = split(f"{BEGINNING}it works. " + "It is fine. " * 60)
    assert all(80 <= len(piece) <= 300 for piece in pieces[1:-1])
    assert all(piece.endswith("fine.") for piece in pieces[1:])


def test_text_without_marks_is_cut_at_spaces() -> None:
    """Words stay whole even where nobody wrote a full stop."""
    text = " ".join(["word"] * 300)
    pieces = split(text)
    assert " ".join(pieces) == text
    assert max(map(len, pieces)) <= 300


@pytest.mark.parametrize("letter", ["e\u0301", "\U0001f44d\U0001f3fd", "\U0001f469\u200d\U0001f4bb", "\U0001f1e9\U0001f1ea"])
def test_a_word_beyond_the_limit_is_cut_between_letters(letter: str) -> None:
    """An accent, a skin tone, a joined emoji or half a flag is never torn off."""
    pieces = split("x" + letter * 300)
    assert len(pieces) > 1
    assert all(piece.removeprefix("x").replace(letter, "") == "" for piece in pieces)


def test_an_accent_pile_without_end_is_cut_somewhere() -> None:
    """A letter longer than a piece is no letter."""
    assert "".join(split("a" + "\u0301" * 1000)) == "a" + "\u0301" * 1000


def test_nothing_to_say_is_no_piece() -> None:
    """Whitespace alone makes no request."""
    assert split(" \n\t ") == []


def test_a_finished_sentence_does_not_wait_for_the_rest() -> None:
    """The first piece is there as soon as the next sentence begins."""
    splitter = SentenceSplitter()
    assert splitter.push(f"{BEGINNING}it works.") == []
    assert splitter.push(" ") == []
    assert splitter.push("S") == [f"{BEGINNING}it works."]
    assert splitter.flush() == ["S"]


def test_after_the_end_the_next_text_begins_anew() -> None:
    """One splitter serves one utterance after the other."""
    splitter = SentenceSplitter()
    splitter.push("Half a sentence ")
    assert splitter.flush() == ["Half a sentence"]
    assert splitter.push(f" {BEGINNING}it works. Good") == [f"{BEGINNING}it works."]


MARKS = ["\u2014", "-", "\u2022", "1.", "\u4f60\u597d\u3002", "\u201cQuote.\u201d", "(so)", "x\u0301", "https://a.b/c.d"]
FLAGS = ["\U0001f1e9\U0001f1ea", "\U0001f469\u200d\U0001f4bb"]
STOPS = ["no.", "No.", "Dr.", "e.g.", "U.S.", "3.14", "5", "works,", "Works.", "what?!", "\u2026", "..."]
WORDS = st.sampled_from(["a", "I", "Then", "and", *STOPS, *MARKS, *FLAGS])
SPACES = st.sampled_from([" ", "", "  ", "\n", " \n ", "\r\n\r\n", "\t", "\u00a0", "\u2028"])
PROSE = st.lists(st.tuples(WORDS, SPACES), max_size=60).map(lambda parts: "".join(w + s for w, s in parts))
FEW = settings(max_examples=30, deadline=None)
"""Enough to find a broken rule, few enough that the core suite stays below two seconds."""
TEXT = st.one_of(st.text(max_size=60), PROSE, PROSE.map(lambda prose: prose.replace(" ", "")))


@FEW
@given(TEXT)
def test_no_character_is_lost(text: str) -> None:
    """Joined again, the pieces hold every character but whitespace, in order; none is empty or padded."""
    pieces = split(text)
    assert without_space("".join(pieces)) == without_space(text)
    assert all(piece == piece.strip() != "" for piece in pieces)


@FEW
@given(TEXT, st.lists(st.integers(0, 10_000), max_size=30))
@example("Hello. \n World. " * 20, [7, 8])
def test_streaming_cuts_like_the_whole(text: str, cuts: list[int]) -> None:
    """However the text arrives, the pieces are the same."""
    assert streamed(text, cuts) == split(text)


@FEW
@given(TEXT)
def test_streaming_letter_by_letter_cuts_like_the_whole(text: str) -> None:
    """The smallest chunks are the hardest ones."""
    assert streamed(text, list(range(len(text)))) == split(text)


@FEW
@given(TEXT)
def test_no_piece_is_longer_than_an_engine_takes(text: str) -> None:
    """Every piece stays within 300, and the first one within 200 (narrow letters)."""
    pieces = split(text)
    assert all(len(piece) <= 300 for piece in pieces)
    assert all(len(piece) <= 200 for piece in pieces[:1])


@FEW
@given(st.lists(st.text(st.characters(categories=["L", "Nd"]), min_size=1, max_size=20), max_size=40))
def test_a_word_within_the_limit_stays_whole(words: list[str]) -> None:
    """Every piece begins and ends where a word does."""
    words = [unicodedata.normalize("NFC", word) for word in words]
    assert " ".join(split(" ".join(words))).split() == words
