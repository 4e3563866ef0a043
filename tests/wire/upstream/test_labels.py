"""Words over sound that came beside them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicemode.wire.upstream.labels import Labels


def test_words_that_come_all_at_once_are_laid_out_by_their_pace() -> None:
    """As many with each second of sound as somebody says in it."""
    labels = Labels(letter_s=0.06)
    labels.say("The first sentence is here. And then there is another one, which is longer.")
    laid = [labels.sound(0.5) for _ in range(8)]
    assert laid[0].startswith("The first")
    assert "longer" not in " ".join(laid[:5])


def test_the_instant_of_the_last_word_heard_is_found_again() -> None:
    """To a chunk of sound."""
    labels = Labels(letter_s=0.06)
    for word in ("one ", "two ", "three ", "four "):
        labels.say(word)
        labels.sound(0.5)
    assert labels.ms_of("one two three four") is None
    assert labels.ms_of("") == 0.0
    at_ms = labels.ms_of("one two")
    assert at_ms is not None
    assert 700 <= at_ms <= 1100


def test_an_answer_teaches_the_pace() -> None:
    """Somebody who speaks half as fast takes twice as long for a letter."""
    slow, quick = Labels(), Labels()
    for labels, seconds in ((slow, 4.0), (quick, 2.0)):
        labels.say("Paris is the capital of France")
        labels.sound(seconds)
    slow_s, quick_s = slow.pace(), quick.pace()
    assert slow_s is not None
    assert quick_s is not None
    assert abs(slow_s - 2 * quick_s) < 1e-9


@given(st.lists(st.tuples(st.text("ab .,\n", max_size=12), st.floats(0.0, 1.0)), max_size=30))
def test_every_word_is_laid_once_and_in_order(steps: list[tuple[str, float]]) -> None:
    """However they alternate."""
    labels = Labels()
    laid: list[str] = []
    for text, seconds in steps:
        labels.say(text)
        laid.append(labels.sound(seconds))
    laid.append(labels.rest())
    assert "".join("".join(laid).split()) == "".join(labels.text.split())


def test_a_word_is_laid_when_it_is_whole() -> None:
    """Upstreams tell pieces of words."""
    labels = Labels()
    labels.say("Par")
    assert labels.sound(1.0) == ""
    labels.say("is is")
    assert labels.sound(1.0) == "Paris"
    assert labels.rest() == "is"
