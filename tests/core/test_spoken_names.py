"""Addresses, paths and identifiers in words."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.core.phrases import phrases_for
from voicemode.core.spoken_names import say_code, say_names

ENGLISH = phrases_for("en")

NAMES = [
    ("(see https://example.org/a_(b)).", "(see link to example.org)."),
    ("https://en.wikipedia.org/wiki/Foo_(bar)", "link to en.wikipedia.org"),
    ("www.example.com/a, ok", "link to example.com, ok"),
    ("http://localhost:2022/v1", "link to localhost port 2022"),
    ("file:///etc/hosts", "link to etc slash hosts"),
    ("Mail first.last@example.com.", "Mail first dot last at example.com."),
    ("in src/app/main_test.py.", "in src slash app slash main test dot py."),
    ("/usr/local/lib/python/foo.py", "lib slash python slash foo dot py"),
    ("~/notes ./run.sh /help src/", "home slash notes run dot sh slash help src"),
    ("C:\\Users\\me\\a.txt", "Users slash me slash a dot txt"),
    ("main.py:42, README.md", "main dot py, 42, README dot md"),
    ("the load_config() function's snake_case", "the load config function's snake case"),
    ("from here -> there \u2192 end", "from here to there to end"),
]

ORDINARY = [
    "and/or",
    "he/she/they",
    "km/h",
    "1/2",
    "e.g.",
    "U.S.",
    "d.h.",
    "3.14",
    "TCP/IP",
    "@someone",
    "example.com",
    "~",
    "/",
    "a.b",
]

CODE = [
    ("getUserName", "get user name"),
    ("HTTPServer", "HTTP server"),
    ("MAX_RETRIES", "MAX retries"),
    ("load_config(path)", "load config path"),
    ("a.b.c", "a dot b dot c"),
    ('git commit -m "x" --verbose', "git commit dash m x dash dash verbose"),
    ("x == 1", "x equals 1"),
    ("x>=2 && y != 3", "x greater than or equals 2 and y is not equal to 3"),
    ("a < b", "a less than b"),
    ("Map<string, int>", "Map string int"),
    ("pip install pre-commit", "pip install pre-commit"),
    ("src/app.py", "src slash app dot py"),
    (".env", "dot env"),
    ("f(...args)", "f args"),
    ("3.11", "3.11"),
    ("{}", ""),
    ("https://example.com/a", "link to example.com"),
]


@pytest.mark.parametrize(("text", "said"), NAMES)
def test_names_are_said_in_words(text: str, said: str) -> None:
    """Punctuation around a name stays where it was."""
    assert say_names(text, ENGLISH) == said


@pytest.mark.parametrize("word", ORDINARY)
def test_ordinary_words_are_left_alone(word: str) -> None:
    """A slash or a full stop alone makes no path."""
    assert say_names(word, ENGLISH) == word


@pytest.mark.parametrize(("code", "said"), CODE)
def test_code_is_read_as_identifiers_and_operators(code: str, said: str) -> None:
    """People say the names in code and leave its brackets out."""
    assert say_code(code, ENGLISH) == said


@settings(max_examples=30, deadline=None)
@given(st.text(st.one_of(st.sampled_from("/\\_@.:-~()<>[]=wtphs"), st.characters()), max_size=40))
def test_any_text_is_survived(text: str) -> None:
    """No arrangement of signs raises."""
    assert isinstance(say_names(text, ENGLISH) + say_code(text, ENGLISH), str)
