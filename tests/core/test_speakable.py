"""What a message with marks sounds like."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from voicemode.core.speakable import speakable

SAID = [
    ("# Release notes", "Release notes."),
    ("Setext\n---", "Setext."),
    ("Some **bold**, *slanted* and ***both***.", "Some bold, slanted and both."),
    ("- milk\n- eggs!\n", "milk.\neggs!"),
    ("- milk\n  - oat\n- eggs", "milk.\noat.\neggs."),
    ("1. Open it\n2. Close it", "One: Open it.\nTwo: Close it."),
    ("3) Open it", "Three: Open it."),
    ("- [ ] write\n- [x] ship", "to do: write.\ndone: ship."),
    ("- \u4f60\u597d", "\u4f60\u597d\u3002"),
    ("See [the docs](https://example.com/a?b=c).", "See the docs."),
    ("See [the docs][1].\n\n[1]: https://example.com", "See the docs."),
    ("See https://www.example.com/a/b?c=d#e.", "See link to example.com."),
    ("See <https://example.com/a>", "See link to example.com"),
    ("Call `load_config(path)` or `getUserName`", "Call load config path or get user name"),
    ("```python\na = 1\nb = 2\n```", "A code block of two lines in Python."),
    ("```\na\n```", "A code block of one line."),
    ("~~~rust\n" + "x\n" * 12 + "~~~", "A code block of twelve lines in rust."),
    ("Run `" + "x" * 100 + "`", "Run some code"),
    ("| Name | Age |\n|---|---|\n| Anna | 5 |\n| Bob | |", "Name: Anna, Age: five.\nName: Bob."),
    ("| Test | OK |\n|---|---|\n| a | \u2705 |\n| b | \u274c |", "Test: a, OK: yes.\nTest: b, OK: no."),
    ("> quoted", "quoted"),
    ("one\n\n---\n\ntwo", "one\ntwo"),
    ("a line\nand its end", "a line and its end"),
    ("a line\\\nand another", "a line\nand another"),
    ("    indented by accident", "indented by accident"),
    ("Great \U0001f389! Done \u2705", "Great! Done"),
    ("foo\U0001f389bar \U0001f469\u200d\U0001f4bb baz", "foo bar baz"),
    ("1\ufe0f\u20e3 step", "one step"),
    ("a <b>bold</b> word<br>and one", "a bold word\nand one"),
    ("git checkout <branch>", "git checkout branch"),
    ("<div>\nText <!-- hidden --> here\n<script>no()</script>\n</div>", "Text here"),
    ("![a cat](cat.png)", "image: a cat"),
    ("![](cat.png)", "image"),
    ("~~gone~~ here", "here"),
    ("Tom &amp; Jerry", "Tom & Jerry"),
    ("a\\*b", "a*b"),
    ("", ""),
    ("---", ""),
    ("...", ""),
    ("\U0001f389!", ""),
]


@pytest.mark.parametrize(("markdown", "said"), SAID)
def test_markdown_is_said_as_people_read_it(markdown: str, said: str) -> None:
    """Marks vanish, structure becomes sentences, code and addresses are named and not spelt."""
    assert speakable(markdown) == said


def test_announcements_are_in_the_language_of_the_voice() -> None:
    """A German voice says German words for what was left out."""
    assert speakable("```py\na\nb\n```", "de-AT") == "Ein Codeblock mit zwei Zeilen in Python."


def test_a_language_without_words_keeps_its_digits() -> None:
    """Better the engine's reading of digits than English words."""
    assert speakable("- 12 \u4e2a", "zh-CN") == "12 \u4e2a\u3002"


@pytest.mark.parametrize(
    "text", ["a\x00b\x07c\x1bd\x9b", "a\u202eb\u2066c\u200fd", "a\ufeffb\u200bc\xadd", "ab\ud800c\U000e0041d"]
)
def test_invisible_characters_are_removed(text: str) -> None:
    """No terminal escape, no hidden tag and no reversed text reaches an engine."""
    assert speakable(text) == "abcd"


def test_entities_cannot_bring_invisible_characters_back() -> None:
    """What Markdown decodes is cleaned as well."""
    assert speakable("a&#x202e;b&#x7;c") == "abc"


def test_the_secret_part_of_an_address_is_not_said() -> None:
    """Neither the password nor the query of a URL is spoken into a room."""
    assert (
        speakable("https://me:secret@example.com:8443/x?token=abc")
        == "link to example.com port eight thousand four hundred and forty-three"
    )


PROSE = st.lists(
    st.tuples(
        st.text(st.characters(categories=["Ll", "Lu", "Lo"]), min_size=1, max_size=10),
        st.sampled_from(["", "", "", ",", ".", "!", "?", ";", ":", "\u2026", "'s", "\u2019", ")", '"', " \u2013", ", ("]),
    ),
    max_size=20,
).map(lambda parts: " ".join(word + mark for word, mark in parts))


@settings(max_examples=30, deadline=None)
@given(PROSE)
@example('He said "Stop!" (twice), didn\'t he? Yes; he did\u2026')
def test_plain_prose_is_unchanged(prose: str) -> None:
    """Letters and plain punctuation come out as they went in."""
    assert speakable(prose).split() == prose.split()


@settings(max_examples=30, deadline=None)
@given(
    st.text(
        st.one_of(st.sampled_from("#*_`~[]()<>!|-+.:/\\@&;$%0123456789 \n\t\ue000\U0001f389"), st.characters()), max_size=80
    )
)
@example("\x00")
def test_any_text_becomes_clean_lines(text: str) -> None:
    """Whatever arrives, the result holds no control character, no empty line and no padding."""
    said = speakable(text)
    assert all(unicodedata.category(c) not in {"Cc", "Cs"} for c in said.replace("\n", ""))
    assert all(line == line.strip() != "" for line in said.split("\n")) or said == ""
