"""Who is known to have spoken is heard once more with what has been learnt since; what nobody said is not."""

from __future__ import annotations

import numpy as np
import pytest

from tests.core.double_talk_scene import scene, silence_where_cancelled, somebody
from tests.core.rooms import as_pcm, echo_of, level_db, noise, room, voice
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.double_talk import DoubleTalk
from voicemode.core.hindsight import Recalled
from voicemode.core.linear_echo import FRAME

EARLY = round(1.2 * CAPTURE_RATE)


def again(double_talk: DoubleTalk) -> Recalled | None:
    """What a second hearing finds."""
    *_, recalled = [None, *double_talk.second_hearing()]
    return recalled


def early(seed: int, *, gain: float = 0.3) -> tuple[DoubleTalk, Samples]:
    """Somebody speaks 6 dB under the echo from 1.2 s on, before the filter is worth anything; and what was heard of them."""
    double_talk, person = DoubleTalk(), voice(6.0, seed + 1, 0.1 * 0.3 / 2)
    far = voice(6.0, seed)
    near = echo_of(far, room(seed, gain)) + noise(6.0, seed, 3e-4)
    near[EARLY:] += person[: len(near) - EARLY]
    silence_where_cancelled(as_pcm(near), as_pcm(far), double_talk=double_talk)
    return double_talk, as_pcm(person)


@pytest.mark.parametrize("silent", [0, 10 * FRAME])
@pytest.mark.parametrize("seed", range(6))
def test_a_second_hearing_has_what_was_said_before_the_echo_was_known(seed: int, silent: int) -> None:
    """The first half second of it, of which the canceller had left nothing; what differs from it is softer.

    The loudspeaker may have been silent since: it is paused for whoever speaks.
    """
    double_talk, person = early(seed)
    double_talk.rest(np.zeros(silent, np.int16))
    recalled = again(double_talk)
    assert recalled is not None
    assert recalled.age == len(recalled.sound) + silent
    sound = recalled.sound[recalled.age - silent - (6 * CAPTURE_RATE - EARLY) :][: CAPTURE_RATE // 2]
    said = person[: len(sound)]
    loud = np.abs(said).reshape(-1, FRAME).max(axis=1) > 300
    assert level_db((sound - said).reshape(-1, FRAME)[loud]) < level_db(said.reshape(-1, FRAME)[loud]) - 3


@pytest.mark.parametrize("seed", range(6))
def test_a_second_hearing_of_an_echo_alone_finds_nobody(seed: int) -> None:
    """However often it is heard."""
    double_talk = DoubleTalk()
    silence_where_cancelled(*scene(seed), double_talk=double_talk)
    assert again(double_talk) is None


def test_what_was_heard_before_the_loudspeaker_was_silent_for_long_is_not_heard_again() -> None:
    """Nor what was heard before it began anew."""
    double_talk, _ = early(1)
    double_talk.rest(np.zeros(5 * CAPTURE_RATE, np.int16))
    assert again(double_talk) is None
    double_talk, _ = early(1)
    near, far = (sound[: 10 * FRAME] for sound in scene(1))
    double_talk.rest(np.zeros(FRAME, np.int16))
    silence_where_cancelled(near, far, double_talk=double_talk)
    assert again(double_talk) is None


def test_with_headphones_nothing_is_heard_again() -> None:
    """There is no echo that could have hidden a word."""
    double_talk, _ = early(1, gain=0.0)
    assert list(double_talk.second_hearing()) == []


def test_a_second_hearing_changes_nothing_of_the_first() -> None:
    """What comes next is heard as if nobody had looked back."""
    near, far = scene(2, person=somebody(2, 0.015))
    half = 5 * CAPTURE_RATE
    untouched, double_talk = DoubleTalk(), DoubleTalk()
    for each in (untouched, double_talk):
        silence_where_cancelled(near[:half], far[:half], double_talk=each)
    assert again(double_talk) is not None
    rest = [silence_where_cancelled(near[half:], far[half:], double_talk=each).tolist() for each in (untouched, double_talk)]
    assert rest[0] == rest[1]
