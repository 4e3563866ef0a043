"""Resampling by a ratio of small numbers: what passes, what does not, how late it is, and that cutting changes nothing."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import Samples
from voicemode.core.polyphase import Floats, PolyphaseFilter

RATIOS = [(3, 2), (3, 1), (2, 1), (1, 2), (1, 3), (2, 3)]
EACH_RATIO = pytest.mark.parametrize(("source", "target"), RATIOS)


def tone(share: float, source: int, target: int, count: int = 6_000) -> Samples:
    """At this share of half the lower rate."""
    cycles = share * min(source, target) / (2 * source) * np.arange(count)
    samples: Samples = np.rint(16_000 * np.sin(2 * np.pi * cycles)).astype(np.int16)
    return samples


def after(samples: Samples, source: int, target: int) -> Floats:
    """The middle of what comes out."""
    resampler = PolyphaseFilter(source, target)
    whole: Floats = np.concatenate((resampler.push(samples), resampler.flush()))
    return whole[800:1_500]


@EACH_RATIO
@pytest.mark.parametrize("share", [0.05, 0.5, 0.91])
def test_speech_passes_as_it_is(source: int, target: int, share: float) -> None:
    """Up to 7.3 kHz of 16: every sample is where the tone is at that time, but for rounding."""
    cycles = share * min(source, target) / (2 * target) * np.arange(800, 1_500)
    wanted = 16_000 * np.sin(2 * np.pi * cycles)
    assert np.abs(after(tone(share, source, target), source, target) - wanted).max() < 2.0


@pytest.mark.parametrize(("source", "target"), [ratio for ratio in RATIOS if ratio[0] > ratio[1]])
@pytest.mark.parametrize("share", [1.01, 1.3])
def test_nothing_folds_into_speech(source: int, target: int, share: float) -> None:
    """What the lower rate cannot carry is gone: less than one step of 16 bits is left."""
    assert np.abs(after(tone(share, source, target), source, target)).max() < 1.0


@EACH_RATIO
def test_it_is_a_few_milliseconds_behind(source: int, target: int) -> None:
    """Each turn waits for it; soxr is 10 ms behind and more."""
    resampler, rate, got = PolyphaseFilter(source, target), 16_000 / min(source, target), 0
    for block in range(1, 40):
        got += len(resampler.push(np.zeros(round(rate * source / 100), np.int16)))
        assert got >= (block * 0.010 - 0.0065) * rate * target


@settings(deadline=None)
@given(st.sampled_from(RATIOS), st.lists(st.integers(0, 4_000), max_size=6), st.integers(0, 2**32 - 1))
def test_cutting_changes_not_one_bit(ratio: tuple[int, int], sizes: list[int], seed: int) -> None:
    """In whatever order a processor adds the products of a block."""
    stream = np.random.default_rng(seed).integers(-32_768, 32_768, sum(sizes)).astype(np.int16)
    cut, whole = PolyphaseFilter(*ratio), PolyphaseFilter(*ratio)
    edges = np.cumsum([0, *sizes])
    parts = [cut.push(stream[begin:end]) for begin, end in itertools.pairwise(edges.tolist())]
    joined = np.concatenate([*parts, cut.flush()])
    expected = np.concatenate([whole.push(stream), whole.flush()])
    length = round(len(stream) * ratio[1] / ratio[0])
    assert joined[:length].tolist() == expected[:length].tolist()
    assert len(joined) >= length
