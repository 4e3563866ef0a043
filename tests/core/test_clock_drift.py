"""Two clocks: how fast they part is known after some seconds, and a jump of the echo is not taken for it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.core.clock_drift import ClockDrift

FRAME = 160


def followed(
    drift: ClockDrift, ppm: float, *, seconds: float, place: float = 1_000.0, noise: float = 0.3, seed: int = 0
) -> float:
    """Five places in a second are found that long; where the echo is in the end."""
    chance = np.random.default_rng(seed)
    for frame in range(round(seconds * 100)):
        drift.tick()
        place += ppm * 1e-6 * FRAME
        if frame % 20 == 0:
            drift.found(place + float(chance.normal(0, noise)))
    return place


@settings(max_examples=50)
@given(ppm=st.integers(-150, 150), seed=st.integers(0, 999))
def test_the_drift_is_known_to_ten_ppm_after_six_seconds_and_to_two_after_thirty(ppm: int, seed: int) -> None:
    """Where each place is off by a third of a sample."""
    drift = ClockDrift()
    place = followed(drift, ppm, seconds=6, seed=seed)
    assert drift.ppm == pytest.approx(ppm, abs=10)
    followed(drift, ppm, seconds=24, place=place, seed=seed + 1)
    assert drift.ppm == pytest.approx(ppm, abs=2)


def test_nothing_is_known_without_a_second_place() -> None:
    """The same number again is the same measurement."""
    drift = ClockDrift()
    for _ in range(100):
        drift.tick()
        drift.found(1_000.0)
    assert drift.ppm == 0


@pytest.mark.parametrize("jump", [-4_000.0, -5.0, 5.0, 600.0])
def test_a_jump_of_the_echo_is_no_drift(jump: float) -> None:
    """What was known of the clocks holds on, and is known more precisely again."""
    drift = ClockDrift()
    place = followed(drift, 40, seconds=10)
    place = followed(drift, 40, seconds=0.5, place=place + jump)
    assert drift.ppm == pytest.approx(40, abs=8)
    followed(drift, 40, seconds=10, place=place)
    assert drift.ppm == pytest.approx(40, abs=3)


def test_other_devices_have_other_clocks() -> None:
    """Told to have jumped, the old rate is believed less than what comes."""
    drift = ClockDrift()
    followed(drift, 100, seconds=30)
    drift.jumped()
    assert drift.ppm == pytest.approx(100, abs=2)
    followed(drift, -60, seconds=6)
    assert drift.ppm == pytest.approx(-60, abs=12)


def test_a_silence_counts_as_time() -> None:
    """A place that is found after a minute lies as far away as the clocks say."""
    drift = ClockDrift()
    place = followed(drift, 50, seconds=10, noise=0.05)
    for _ in range(6_000):
        drift.tick()
    drift.found(place + 50e-6 * FRAME * 6_000)
    assert drift.ppm == pytest.approx(50, abs=1)


def test_no_two_sound_cards_are_that_far_apart() -> None:
    """What is found is bounded."""
    drift = ClockDrift()
    for frame in range(200):
        drift.tick()
        drift.found(1_000.0 + 0.5 * frame)
    assert drift.ppm == pytest.approx(250)
