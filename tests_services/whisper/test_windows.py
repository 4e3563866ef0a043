"""Sound is cut where nobody speaks."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from voicemode_service.decode import RATE, blocks
from voicemode_whisper.windows import WINDOW_S, windows

from tests_services.running import CLIP


@pytest.fixture(scope="module")
def clip() -> NDArray[np.float32]:
    with CLIP.open("rb") as file:
        return np.concatenate(list(blocks(file, max_s=60)))


def quiet(seconds: float) -> NDArray[np.float32]:
    return np.zeros(round(seconds * RATE), np.float32)


def test_silence_gives_windows_without_sound() -> None:
    """So nothing is invented for it."""
    found = list(windows(iter([quiet(70)]), vad=True))
    assert [window.samples.size for window in found] == [0] * len(found)
    assert [window.final for window in found][-1]
    assert found[-1].end == 70


def test_nothing_is_one_empty_window() -> None:
    """Whoever waits for the last one is answered."""
    (window,) = windows(iter([]), vad=True)
    assert (window.final, window.samples.size, window.end) == (True, 0, 0)


def test_windows_follow_one_another_and_none_is_too_long(clip: NDArray[np.float32]) -> None:
    """Together they are the whole sound, however it comes."""
    whole = np.concatenate([clip, quiet(1.5)] * 20)
    for vad in (True, False):
        found = list(windows(iter(np.array_split(whole, 700)), vad=vad))
        assert [window.begin for window in found[1:]] == [window.end for window in found[:-1]]
        assert found[-1].end == pytest.approx(whole.size / RATE)
        assert max(window.samples.size for window in found) <= WINDOW_S * RATE
        assert [window.final for window in found] == [False] * (len(found) - 1) + [True]


def test_a_cut_lies_in_a_pause(clip: NDArray[np.float32]) -> None:
    """No word is cut in two: 50 ms on both sides of it are silent."""
    whole = np.concatenate([clip, quiet(1.5)] * 20)
    for window in list(windows(iter([whole]), vad=True))[:-1]:
        at = round(window.end * RATE)
        assert np.abs(whole[at - 800 : at + 800]).max() < 0.02


def test_moments_are_those_of_the_whole_sound(clip: NDArray[np.float32]) -> None:
    """Though ten seconds of silence before and between were left out."""
    (window,) = windows(iter([quiet(5), clip, quiet(10), clip]), vad=True)
    first, second = window.pieces
    assert 5 < window.span(0, 1)[0] < 5.5
    start, end = window.span((first[1] - first[0]) / RATE, window.samples.size / RATE)
    assert 17.5 < start < 18.4
    assert end == pytest.approx(second[1] / RATE)
