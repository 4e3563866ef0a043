"""Resampling keeps length, pitch and level, and no block border is audible."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import Samples
from voicemode.core.resample import StreamResampler


def sine(hertz: float, rate: int, seconds: float = 0.5, amplitude: float = 16_000) -> Samples:
    return np.rint(amplitude * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype(np.int16)


def resampled(samples: Samples, source: int, target: int, block: int) -> Samples:
    resampler = StreamResampler(source, target)
    blocks = [resampler.push(samples[at : at + block]) for at in range(0, len(samples), block)]
    return np.concatenate([*blocks, resampler.flush()])


def test_equal_rates_pass_through() -> None:
    """A device at the pipeline's rate costs nothing and changes nothing."""
    resampler, block = StreamResampler(16_000, 16_000), sine(440, 16_000)
    assert resampler.push(block) is block
    assert len(resampler.flush()) == 0


@pytest.mark.parametrize(("source", "target"), [(48_000, 16_000), (44_100, 16_000), (8_000, 16_000), (24_000, 48_000)])
def test_a_tone_keeps_its_pitch_and_level(source: int, target: int) -> None:
    """1 kHz in is 1 kHz out, as loud, and nothing else is: what remains without it is rounding."""
    out = resampled(sine(1000, source), source, target, source // 100).astype(np.float64)
    phase = 2 * np.pi * 1000 * np.arange(len(out)) / target
    tone = np.stack((np.sin(phase), np.cos(phase)), axis=1)[1000:-1000]
    (in_phase, quadrature), *_ = np.linalg.lstsq(tone, out[1000:-1000])
    assert np.hypot(in_phase, quadrature) == pytest.approx(16_000, rel=0.001)
    assert np.abs(out[1000:-1000] - tone @ (in_phase, quadrature)).max() <= 4


def test_what_the_target_rate_cannot_carry_vanishes() -> None:
    """11 kHz at 48 kHz would fold to 5 kHz at 16 kHz, into the middle of speech."""
    out = resampled(sine(11_000, 48_000), 48_000, 16_000, 480)
    assert np.abs(out[2000:-2000]).max() <= 1


def test_full_scale_does_not_wrap() -> None:
    """A filter overshoots on a full-scale square wave; a flipped sign would be a loud click."""
    square = np.where(sine(200, 24_000) >= 0, 32_767, -32_768).astype(np.int16)
    out = resampled(square, 24_000, 48_000, 240).astype(np.int32)
    middle = out[2000:-2000]
    assert middle.max() == 32_767
    signs = np.sign(middle[np.abs(middle) > 20_000])
    assert np.count_nonzero(np.diff(signs)) == pytest.approx(2 * 200 * len(middle) / 48_000, abs=2)


def test_zeros_stay_zeros() -> None:
    """A muted microphone is recognized by exact zeros, so no dither may be added."""
    assert not resampled(np.zeros(4800, dtype=np.int16), 48_000, 16_000, 480).any()


def test_output_follows_the_input_closely() -> None:
    """The end of a turn waits for this delay: at most 15 ms at every block, never a burst."""
    resampler, got = StreamResampler(48_000, 16_000), 0
    for block in range(1, 50):
        got += len(resampler.push(np.zeros(480, dtype=np.int16)))
        assert block * 160 - got <= 240


def test_a_resampler_is_ready_again_after_flush() -> None:
    """The next piece of speech starts a new stream with nothing of the old one in it."""
    resampler, tone = StreamResampler(44_100, 16_000), sine(500, 44_100, 0.1)[:1001]
    first, *others = [np.concatenate([resampler.push(tone), resampler.flush()]).tolist() for _ in range(4)]
    assert others == [first] * 3
    assert len(resampler.flush()) == 0


@pytest.mark.parametrize("rates", [(0, 16_000), (16_000, -1)])
def test_a_rate_must_be_positive(rates: tuple[int, int]) -> None:
    """Zero hertz is a defect of the caller."""
    with pytest.raises(ValueError, match="cannot resample"):
        StreamResampler(*rates)


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from([(48_000, 16_000), (44_100, 16_000), (22_050, 48_000), (24_000, 16_000), (16_000, 44_100)]),
    st.lists(st.integers(0, 2000), max_size=8),
)
def test_cutting_changes_nothing(rates: tuple[int, int], sizes: list[int]) -> None:
    """Any blocks give the same samples as one block (so no click at a border), of the exact length."""
    source, target = rates
    stream = sine(700, source, sum(sizes) / source)
    resampler, out, at = StreamResampler(source, target), [], 0
    for size in sizes:
        out.append(resampler.push(stream[at : at + size]))
        at += size
    joined = np.concatenate([*out, resampler.flush()])
    assert len(joined) == round(len(stream) * target / source)
    assert joined.tolist() == resampled(stream, source, target, max(len(stream), 1)).tolist()
