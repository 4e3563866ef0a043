"""What programs write to terminals, as text: however it is cut, and where an answer in it ends."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voicemode.core.plain_output import HELD_LIMIT, EndMarker, PlainOutput


def plain(*pieces: bytes) -> str:
    output = PlainOutput()
    return "".join([*map(output.feed, pieces), output.finish()])


def cut(whole: bytes, places: list[int]) -> list[bytes]:
    at = sorted(place % (len(whole) + 1) for place in places)
    return [whole[a:b] for a, b in zip([0, *at], [*at, len(whole)], strict=True)]


class TestPlainOutput:
    """Bytes of a terminal in, text out."""

    @pytest.mark.parametrize(
        "sequence",
        [
            b"\x1b[0m",
            b"\x1b[1;38;5;208m",
            b"\x1b[2K",
            b"\x1b[?25l",
            b"\x1b]0;a title\x07",
            b"\x1b]8;;https://example.org/\x1b\\",
            b"\x1bP1$r\x1b\\",
            b"\x1b(B",
            b"\x1bM",
            b"\x1b=",
            b"\x07",
            b"\x08",
            "\x9b1m".encode(),
        ],
    )
    def test_no_control_sequence_is_said(self, sequence: bytes) -> None:
        """Nor any letter of one."""
        assert plain(b"a" + sequence + b"b") == "ab"

    @given(st.lists(st.integers(0, 1000), max_size=12))
    def test_however_it_is_cut_the_text_is_the_same(self, places: list[int]) -> None:
        """In the middle of a letter, of a sequence, of an end of line."""
        whole = "\x1b[1;32mGrüße\x1b[0m,\r\n\x1b]0;t\x07日本 🙂\rend\x1b]8;;x\x1b\\.\n".encode()
        assert plain(*cut(whole, places)) == "Grüße,\n日本 🙂\nend.\n"

    @given(st.lists(st.binary(max_size=20), max_size=8))
    @example([b"\x1b", b"[", b"\xff"])
    def test_whatever_comes_is_text(self, pieces: list[bytes]) -> None:
        """Without control characters but ends of line and tabs, and it can be encoded."""
        text = plain(*pieces)
        assert not [c for c in text if not c.isprintable() and c.isascii() and c not in "\n\t"]
        text.encode()

    def test_a_word_is_there_with_the_byte_that_ends_it(self) -> None:
        """Only what may be part of a sequence waits."""
        output = PlainOutput()
        assert output.feed(b"Hello") == "Hello"
        assert output.feed(b" you\x1b[3") == " you"
        assert output.feed(b"1m!") == "!"

    def test_a_sequence_without_an_end_is_given_up(self) -> None:
        """Memory has a limit, and what follows is said."""
        output = PlainOutput()
        assert output.feed(b"\x1b]" + b"x" * 2 * HELD_LIMIT) == ""
        assert output.feed(b"Hello") == "Hello"


def read(marker: str, *pieces: str, begun: bool = False) -> tuple[str, EndMarker]:
    end = EndMarker(marker, begun=begun)
    return "".join(map(end.feed, pieces)), end


class TestEndMarker:
    """The line after which it is the person's turn."""

    @given(st.lists(st.integers(0, 1000), max_size=12))
    def test_however_it_is_cut_the_answer_ends_before_its_line(self, places: list[int]) -> None:
        """Lines that begin like it are of the answer."""
        whole = b"END\nOne.\nENDless.\n END of two\nEND\nnot this\n"
        text, end = read("END", *(piece.decode() for piece in cut(whole, places)))
        assert text == "One.\nENDless.\n END of two\n"
        assert end.ended

    def test_before_the_first_word_it_is_no_end(self) -> None:
        """An answer that was stopped leaves its own behind."""
        text, end = read("END", "\nEND\n", "END\n")
        assert (text.strip(), end.ended) == ("", False)

    def test_unless_the_words_were_read_before(self) -> None:
        """The rest of an interrupted answer may be nothing but its end."""
        assert read("END", "END\n", begun=True)[1].ended

    def test_a_prompt_may_be_the_end_as_long_as_nothing_follows_it(self) -> None:
        """Who reads it waits a moment."""
        text, end = read("> ", "> Hello.\n> ")
        assert (text, end.may_be_end, end.ended) == ("Hello.\n", True, False)
        assert end.feed("quoted\n") == "> quoted\n"
        assert not end.may_be_end

    def test_a_prompt_before_the_first_word_is_not_said(self) -> None:
        """It stood there before the turn."""
        text, end = read("> ", "> ")
        assert (text, end.may_be_end) == ("", False)
        assert end.feed("Hello.\n") == "Hello.\n"

    def test_words_are_not_held_back(self) -> None:
        """Only what may become the marker."""
        end = EndMarker("END")
        assert [end.feed(text) for text in ("The", " en", "d.\n", "E", "at.\n")] == ["The", " en", "d.\n", "", "Eat.\n"]

    def test_what_was_held_back_is_said_when_the_program_ends(self) -> None:
        """It was no marker then."""
        text, end = read("END", "Hello.\nEN")
        assert (text, end.finish()) == ("Hello.\n", "EN")
