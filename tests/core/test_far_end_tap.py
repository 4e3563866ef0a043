"""The far end is read late, between samples, and never before it has come."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.rooms import noise
from voicemode.core.far_end_tap import FRAME, FarEndTap

seeds = st.integers(0, 10_000)


@settings(max_examples=20, deadline=None)
@given(position=st.floats(8, 8_000), seed=seeds)
def test_the_far_end_is_read_between_samples(position: float, seed: int) -> None:
    """Within 1 % of a slow wave at that very instant."""
    tap = FarEndTap(120.0)
    wave = 0.5 * np.sin(0.1 * np.arange(60 * FRAME) + seed).astype(np.float32)
    for frame in wave.reshape(-1, FRAME):
        tap.push(frame)
    tap.position = position
    instants = len(wave) - FRAME - position + np.arange(FRAME)
    assert np.abs(tap.read() - 0.5 * np.sin(0.1 * instants + seed)).max() < 0.005


def test_nothing_is_read_that_has_not_come_yet() -> None:
    """However far the clocks have drifted."""
    tap = FarEndTap(120.0)
    tap.push(noise(0.01, 1))
    tap.move(-1_000.0)
    assert tap.position >= 8
    assert tap.read().shape == (FRAME,)


@settings(max_examples=20, deadline=None)
@given(position=st.floats(8, 8_000), frames=st.integers(2, 24))
def test_a_long_read_is_what_short_ones_would_have_been(position: float, frames: int) -> None:
    """To the sample."""
    tap, read = FarEndTap(position, reach=24 * FRAME), []
    for seed in range(90):
        tap.push(noise(0.01, seed))
        read.append(tap.read())
    np.testing.assert_allclose(tap.read(frames * FRAME), np.concatenate(read[-frames:]), atol=1e-6)
