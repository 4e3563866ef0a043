"""Settled words stay."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from voicemode_whisper.agreement import Agreement, Word


def spoken(*texts: str, begin: float = 0.0, each: float = 0.4) -> list[Word]:
    return [Word(f" {text}", begin + n * each, begin + (n + 1) * each) for n, text in enumerate(texts)]


def test_a_word_is_settled_once_two_readings_agree() -> None:
    """And not before."""
    heard = Agreement()
    assert heard.read(spoken("go", "for")) == ()
    assert [word.text for word in heard.read(spoken("go", "forward"))] == [" go"]
    assert (heard.text, heard.unsettled) == ("go", " forward")


def test_readings_that_differ_in_marks_and_case_agree() -> None:
    """What is settled is as the later one wrote it."""
    heard = Agreement()
    heard.read(spoken("Go", "forward"))
    heard.read(spoken("go,", "Forward."))
    assert heard.text == "go, Forward."


def test_a_word_said_twice_is_kept_twice() -> None:
    """Though the second follows the first at once."""
    heard = Agreement()
    heard.read(spoken("no"))
    heard.read(spoken("no", "no"))
    heard.read(spoken("no", "no", "no"))
    heard.finish(spoken("no", "no", "no"))
    assert heard.text == "no no no"


def test_a_settled_word_that_is_heard_late_is_not_added_again() -> None:
    """The same word, put 0.15 s later by the next reading."""
    heard = Agreement()
    heard.read(spoken("ten", "meters"))
    heard.read(spoken("ten", "meters"))
    heard.finish(spoken("ten", "meters", "ahead", begin=0.15))
    assert heard.text == "ten meters ahead"


def test_what_will_not_be_heard_again_can_be_settled() -> None:
    """Up to the moment that is named."""
    heard = Agreement()
    heard.read(spoken("one", "two", "three"))
    heard.settle(0.9)
    assert (heard.text, heard.unsettled) == ("one two", " three")


def test_the_last_reading_is_settled_whole() -> None:
    """And replaces what was open."""
    heard = Agreement()
    heard.read(spoken("go", "four"))
    heard.finish(spoken("go", "forward"))
    assert (heard.text, heard.unsettled) == ("go forward", "")


words = st.builds(
    lambda text, start, length: Word(text, start, start + length),
    st.text(alphabet="ab .,\u0301", max_size=4),
    st.floats(0, 10, allow_nan=False),
    st.floats(0, 2, allow_nan=False),
)


@given(st.lists(st.tuples(st.lists(words, max_size=6), st.one_of(st.none(), st.floats(0, 12)))), st.lists(words, max_size=6))
def test_settled_text_is_only_ever_appended(readings: list[tuple[list[Word], float | None]], last: list[Word]) -> None:
    """Whatever the engine reads, in whatever order, and whenever the window is cut."""
    heard = Agreement()
    before: tuple[Word, ...] = ()
    for reading, until in readings:
        fresh = heard.read(reading)
        if until is not None:
            fresh += heard.settle(until)
        assert heard.settled == before + fresh
        before = heard.settled
    assert heard.settled[: len(before)] == before
    heard.finish(last)
    assert heard.settled[: len(before)] == before
