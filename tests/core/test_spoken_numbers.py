"""Numbers in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from num2words import CONVERTER_CLASSES

from voicemode.core.spoken_numbers import say_count, say_numbers

ENGLISH = [
    ("214 tests", "two hundred and fourteen tests"),
    ("1,234,567 rows", "one million two hundred and thirty-four thousand five hundred and sixty-seven rows"),
    ("3.14 and 0.5", "three point one four and zero point five"),
    ("-5, \u22127 and +3", "minus five, minus seven and plus three"),
    ("the 1st, 2nd and 21st", "the first, second and twenty-first"),
    ("$5.20, $1, $0.99", "five dollars and twenty cents, one dollar, ninety-nine cents"),
    ("-$5 or 5 \u20ac", "minus five dollars or five euros"),
    ("$1.2M and $3-5", "one point two million dollars and three to five dollars"),
    ("$20/month", "twenty dollars per month"),
    ("\u00a31.01 and \u00a5500", "one pound and one penny and five hundred yen"),
    ("5%, 5.5 % and 10-20%", "five percent, five point five percent and ten to twenty percent"),
    ("1 km, 3-5 km", "one kilometer, three to five kilometers"),
    ("120ms, 16 GB, 100 MB/s", "one hundred and twenty milliseconds, sixteen gigabytes, one hundred megabytes per second"),
    ("20\u00b0C or -3 \u00b0C", "twenty degrees Celsius or minus three degrees Celsius"),
    ("44.1 kHz, 2x, 200K", "forty-four point one kilohertz, two times, two hundred thousand"),
    ("pages 3-5 and 7\u20139", "pages three to five and seven to nine"),
    ("from 2023-2024", "from twenty twenty-three to twenty twenty-four"),
    ("version 2.3.1", "version two point three point one"),
    ("v2.3 on Python 3.11", "two point three on Python three point eleven"),
    ("127.0.0.1:8880", "one hundred and twenty-seven dot zero dot zero dot one port eight thousand eight hundred and eighty"),
    ("localhost:8080", "localhost port eight thousand and eighty"),
    ("at 14:30, 14:05 or 9:00", "at fourteen thirty, fourteen oh five or nine o'clock"),
    ("2:30pm, 10:30-11:45", "two thirty p.m., ten thirty to eleven forty-five"),
    ("2026-11-05", "November fifth, twenty twenty-six"),
    ("2026-11-05T14:30:00Z", "November fifth, twenty twenty-six at fourteen thirty UTC"),
    ("the 1990s, in 1776, 1984", "the nineteen nineties, in seventeen seventy-six, nineteen eighty-four"),
    ("2048 tokens", "two thousand and forty-eight tokens"),
    ("3/5 tests, 1/2", "three out of five tests, one half"),
    ("#42, ~5", "number forty-two, about five"),
    ("~2 min for ~$5", "about two minutes for about five dollars"),
    ("5551234 and 1000000", "five five five one two three four and one million"),
    ("007", "zero zero seven"),
    ("+1 555 123 4567", "plus one, five five five, one two three, four five six seven"),
    ("(555) 123-4567", "five five five, one two three, four five six seven"),
    ("It is 5. The 7-year-old", "It is five. The seven-year-old"),
    ("1,2,3", "one,two,three"),
]

LEFT_ALONE = [
    "H100",
    "GPT-4",
    "utf8",
    "0x1F",
    "1e5",
    "1920x1080",
    "3D",
    "a1b2c3d",
    "4K",
    "24/7",
    "5-3",
    "9/10/2024",
    "1.0.0rc1",
    "ab-12-cd",
]

OTHERS = [
    ("de", "12 Dateien, 3,14, 1.234", "zw\u00f6lf Dateien, drei Komma eins vier, eintausendzweihundertvierunddrei\u00dfig"),
    ("de-CH", "5,20 \u20ac um 14:30", "f\u00fcnf Euro und zwanzig Cent um vierzehn Uhr drei\u00dfig"),
    ("de", "am 5. Mai", "am 5. Mai"),
    ("fr", "1 km, 20 % et 1,5 s", "un kilom\u00e8tre, vingt pour cent et un virgule cinq secondes"),
    ("es_MX", "3-5 km y \u22127", "tres a cinco kil\u00f3metros y menos siete"),
    ("pt-BR", "12 arquivos, 3,14", "doze arquivos, 3,14"),
    ("it", "21 file, 5 %, -3", "ventuno file, 5 %, -3"),
    ("zh", "12", "12"),
    ("am", "999999999", "999999999"),
    ("", "12", "12"),
    ("no such language", "12", "12"),
]


@pytest.mark.parametrize(("text", "said"), ENGLISH)
def test_english_numbers_become_words(text: str, said: str) -> None:
    """Amounts, units, times, dates, versions and telephone numbers are said as people say them."""
    assert say_numbers(text, "en-US") == said


@pytest.mark.parametrize("text", LEFT_ALONE)
def test_names_that_hold_digits_are_left_to_the_engine(text: str) -> None:
    """A digit inside a name is no number."""
    assert say_numbers(f"the {text} thing", "en") == f"the {text} thing"


@pytest.mark.parametrize(("language", "text", "said"), OTHERS)
def test_other_languages_are_said_as_far_as_we_know_them(language: str, text: str, said: str) -> None:
    """What we have no words for stays in digits."""
    assert say_numbers(text, language) == said


@pytest.mark.parametrize("language", sorted(CONVERTER_CLASSES))
def test_every_language_of_the_library_returns(language: str) -> None:
    """num2words raises or never returns for some numbers in some languages; digits come out instead."""
    for number in (0, 1, 1234, 999_999_999):
        assert say_numbers(f"a {number} b", language).startswith("a ")
        assert say_count(number, language)


@settings(max_examples=30, deadline=None)
@given(
    st.text("0123456789.,:-/$%+# kmGBv\u20ac\u2013()TZap", max_size=40),
    st.sampled_from(["en", "de", "fr", "es", "pt_BR", "xx"]),
)
def test_any_mixture_of_digits_and_signs_is_survived(text: str, language: str) -> None:
    """No arrangement raises, and nothing but numbers and their signs is lost."""
    assert isinstance(say_numbers(text, language), str)
