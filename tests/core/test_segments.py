"""Probabilities become segments with times."""

from __future__ import annotations

import itertools
import random

import pytest

from voicemode.core.segments import Segment, Segmenter, SegmentOptions

FRAME_S = 0.032


def segments(*stretches: tuple[float, float], segmenter: Segmenter | None = None) -> list[Segment]:
    """What becomes of stretches of (seconds, probability)."""
    segmenter = segmenter or Segmenter()
    found = [segmenter.push(p, FRAME_S) for seconds, p in stretches for _ in range(round(seconds / FRAME_S))]
    return [segment for segment in [*found, segmenter.finish()] if segment is not None]


def test_silence_has_no_segments() -> None:
    """No speech, nothing to transcribe."""
    assert segments((60, 0.02)) == []


def test_a_click_is_no_speech() -> None:
    """Two frames are shorter than any word."""
    assert segments((1, 0.0), (0.064, 0.9), (1, 0.0)) == []


def test_speech_gets_its_times_with_a_margin() -> None:
    """From a little before the first syllable to a little after the last."""
    (found,) = segments((2, 0.0), (3, 0.9), (2, 0.0))
    assert found.start == pytest.approx(1.8, abs=0.05)
    assert found.end == pytest.approx(5.2, abs=0.05)


def test_a_long_pause_separates_and_a_short_one_does_not() -> None:
    """A breath within a remark is none of its ends."""
    assert len(segments((2, 0.9), (1.5, 0.0), (2, 0.9))) == 2
    assert len(segments((2, 0.9), (0.5, 0.0), (2, 0.9))) == 1


def test_what_is_long_enough_ends_at_a_short_pause() -> None:
    """So that segments stay near the length that is wanted."""
    first, second = segments((9, 0.9), (0.5, 0.0), (9, 0.9))
    assert first.end == pytest.approx(9.2, abs=0.05)
    assert second.start == pytest.approx(9.3, abs=0.05)


def test_speech_without_a_pause_is_cut_where_it_is_weakest() -> None:
    """Not in the middle of a word, if there is anything better."""
    first, second = segments((20, 0.95), (0.25, 0.6), (20, 0.95))
    assert first.end == pytest.approx(20.12, abs=0.1)
    assert second.start == first.end
    assert second.end == pytest.approx(40.25, abs=0.05)


def test_speech_at_both_ends_of_the_sound_keeps_its_edges() -> None:
    """A margin never leads out of the sound."""
    (found,) = segments((3.008, 0.9))
    assert found.start == 0.0
    assert found.end == pytest.approx(3.008)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_comes_segments_are_in_order_and_short_and_lose_no_speech(seed: int) -> None:
    """A hundred random stretches: none overlap, none is longer than 30 s, and every second of speech is in one."""
    chance = random.Random(seed)
    stretches = [(chance.uniform(0.1, 25), chance.choice([0.0, 0.1, 0.4, 0.6, 0.99])) for _ in range(100)]
    segmenter = Segmenter()
    found: list[Segment] = []
    spoken: list[float] = []
    now = 0.0
    for seconds, probability in stretches:
        for _ in range(round(seconds / FRAME_S)):
            segment = segmenter.push(probability, FRAME_S)
            if probability > 0.5 and seconds > 0.2:
                spoken.append(now + FRAME_S / 2)
            now += FRAME_S
            if segment is not None:
                found.append(segment)
                assert segmenter.needed_from >= segment.end
    last = segmenter.finish()
    found += [last] if last is not None else []
    assert all(0 < segment.end - segment.start <= 30 for segment in found)
    assert all(before.end <= after.start for before, after in itertools.pairwise(found))
    left = iter(found)
    current = next(left)
    for instant in spoken:
        while instant > current.end:
            current = next(left)
        assert current.start <= instant


def test_what_is_needed_never_reaches_back_far() -> None:
    """A recording of any length is held in half a minute of memory."""
    segmenter = Segmenter()
    now = 0.0
    for frame in range(20_000):
        segmenter.push(0.9 if frame % 4000 < 3000 else 0.0, FRAME_S)
        now += FRAME_S
        assert now - segmenter.needed_from <= 30.0 + FRAME_S


def test_a_segment_never_begins_before_what_was_said_to_be_needed() -> None:
    """The sound before may be thrown away."""
    segmenter = Segmenter()
    needed = 0.0
    for frame in range(3000):
        segment = segmenter.push(0.9 if frame % 170 < 90 else 0.0, FRAME_S)
        assert segment is None or segment.start >= needed
        needed = segmenter.needed_from


def test_options_that_contradict_one_another_are_refused() -> None:
    """A margin wider than half a pause would make segments overlap."""
    with pytest.raises(ValueError, match="fit together"):
        SegmentOptions(margin_s=0.3)
