"""An echo is known by its words."""

from __future__ import annotations

import pytest

from voicemode.core.own_words import is_own_voice

AUDIBLE = "the second one failed its test, because"


@pytest.mark.parametrize("text", ["The second one failed", "second one failed it's test", "second won failed its"])
def test_what_the_loudspeaker_said_is_its_own_voice(text: str) -> None:
    """Also with a word in four misheard, or cut at both ends."""
    assert is_own_voice(text, AUDIBLE)


@pytest.mark.parametrize("text", ["wait", "no stop it", "the one test", "the second wait stop please no", "", "?"])
def test_what_a_person_says_is_not(text: str) -> None:
    """Other words, and their words mixed with an echo; no words at all are nobody's."""
    assert not is_own_voice(text, "because the date was off" if text == "the one test" else AUDIBLE)


def test_words_in_another_order_are_somebody_elses() -> None:
    """ "test one second" has the loudspeaker's words and is none of its sentences."""
    assert not is_own_voice("test its failed one", AUDIBLE)
