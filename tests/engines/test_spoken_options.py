"""Written options become what people say."""

from __future__ import annotations

import pytest

from voicemode.engines.spoken_options import MAX_WORDS, spoken_forms


@pytest.mark.parametrize(
    ("option", "forms"),
    [
        ("Red wine", ["red wine"]),
        ("Option 2 (recommended)", ["option two recommended", "option two"]),
        ("10%", ["ten percent"]),
        ("1st of May", ["first of may"]),
        ("3pm", ["three pm"]),
        ("170", ["one hundred seventy"]),
        ("1,000", ["one thousand"]),
        ("2026", ["twenty twenty six"]),
        ("v1.2", ["v one point two"]),
        ("0049", ["zero zero four nine"]),
        ("Don\N{RIGHT SINGLE QUOTATION MARK}t", ["don't"]),
        ("snake_case", ["snake case"]),
        ("Yes", ["yes", "yeah", "yep", "yup"]),
        ("no", ["no", "nope", "nah"]),
    ],
)
def test_numbers_symbols_and_brackets_are_spoken(option: str, forms: list[str]) -> None:
    """As an American would read the option aloud."""
    assert [" ".join(form) for form in spoken_forms(option)] == forms


@pytest.mark.parametrize("option", ["", "...", "🎉", "word " * (MAX_WORDS + 1)])
def test_what_nobody_would_say_has_no_form(option: str) -> None:
    """Such an option is not recognised, and the others are."""
    assert spoken_forms(option) == ()
