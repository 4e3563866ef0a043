"""A word no dictionary has gets a pronunciation that beats the other answers."""

from __future__ import annotations

import pytest

from voicemode.engines.workers.pronounce import pronounce

DICTIONARY = {"file": "F AY L", "name": "N EY M", "type": "T AY P", "script": "S K R IH P T", "cafe": "K AH F EY"}


@pytest.mark.parametrize(
    ("word", "phones"),
    [
        ("file", "F AY L"),
        ("filename", "F AY L N EY M"),
        ("Typescript", "T AY P S K R IH P T"),
        ("café", "K AH F EY"),
        ("file's", "F AY L Z"),
        ("naming", "N AE M IH NG"),
        ("npm", "EH N P IY EH M"),
        ("vite", "V AY T"),
        ("yarn", "Y AA R N"),
        ("kubernetes", "K AH B ER N EH T EH S"),
    ],
)
def test_known_words_parts_abbreviations_and_rules(word: str, phones: str) -> None:
    """In this order: the dictionary, inflections, compounds, letters without a vowel, letter-to-sound rules."""
    assert pronounce(word, DICTIONARY.get) == phones


@pytest.mark.parametrize("word", ["漢字", "", "''", "123", "🎉"])
def test_what_has_no_letter_of_ours_has_no_pronunciation(word: str) -> None:
    """Such an option leaves the grammar instead of making it fail."""
    assert pronounce(word, DICTIONARY.get) is None


def test_every_letter_group_makes_phones() -> None:
    """No combination of letters is an exception."""
    letters = "abcdefghijklmnopqrstuvwxyz"
    for word in (a + b + c for a in letters for b in letters for c in letters):
        assert pronounce(word, lambda _word: None)
