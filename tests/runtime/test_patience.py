"""What people and agents call patience, in the terms of a turn."""

from __future__ import annotations

import pytest

from voicemode.errors import RequestError
from voicemode.runtime.patience import turn_patience
from voicemode.settings import Settings


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        (None, ("normal", None)),
        ("quick", ("quick", None)),
        ("normal", ("normal", None)),
        ("patient", ("patient", None)),
        (750, ("normal", 0.75)),
        ("750", ("normal", 0.75)),
    ],
)
def test_a_word_lets_sound_and_words_decide_and_a_number_is_a_fixed_silence(asked: str | int | None, meant: object) -> None:
    """Numbers are milliseconds."""
    assert turn_patience(asked, Settings()) == meant


@pytest.mark.parametrize("asked", ["", "fast", "-5", 99, 10_001, "1.5", "²"])
def test_anything_else_is_told_with_what_is_allowed(asked: str | int) -> None:
    """It is not taken for something near it."""
    with pytest.raises(RequestError, match="quick, normal, patient, or 100 to 10000 milliseconds"):
        turn_patience(asked, Settings())


def test_a_fixed_silence_of_the_settings_stands_for_normal() -> None:
    """A call that asks for more or less patience still gets it."""
    settings = Settings(silence_threshold_ms=1500)
    assert turn_patience(None, settings) == ("normal", 1.5)
    assert turn_patience("patient", settings) == ("patient", None)
    assert turn_patience(300, settings) == ("normal", 0.3)


def test_the_settings_patience_is_that_of_calls_that_say_nothing() -> None:
    """And gives way to those that do."""
    settings = Settings(patience="patient", silence_threshold_ms=700)
    assert turn_patience(None, settings) == ("patient", None)
    assert turn_patience("normal", settings) == ("normal", 0.7)
