"""Levels are in dBFS, and the noise floor is the room, not the talker."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import FULL_SCALE, Samples
from voicemode.core.level import Leveller, NoiseFloor, amplified, is_clipped, peak_dbfs, rms_dbfs
from voicemode.testing import tone


def constant(value: int, n: int = 160) -> Samples:
    return np.full(n, value, dtype=np.int16)


def white_noise(dbfs: float, seconds: float, seed: int = 1) -> Samples:
    scale = 32_768 * 10 ** (dbfs / 20)
    return np.rint(np.random.default_rng(seed).standard_normal(round(seconds * 16_000)) * scale).astype(np.int16)


def floor_after(floor: NoiseFloor, samples: Samples) -> float:
    for at in range(0, len(samples) - 159, 160):
        floor.push(rms_dbfs(samples[at : at + 160]), 0.01)
    return floor.dbfs


@pytest.mark.parametrize(
    ("samples", "rms", "peak"),
    [
        (constant(-32_768), 0.0, 0.0),
        (constant(16_384), -6.02, -6.02),
        (constant(1), -90.31, -90.31),
        (constant(0), -96.0, -96.0),
        (constant(0, 0), -96.0, -96.0),
        (np.array([16_384, 0, 0, 0], dtype=np.int16), -12.04, -6.02),
    ],
)
def test_levels_of_known_sounds(samples: Samples, rms: float, peak: float) -> None:
    """Full scale is 0 dBFS, half of it -6, zeros and nothing are -96; the loudest negative sample does not overflow."""
    assert rms_dbfs(samples) == pytest.approx(rms, abs=0.01)
    assert peak_dbfs(samples) == pytest.approx(peak, abs=0.01)


@pytest.mark.parametrize("dbfs", [-70.0, -45.0, -30.0])
def test_steady_noise_is_the_floor(dbfs: float) -> None:
    """Within half a second the floor is within 1.5 dB of the noise's level."""
    assert floor_after(NoiseFloor(), white_noise(dbfs, 0.5)) == pytest.approx(dbfs, abs=1.5)


def test_the_first_frame_is_the_first_floor() -> None:
    """There is no time to wait for a window to fill."""
    assert NoiseFloor().push(-50, 0.01) == pytest.approx(-50, abs=1.5)


def test_noise_that_begins_in_mid_call_becomes_the_floor() -> None:
    """A fan that starts is the floor within 2 s, so it cannot keep a turn open."""
    floor = NoiseFloor()
    floor_after(floor, white_noise(-65, 3))
    assert floor_after(floor, white_noise(-40, 1)) < -60
    assert floor_after(floor, white_noise(-40, 1)) == pytest.approx(-40, abs=1.5)


def test_the_floor_falls_at_once() -> None:
    """When the fan stops, quiet words count again within 50 ms."""
    floor = NoiseFloor()
    floor_after(floor, white_noise(-40, 3))
    assert floor_after(floor, white_noise(-65, 0.06)) == pytest.approx(-65, abs=1.5)


def test_words_do_not_raise_the_floor() -> None:
    """Pauses of 80 ms between words of 1 s are enough to see the room."""
    floor = NoiseFloor()
    speech = [np.concatenate((white_noise(-20, 1.0, seed), white_noise(-60, 0.08, seed + 9))) for seed in range(4)]
    assert floor_after(floor, np.concatenate(speech)) == pytest.approx(-60, abs=3)


def test_digital_silence_is_not_quieter_than_a_room() -> None:
    """The floor stops at -75 dBFS, else the faintest breath would look loud."""
    floor = NoiseFloor()
    floor_after(floor, white_noise(-60, 1))
    assert floor_after(floor, constant(0, 16_000)) == -75


def test_zeros_of_a_device_that_starts_teach_nothing() -> None:
    """The first real frame sets the floor, although 100 ms of zeros came before it."""
    floor = NoiseFloor()
    floor_after(floor, constant(0, 1600))
    assert floor.push(-50, 0.01) == pytest.approx(-50, abs=1.5)


def test_before_any_sound_the_floor_is_the_lowest() -> None:
    """-75 dBFS, not minus infinity."""
    assert NoiseFloor().dbfs == -75


def test_quiet_frames_are_raised_and_loud_ones_are_not() -> None:
    """A detector hears a quiet talker 12 dB louder, a normal one as he is."""
    assert rms_dbfs(Leveller().push(white_noise(-50, 0.032))) == pytest.approx(-38, abs=1)
    loud = white_noise(-15, 0.032)
    assert Leveller().push(loud).tolist() == loud.tolist()


def test_gain_falls_at_once_and_returns_slowly() -> None:
    """The pause after a loud word is not pumped up to look like speech."""
    leveller = Leveller()
    leveller.push(white_noise(-15, 0.032))
    assert rms_dbfs(leveller.push(white_noise(-60, 0.032))) == pytest.approx(-60, abs=1)
    for _ in range(50):
        raised = leveller.push(white_noise(-60, 0.032))
    assert rms_dbfs(raised) == pytest.approx(-48, abs=1)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.floats(-96, 0), min_size=1, max_size=60))
def test_the_floor_lies_between_its_limits(levels: list[float]) -> None:
    """Never under -75 dBFS, never over the loudest frame of the window by more than its correction."""
    floor = NoiseFloor()
    for level in levels:
        floor.push(level, 0.01)
    assert -75 <= floor.dbfs <= max(max(levels) + 1.01, -75)


def test_sound_that_is_cut_off_at_full_scale_is_told_from_loud_sound() -> None:
    """A few samples at full scale are a door; a share of them is a microphone that is too loud."""
    loud = tone(1.0, dbfs=-0.1)
    assert not is_clipped(loud)
    assert not is_clipped(loud[:0])
    cut = np.clip(loud.astype(np.int32) * 2, -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    assert is_clipped(cut)
    door = loud.copy()
    door[100:110] = FULL_SCALE - 1
    assert not is_clipped(door)


@pytest.mark.parametrize("gain_db", [-18.0, 0.0, 6.0, 12.0])
def test_amplified_speech_is_louder_and_never_wraps(gain_db: float) -> None:
    """Soft sound gets exactly as much louder; what would leave full scale is rounded off and keeps its sign."""
    soft = tone(0.1, dbfs=-40.0)
    assert rms_dbfs(amplified(soft, gain_db)) == pytest.approx(rms_dbfs(soft) + gain_db, abs=0.1)
    full = tone(0.1, dbfs=0.0)
    louder = amplified(full, gain_db)
    assert np.all(np.sign(louder.astype(np.int32)) * np.sign(full.astype(np.int32)) >= 0)
    assert peak_dbfs(louder) <= 0.0
