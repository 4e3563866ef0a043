"""What is told of a text that still grows is never taken back, and adds up to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.settled_words import growth, remainder

WORDS = st.lists(st.sampled_from(["I", "want", "tea,", "no", "please.", "नमस्ते", "お茶。"]), max_size=12)


@pytest.mark.parametrize(
    ("told", "settled", "more"),
    [
        ("", " I want", "I want"),
        ("I want", "I want tea ", " tea"),
        ("I want", "I want", ""),
        ("I want tea", "I want", ""),
        ("I want", "I wanted", "ed"),
        ("I want", "He wants tea", ""),
        ("", "", ""),
    ],
)
def test_only_what_follows_is_told(told: str, settled: str, more: str) -> None:
    """Without white space around it; nothing where it contradicts what was told."""
    assert growth(told, settled) == more


@pytest.mark.parametrize(("settled", "more"), [("Tea.", "Tea"), ("Tea, ", "Tea"), ("Say “tea”…", "Say “tea"), ("…", "")])
def test_a_mark_at_the_end_waits_for_the_next_word(settled: str, more: str) -> None:
    """Whether a sentence ends there is not known while somebody speaks."""
    assert growth("", settled) == more


@pytest.mark.parametrize(
    ("told", "text", "rest"),
    [("I want", "I want tea.", " tea."), ("Tea", "Tea", ""), ("Tea", "tea, please", ""), ("", "All of it.", "")],
)
def test_the_rest_is_told_where_something_was(told: str, text: str, rest: str) -> None:
    """Nothing where all of it comes as a whole in any case, or where it is another text."""
    assert remainder(told, text) == rest


@given(words=WORDS, cuts=st.lists(st.integers(0, 12)))
def test_honest_words_add_up(words: list[str], cuts: list[int]) -> None:
    """Whenever and however much of them was settled, in whatever order it is told."""
    told, text = "", " ".join(words)
    for cut in cuts:
        told += growth(told, " " + " ".join(words[:cut]))
        assert text.startswith(told)
    assert told + remainder(told, text) in ("", text)


@given(readings=st.lists(st.text(max_size=6)), text=st.text(max_size=8))
def test_whatever_is_read_nothing_wrong_is_added(readings: list[str], text: str) -> None:
    """What was told was settled when it was told, and the rest leads to the whole text or is not told."""
    told = ""
    for reading in readings:
        more = growth(told, reading)
        assert not more or (told + more) in reading
        told += more
    rest = remainder(told, text)
    assert not rest or told + rest == text
