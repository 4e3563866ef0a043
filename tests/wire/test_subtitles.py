"""Subtitle files as players read them."""

from __future__ import annotations

import pytest

from voicemode.wire.subtitles import VTT_HEAD, Cue, cues, srt_cue, vtt_cue


def test_a_short_text_is_one_cue() -> None:
    """Its times are those of the speech."""
    assert cues(1.5, 3.0, "  hello\nthere ") == [Cue(1.5, 3.0, ("hello there",))]


def test_a_text_without_words_is_no_cue() -> None:
    """An empty cue ends a file in some players."""
    assert cues(0, 1, " \n ") == []


def test_a_long_text_becomes_cues_of_two_lines_of_42_characters() -> None:
    """In order, no word lost, each beginning where the one before ended."""
    text = " ".join(f"word{n}" for n in range(60))
    found = cues(10.0, 30.0, text)
    assert " ".join(line for cue in found for line in cue.lines) == text
    assert all(len(cue.lines) <= 2 and len(line) <= 42 for cue in found for line in cue.lines)
    assert [cue.start for cue in found] == [10.0, *(cue.end for cue in found[:-1])]
    assert found[-1].end == pytest.approx(30.0)


def test_a_word_longer_than_a_line_is_broken() -> None:
    """So are languages without spaces."""
    (cue, *_) = cues(0, 5, "x" * 100)
    assert cue.lines == ("x" * 42, "x" * 42)


def test_srt_counts_and_uses_a_comma() -> None:
    """As SubRip has written it since the beginning."""
    assert srt_cue(7, Cue(3661.5, 3662.25, ("one", "two"))) == "7\n01:01:01,500 --> 01:01:02,250\none\ntwo\n\n"


def test_vtt_has_a_head_and_uses_a_point() -> None:
    """As the W3C has it."""
    assert VTT_HEAD.startswith("WEBVTT\n\n")
    assert vtt_cue(Cue(0, 0.0004, ("one",))) == "00:00:00.000 --> 00:00:00.000\none\n\n"


def test_vtt_escapes_what_would_be_markup() -> None:
    """What a person says is text and nothing else."""
    assert "a &lt;b&gt; &amp; --&gt; c" in vtt_cue(Cue(0, 1, ("a <b> & --> c",)))


def test_srt_breaks_up_an_arrow() -> None:
    """It would be read as times."""
    assert "a -- > c" in srt_cue(1, Cue(0, 1, ("a --> c",)))


def test_times_of_a_hundred_hours_are_written_out() -> None:
    """And never wrap around."""
    assert vtt_cue(Cue(360_000, 360_001, ("x",))).startswith("100:00:00.000")
