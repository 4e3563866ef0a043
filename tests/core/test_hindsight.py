"""What is remembered of a voice before it was proven: what speaks for the person is theirs, the rest stays the canceller's."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import FULL_SCALE, Samples
from voicemode.core.hindsight import Hindsight, blend
from voicemode.core.linear_echo import FRAME

LISTENED, RESIDUAL = 100, 8_000
"""Sample values of the two sounds, so that every sample of a recalled one tells where it comes from."""


Told: TypeAlias = tuple[float | None, float]
NOTHING: Told = (0.0, 0.0)
DOUBTFUL: Told = (0.4, 0.0)
EVIDENT: Told = (0.7, 0.5)
UNTOLD: Told = (None, 0.0)


def recalled(frames: list[Told]) -> Samples:
    """``frames``: of each the share that the echo does not explain, and how much speaks for a person; as rows of 10 ms."""
    hindsight = Hindsight()
    for unexplained, evidence in frames:
        residual = np.full(FRAME, RESIDUAL / FULL_SCALE, np.float32)
        hindsight.push(np.full(FRAME, LISTENED, np.int16), residual, unexplained, evidence)
    back = hindsight.look_back()
    if back is None:
        return np.zeros((0, FRAME), np.int16)
    assert back.age == len(back.sound)
    return back.sound.reshape(-1, FRAME)


WORD = [EVIDENT] * 3
"""Little enough, and more than what comes alone where nobody speaks."""


def test_it_goes_back_to_the_first_evidence_and_a_fifth_of_a_second_more() -> None:
    """Soft beginnings are no evidence."""
    assert len(recalled([NOTHING] * 150 + [EVIDENT] * 20)) == 20 + 20


def test_a_pause_within_a_second_is_gone_back_over() -> None:
    """Whoever counts is silent between the numbers."""
    assert len(recalled([NOTHING] * 50 + WORD + [NOTHING] * 90 + WORD)) == 20 + 96


def test_a_longer_pause_ends_it() -> None:
    """What was said before that is another matter."""
    assert len(recalled(WORD + [NOTHING] * 105 + WORD)) == 20 + 3


def test_what_nothing_speaks_for_stays_the_cancellers() -> None:
    """A fifth of a second before and behind what does is the person's too, and there one fades into the other."""
    sound = recalled([NOTHING] * 30 + WORD + [NOTHING] * 60 + WORD)
    taken, listened = (sound == RESIDUAL).all(axis=1), (sound == LISTENED).all(axis=1)
    assert np.flatnonzero(taken).tolist() == [*range(20 + 3 + 20), *range(64, 86)]
    assert np.flatnonzero(listened).tolist() == [*range(44, 63)]


def test_what_the_filter_could_not_tell_of_stays_the_cancellers() -> None:
    """All of it may be echo, however near to a word it is."""
    sound = recalled([NOTHING] * 30 + [UNTOLD] * 10 + WORD)
    assert (sound[:9] == RESIDUAL).all()
    assert (sound[11:20] == LISTENED).all()
    assert (sound[21:] == RESIDUAL).all()


def test_of_a_word_the_frames_are_taken_that_the_echo_explains_too() -> None:
    """Between two that it does not: so long are consonants."""
    sound = recalled([NOTHING] * 30 + WORD * 2 + [NOTHING] * 8 + WORD * 2)
    assert (sound[11:] == RESIDUAL).all()


def test_a_moment_of_evidence_is_no_word() -> None:
    """It comes alone where nobody speaks, too."""
    assert len(recalled([NOTHING] * 40 + [EVIDENT])) == 0
    assert len(recalled([EVIDENT] + [NOTHING] * 40 + WORD)) == 20 + 3


def test_doubtful_frames_are_taken_but_do_not_reach_back() -> None:
    """They are one in a hundred where nobody speaks."""
    sound = recalled([NOTHING] * 50 + [DOUBTFUL] * 6 + [NOTHING] * 40 + [DOUBTFUL] * 5 + WORD)
    assert len(sound) == 20 + 3
    sound = recalled([NOTHING] * 50 + WORD + [NOTHING] * 30 + [DOUBTFUL] * 6 + [NOTHING] * 30 + WORD)
    assert (sound[20 + 3 + 30 : 20 + 3 + 36] == RESIDUAL).all()


@settings(max_examples=60, deadline=None)
@given(frames=st.lists(st.sampled_from([NOTHING, DOUBTFUL, EVIDENT, UNTOLD]), min_size=1, max_size=400))
def test_whatever_was_heard_it_is_one_of_the_two_sounds_or_between(frames: list[Told]) -> None:
    """At most 3 s of it, and never more than was heard; what is evident is the residual but where it fades in."""
    frames = [*frames, *WORD]
    sound = recalled(frames)
    assert len(WORD) <= len(sound) <= min(len(frames), 300)
    assert sound.min() >= LISTENED
    assert sound.max() <= RESIDUAL
    for (_, evidence), frame in zip(frames[-len(sound) :], sound, strict=True):
        assert not evidence or frame[-1] == RESIDUAL


def test_what_was_forgotten_is_not_recalled() -> None:
    """The echo was somewhere else then."""
    hindsight = Hindsight()
    frame, left = np.ones(FRAME, np.int16), np.ones(FRAME, np.float32)
    for _ in range(20):
        hindsight.push(frame, left, 1.0, 1.0)
    hindsight.forget()
    assert hindsight.look_back() is None
    for _ in WORD:
        hindsight.push(frame, left, 1.0, 1.0)
    back = hindsight.look_back()
    assert back is not None
    assert len(back.sound) == len(WORD) * FRAME


def test_a_frame_that_is_blended_does_not_click() -> None:
    """From one end of it to the other."""
    low, high = np.zeros(FRAME, np.int16), np.full(FRAME, 0.5, np.float32)
    assert blend(low, high, was=False, now=False).tolist() == low.tolist()
    rising = blend(low, high, was=False, now=True)
    assert (rising[0], rising[-1]) == (0, FULL_SCALE // 2)
    assert np.abs(np.diff(rising.astype(int))).max() < FULL_SCALE / 2 / 100
    assert rising[::-1].tolist() == blend(low, high, was=True, now=False).tolist()
