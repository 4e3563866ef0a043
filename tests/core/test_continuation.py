"""Where one endpoint broke off another goes on: every word of the answer once, and in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.continuation import NEAR_CHARS, Continuation

GIVEN = "It is sunny today. Take a hat. The wind is from the nor"
REST = "th. Have a nice walk."


def new(given: str, answer: str, size: int = 5) -> str:
    """What is said of ``answer``, which comes in pieces of ``size`` letters."""
    continuation = Continuation(given)
    said = [continuation.feed(answer[at : at + size]) for at in range(0, len(answer), size)]
    return "".join(said) + continuation.finish()


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    "answer",
    [
        REST,
        GIVEN + REST,
        "  " + GIVEN + REST,
        "The wind is from the nor" + REST,
        "Take a hat. The wind is from the nor" + REST,
        "from the nor" + REST,
        "nor" + REST,
        "it is SUNNY today.\n\n**Take a hat.**  The wind is \u201cfrom\u201d the nor" + REST,
    ],
)
def test_whatever_is_repeated_is_said_once(answer: str, size: int) -> None:
    """The whole answer, a sentence, some words, or half a word; and nothing when it goes on at the letter."""
    assert GIVEN + new(GIVEN, answer, size) == GIVEN + REST


@given(
    st.lists(st.sampled_from(["One fish. ", "Red fish! ", "Where is it? ", "A very old tale", ", "]), min_size=3, max_size=9),
    st.integers(1, 60),
    st.integers(1, 9),
)
def test_a_whole_repetition_is_dropped_wherever_it_broke_off(sentences: list[str], at: int, size: int) -> None:
    """Also where sentences recur in the answer."""
    answer = "".join(sentences)
    given_out = answer[: min(at, len(answer) - 1)]
    if len(given_out.replace(" ", "")) >= 3:
        assert (given_out + new(given_out, answer, size)).split() == answer.split()


def test_nothing_is_held_back_once_it_is_certainly_new() -> None:
    """The first letter that is none of a repetition settles it."""
    continuation = Continuation(GIVEN)
    assert continuation.feed("th") == ""
    assert continuation.feed(". Have") == "th. Have"
    assert continuation.feed(" a") == " a"


def test_what_repeats_is_held_back() -> None:
    """Until it goes on where the first broke off."""
    continuation = Continuation(GIVEN)
    assert continuation.feed("It is sunny today. ") == ""
    assert continuation.feed("Take a hat. The wind is from the north.") == "th."


def test_of_another_version_the_sentences_that_were_said_are_dropped() -> None:
    """The one that differs is said from its beginning."""
    assert new(GIVEN, "It is sunny today. Take a hat. The breeze is mild.") == " The breeze is mild."
    assert new(GIVEN, "It is sunny today. Take an umbrella.") == " Take an umbrella."


def test_another_answer_is_said_in_full() -> None:
    """Nothing of it was said."""
    assert new(GIVEN, "Well, who knows.") == " Well, who knows."


@pytest.mark.parametrize("answer", ["It is sunny today. Take a hat.", "It is sunny today. Take", ""])
def test_who_says_less_of_the_same_says_nothing_new(answer: str) -> None:
    """It holds that for the whole answer."""
    assert new(GIVEN, answer) == ""


@pytest.mark.parametrize(
    ("given_out", "answer"),
    [("It is very", " very good."), ("Call 555", "5551234."), ("No. Wait.", " No. Really not."), ("Go", " go go.")],
)
def test_words_that_may_well_be_said_twice_are(given_out: str, answer: str) -> None:
    """Who goes on begins a word with a space; few letters alike are chance."""
    assert new(given_out, answer) == answer


def test_a_word_that_was_begun_and_is_begun_again_is_said_once() -> None:
    """So begin those again who do not go on at the letter."""
    assert new("Paris is the capit", "capital of France.") == "al of France."


@pytest.mark.parametrize(
    ("given_out", "answer", "said"),
    [
        ("It rains.", "Take a coat.", " Take a coat."),
        ("If so,", "take a coat.", " take a coat."),
        ("It rains. ", " Take a coat.", "Take a coat."),
        ("It is 3.", "5 degrees.", "5 degrees."),
        ("It ra", "ins.", "ins."),
    ],
)
def test_a_space_stands_between_words_and_not_within(given_out: str, answer: str, said: str) -> None:
    """Many endpoints strip their answers."""
    assert new(given_out, answer) == said


@pytest.mark.parametrize("given_out", ["", "  ", "**"])
def test_after_nothing_all_is_new(given_out: str) -> None:
    """At once."""
    assert Continuation(given_out).feed("Hello") == "Hello"


def test_an_answer_of_many_like_sentences_is_compared_in_no_time() -> None:
    """Letters that are looked at, not seconds: whoever sends such a thing must not stop the others."""
    continuation = Continuation("A. " * 50_000)
    assert len(continuation._starts) <= NEAR_CHARS + 1
    assert continuation.feed("A. " * 40_000) == ""
    assert continuation.feed("Bees.") == "Bees."
