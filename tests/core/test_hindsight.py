"""What is remembered of a voice before it was proven: what speaks for the person is theirs, the rest stays the canceller's."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import FULL_SCALE, Samples
from voicemode.core.hindsight import Hindsight, blend
from voicemode.core.linear_echo import FRAME

LISTENED, RESIDUAL = 100, 8_000
"""Sample values of the two sounds, so that every sample of a recalled one tells where it comes from."""


def recalled(frames: list[tuple[float, bool]]) -> Samples:
    """``frames``: of each the share that the echo does not explain, and whether it is evident; as rows of 10 ms."""
    hindsight = Hindsight()
    for unexplained, evident in frames:
        residual = np.full(FRAME, RESIDUAL / FULL_SCALE, np.float32)
        hindsight.push(np.full(FRAME, LISTENED, np.int16), residual, unexplained, evident=evident)
    back = hindsight.look_back()
    assert back.age == len(back.sound)
    return back.sound.reshape(-1, FRAME)


NOTHING, DOUBTFUL, EVIDENT = (0.0, False), (0.4, False), (0.7, True)


def test_it_goes_back_to_the_first_evidence_and_a_tenth_of_a_second_more() -> None:
    """Soft beginnings are no evidence."""
    assert len(recalled([NOTHING] * 150 + [EVIDENT] * 20)) == 10 + 20


def test_a_pause_within_a_second_is_gone_back_over() -> None:
    """Whoever counts is silent between the numbers."""
    assert len(recalled([NOTHING] * 50 + [EVIDENT] + [NOTHING] * 90 + [EVIDENT])) == 10 + 92


def test_a_longer_pause_ends_it() -> None:
    """What was said before that is another matter."""
    assert len(recalled([EVIDENT] + [NOTHING] * 105 + [EVIDENT])) == 10 + 1


def test_what_nothing_speaks_for_stays_the_cancellers() -> None:
    """Three frames on either side of what does are the person's too, and there one fades into the other."""
    sound = recalled([NOTHING] * 30 + [EVIDENT] + [NOTHING] * 30 + [EVIDENT])
    taken, listened = (sound == RESIDUAL).all(axis=1), (sound == LISTENED).all(axis=1)
    assert np.flatnonzero(taken).tolist() == [*range(8, 14), *range(39, 42)]
    assert np.flatnonzero(listened).tolist() == [*range(7), *range(15, 38)]


def test_doubtful_frames_are_taken_but_do_not_reach_back() -> None:
    """They are one in a hundred where nobody speaks."""
    sound = recalled([NOTHING] * 50 + [DOUBTFUL] * 6 + [NOTHING] * 20 + [DOUBTFUL] * 5 + [EVIDENT])
    assert len(sound) == 10 + 1
    assert (sound[-8:] == RESIDUAL).all()


@settings(max_examples=60, deadline=None)
@given(frames=st.lists(st.sampled_from([NOTHING, DOUBTFUL, EVIDENT]), min_size=1, max_size=400))
def test_whatever_was_heard_it_is_one_of_the_two_sounds_or_between(frames: list[tuple[float, bool]]) -> None:
    """At most 3 s of it, and never more than was heard; what is evident is the residual but where it fades in."""
    frames = [*frames, EVIDENT]
    sound = recalled(frames)
    assert 1 <= len(sound) <= min(len(frames), 300)
    assert sound.min() >= LISTENED
    assert sound.max() <= RESIDUAL
    for (_, evident), frame in zip(frames[-len(sound) :], sound, strict=True):
        assert not evident or frame[-1] == RESIDUAL


def test_what_was_forgotten_is_not_recalled() -> None:
    """The echo was somewhere else then."""
    hindsight = Hindsight()
    frame, left = np.ones(FRAME, np.int16), np.ones(FRAME, np.float32)
    for _ in range(20):
        hindsight.push(frame, left, 1.0, evident=True)
    hindsight.forget()
    hindsight.push(frame, left, 1.0, evident=True)
    assert len(hindsight.look_back().sound) == FRAME


def test_a_frame_that_is_blended_does_not_click() -> None:
    """From one end of it to the other."""
    low, high = np.zeros(FRAME, np.int16), np.full(FRAME, 0.5, np.float32)
    assert blend(low, high, was=False, now=False).tolist() == low.tolist()
    rising = blend(low, high, was=False, now=True)
    assert (rising[0], rising[-1]) == (0, FULL_SCALE // 2)
    assert np.abs(np.diff(rising.astype(int))).max() < FULL_SCALE / 2 / 100
    assert rising[::-1].tolist() == blend(low, high, was=True, now=False).tolist()
