"""Text that streams in is spoken as the whole would be, and as early as may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.sentences import split
from voicemode.core.speakable import speakable
from voicemode.core.spoken_stream import SpokenStream

PROSE = (
    "Good morning. It is 10:30 and the sun shines, so we could go for a walk; Dr. Smith comes along. "
    "**Note: this is important.** Is that fine with you? It costs $5.50 or 3 km of walking, e.g. along the river.\n\n"
)
DOCUMENT = (
    PROSE
    + "# The plan\n\n1. Get up, and dress.\n2. Go out\n\n- one\n- two\n\n```python\nprint('Hello. World')\n\nx = 1\n```\n\n"
    + "| City | Size |\n|---|---|\n| Bern | small. Nice |\n| Rome | large |\n\nSee [the site. Really](https://example.org/a.b) "
    + "for `a.b. C` and more. The end"
)


def said(text: str, sizes: list[int]) -> list[str]:
    """The pieces when the text comes in chunks of these sizes, again and again."""
    stream, pieces, at, turn = SpokenStream(), list[str](), 0, 0
    while at < len(text):
        size = sizes[turn % len(sizes)]
        pieces += stream.push(text[at : at + size])
        at, turn = at + size, turn + 1
    return pieces + stream.flush()


def words(pieces: list[str]) -> list[str]:
    return " ".join(pieces).split()


@given(st.lists(st.integers(1, 40), min_size=1, max_size=8))
def test_the_words_are_those_of_the_whole_however_they_come(sizes: list[int]) -> None:
    """Lists, code, tables, links and numbers are read as if all had been there at once."""
    assert words(said(DOCUMENT, sizes)) == words(split(speakable(DOCUMENT)))


@given(st.text(alphabet="ab .,!?:;*_`#-|[]()\n1", max_size=200), st.integers(1, 7))
def test_any_text_comes_to_an_end_and_every_letter_is_said(text: str, size: int) -> None:
    """No mark that is left open swallows words, and each piece can be spoken."""
    pieces = said(text, [size])
    assert all(any(map(str.isalnum, piece)) for piece in pieces)
    whole = speakable(text)
    if not set(text) & set("*_`#-|[]()\n:"):
        assert "".join("".join(pieces).split()) == "".join(whole.split())


def test_a_sentence_is_given_out_before_the_next_one_ends() -> None:
    """The voice need not wait for the whole answer."""
    stream = SpokenStream()
    first = "This is a whole sentence that is long enough to be spoken alone."
    assert stream.push(first + " And another") == [first]


def test_a_long_first_sentence_is_cut_at_a_clause() -> None:
    """Nothing is heard until the first piece is synthesized."""
    stream = SpokenStream()
    pieces = stream.push(
        "If you go there in the early hours of the morning, when nobody is up yet, you see the lake as it was "
    )
    pieces += stream.push("in the days of our grandparents, which is a sight that nobody forgets who has")
    assert pieces[0] == "If you go there in the early hours of the morning,"


def test_who_is_slow_can_be_hurried_once() -> None:
    """A short sentence is given out before it is known what follows; later pieces take their time."""
    stream = SpokenStream()
    assert stream.push("Yes, of course! And") == []
    assert stream.hurry() == ["Yes, of course!"]
    assert stream.push(" more. Then") == []
    assert stream.hurry() == []
    assert words(stream.flush()) == ["And", "more.", "Then"]


def test_hurry_waits_for_something_to_say() -> None:
    """Half a sentence is none."""
    stream = SpokenStream()
    stream.push("Well, let me")
    assert stream.hurry() == []


@pytest.mark.parametrize("open_mark", ["**", "`", "[", "_"])
def test_a_mark_that_is_never_closed_delays_at_most_a_paragraph(open_mark: str) -> None:
    """600 characters later the words are spoken."""
    stream = SpokenStream()
    assert stream.push(open_mark + "word and more. " * 60)
