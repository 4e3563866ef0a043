"""A stream of any length is heard in windows that do not grow."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from voicemode_service.decode import RATE
from voicemode_whisper.agreement import Word
from voicemode_whisper.hearing import LONGEST_S, Hearing

WORD = RATE // 2
"""Samples of a word: half a second of a level that is its number."""


def sound(numbers: list[int]) -> bytes:
    return np.repeat(np.array(numbers, "<i2"), WORD).tobytes()


def said(samples: NDArray[np.float32]) -> list[Word]:
    """An engine: it knows a word by its level, and mishears one of which it has less than half."""
    levels = np.rint(samples * 32768).astype(int)
    edges = [0, *(np.flatnonzero(np.diff(levels)) + 1).tolist(), levels.size]
    return [
        Word(f" {levels[start]}" if end - start > WORD / 2 else " eh", start / RATE, end / RATE)
        for start, end in pairwise(edges)
        if end > start and levels[start]
    ]


def heard(numbers: list[int], pieces: list[int]) -> tuple[str, list[str], float]:
    """The text of a stream that came in such pieces, its settled parts, and the longest reading in seconds."""
    hearing, stream, parts, longest = Hearing(), sound(numbers), [], 0.0
    at = 0
    for piece in pieces:
        hearing.feed(stream[at : at + 2 * piece])
        at += 2 * piece
        samples = hearing.window()
        longest = max(longest, samples.size / RATE)
        parts.append(hearing.read(said(samples)).settled)
    hearing.feed(stream[at:])
    while True:
        samples = hearing.window()
        longest = max(longest, samples.size / RATE)
        if not hearing.pending:
            break
        parts.append(hearing.read(said(samples)).settled)
    parts.append(hearing.finish(said(samples)).settled)
    return hearing.text, parts, longest


def test_every_word_of_ten_minutes_is_heard_once() -> None:
    """In readings of half a second of new sound, none longer than the window."""
    numbers = [1 + n % 1000 for n in range(1200)]
    text, parts, longest = heard(numbers, [WORD + 100] * 1190)
    assert text.split() == [str(n) for n in numbers]
    assert "".join(parts) == text
    assert longest < 12


def test_silence_is_forgotten() -> None:
    """And what is said after it has the time at which it was said."""
    text, _, longest = heard([0] * 120 + [7], [WORD] * 120)
    assert text == "7"
    assert longest < 12


def test_sound_that_comes_faster_than_it_is_read_is_read_in_full_windows() -> None:
    """Two minutes at once."""
    numbers = [1 + n for n in range(240)]
    text, _, longest = heard(numbers, [])
    assert text.split() == [str(n) for n in numbers]
    assert longest == LONGEST_S


@settings(max_examples=30)
@given(st.lists(st.integers(0, 9), max_size=80), st.lists(st.integers(0, 3 * RATE), max_size=30))
def test_what_is_settled_makes_up_the_text(numbers: list[int], pieces: list[int]) -> None:
    """Whatever is said, and in whatever pieces it comes."""
    text, parts, longest = heard(numbers, pieces)
    assert "".join(parts) == text
    assert longest <= LONGEST_S
