"""The measure finds a word that is missing, wherever it went, and is not deceived by what is heard in its place."""

from __future__ import annotations

import pytest

from bench.first_word import WORD_KEPT, first_word_share
from tests.core.rooms import as_pcm, noise, voice
from voicemode.audio import Samples
from voicemode.core.linear_echo import Floats

PERSON = voice(2.0, 2, 0.05)
LEAD = 8_000
"""Samples of the utterance before the person."""
ECHO = noise(2.5, 9, 0.1)
ROOM = noise(2.5, 4, 10 ** (-60 / 20))


def share(person: Floats, beside: Floats = ROOM, *, late: int = 0, cut: int = 0) -> float:
    """Of ``PERSON`` in an utterance in which they sound like ``person``, ``late`` samples, and whose beginning is ``cut``."""
    utterance = beside.copy()
    utterance[LEAD + late :] += person[: len(utterance) - LEAD - late]
    heard: Samples = as_pcm(utterance)[cut:]
    return first_word_share(PERSON, heard, LEAD - cut, noise_dbfs=-60.0)


def without(begin_s: float, end_s: float, gain: float = 0.0) -> Floats:
    person = PERSON.copy()
    person[round(begin_s * 16_000) : round(end_s * 16_000)] *= gain
    return person


@pytest.mark.parametrize("late", [0, 128])
def test_a_word_that_is_there_is_there(late: int) -> None:
    """In the noise of the room, and as late as a canceller makes it."""
    assert share(PERSON, late=late) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("beside", [ROOM, ECHO])
def test_a_word_that_was_taken_away_is_missing(beside: Floats) -> None:
    """In silence as under an echo that is louder than it, though all after it is there."""
    assert share(without(0.0, 0.4), beside) < 0.1


def test_a_word_that_is_eleven_decibels_softer_is_missing() -> None:
    """That is what a canceller does to it."""
    assert share(without(0.0, 0.4, 10 ** (-11 / 20))) < WORD_KEPT / 2


def test_a_word_that_is_covered_by_the_echo_is_missing() -> None:
    """Nobody could write it down."""
    assert share(PERSON, ECHO) < WORD_KEPT


def test_a_word_that_lies_before_the_utterance_is_missing() -> None:
    """All of it, or the part that does."""
    assert share(PERSON, cut=LEAD + 6_400) == 0.0
    assert 0.2 < share(PERSON, cut=LEAD + 3_200) < 0.8


def test_half_a_word_is_half_there() -> None:
    """As far as it is loud."""
    assert 0.2 < share(without(0.0, 0.2)) < 0.8


def test_what_comes_later_does_not_count() -> None:
    """The first word is asked for."""
    assert share(without(0.4, 2.0)) == share(PERSON)
