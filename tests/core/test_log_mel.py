"""What smart-turn sees is what it was trained on: compared with the definition, and with a published implementation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest

from voicemode.audio import Samples
from voicemode.core.log_mel import BANDS, FRAMES, log_mel

PUBLISHED = [
    ((0, 100), -0.08183),
    ((0, 510), 0.55498),
    ((2, 503), 1.73421),
    ((10, 560), 0.64549),
    ((25, 620), 0.84896),
    ((33, 700), -0.22153),
    ((40, 640), 1.60415),
    ((55, 760), 1.11390),
    ((66, 799), 0.02272),
    ((73, 500), 0.17145),
    ((79, 799), -0.18760),
]
"""What WhisperFeatureExtractor(chunk_length=8) of transformers 5.23 makes of ``mixture()`` with do_normalize=True, the zeros in
front: band, frame, value. Over the whole picture, of this and of a human clip, the largest difference was 2e-5."""


def mixture() -> Samples:
    """Three seconds: a rising tone, a beeping one, and a soft high one."""
    t = np.arange(3 * 16_000) / 16_000
    rising = 6_000 * np.sin(2 * np.pi * (100 * t + 600 * t * t))
    beeping = 2_000 * np.sin(2 * np.pi * 1_234 * t) * (t % 0.3 < 0.15)
    samples: Samples = np.rint(rising + beeping + 40 * np.cos(2 * np.pi * 6_500 * t)).astype(np.int16)
    return samples


def slaney_hertz(mel: float) -> float:
    """Malcolm Slaney's scale: 200/3 Hz a step up to 1,000 Hz, then 27 steps to every factor of 6.4."""
    return mel * 200 / 3 if mel < 15 else 1_000 * 6.4 ** ((mel - 15) / 27)


def band_by_definition(frame: npt.NDArray[np.float64], band: int) -> float:
    """The energy of one band of 400 samples: every sum written out."""
    top = 15 + 27 * math.log(8) / math.log(6.4)
    low, middle, high = (slaney_hertz(top * (band + k) / 81) for k in range(3))
    windowed = [x * math.sin(math.pi * n / 400) ** 2 for n, x in enumerate(frame)]
    energy = 0.0
    for k in range(201):
        hertz = 40 * k
        if low < hertz < high:
            share = (hertz - low) / (middle - low) if hertz <= middle else (high - hertz) / (high - middle)
            turn = 2 * math.pi * k / 400
            real = sum(x * math.cos(turn * n) for n, x in enumerate(windowed))
            imaginary = sum(x * math.sin(turn * n) for n, x in enumerate(windowed))
            energy += share * 2 / (high - low) * (real * real + imaginary * imaginary)
    return energy


@pytest.mark.parametrize(("place", "value"), PUBLISHED)
def test_it_agrees_with_a_published_implementation(place: tuple[int, int], value: float) -> None:
    """Each value to the fifth digit: below the resolution of the quantised model."""
    assert log_mel(mixture())[place] == pytest.approx(value, abs=3e-5)


@pytest.mark.parametrize(("band", "frame"), [(0, 600), (12, 520), (30, 650), (45, 700), (60, 777)])
def test_it_agrees_with_the_definition(band: int, frame: int) -> None:
    """A transform, a triangle and a logarithm, computed sum by sum, give the same."""
    window = np.concatenate([np.zeros(5 * 16_000), mixture() / 32_768])
    window = (window - window.mean()) / np.sqrt(window.var() + 1e-7)
    expected = math.log10(max(band_by_definition(window[frame * 160 - 200 : frame * 160 + 200], band), 1e-10))
    assert log_mel(mixture())[band, frame] == pytest.approx((expected + 4) / 4, abs=1e-4)


def test_what_is_shorter_stands_at_the_end_behind_zeros() -> None:
    """The model was trained with the end of the turn at the right edge."""
    sound = mixture()
    padded = np.concatenate([np.zeros(5 * 16_000, np.int16), sound])
    assert np.array_equal(log_mel(sound), log_mel(padded))
    picture = log_mel(sound)
    assert (picture[5:, :490] == picture.min()).all()
    assert (picture[5:, 502:] > picture.min()).any(axis=0).all()


def test_only_the_last_eight_seconds_count() -> None:
    """A long turn costs no more than a short one."""
    late = np.tile(mixture(), 3)[-8 * 16_000 :]
    assert np.array_equal(log_mel(np.concatenate([np.full(50_000, 9_000, np.int16), late])), log_mel(late))


@pytest.mark.parametrize("samples", [np.zeros(0, np.int16), np.zeros(9, np.int16), np.full(200_000, -32_768, np.int16)])
def test_silence_and_full_scale_are_finite_pictures(samples: Samples) -> None:
    """Nothing divides by zero, and the shape is always the model's."""
    picture = log_mel(samples)
    assert picture.shape == (BANDS, FRAMES)
    assert picture.dtype == np.float32
    assert np.isfinite(picture).all()


def test_loudness_makes_no_difference() -> None:
    """A quiet talker gets the score of a loud one: three times as loud, the picture is the same."""
    assert log_mel(mixture() * np.int16(3)) == pytest.approx(log_mel(mixture()), abs=1e-3)
