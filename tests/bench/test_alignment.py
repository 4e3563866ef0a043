"""What the benchmark finds in sounds."""

from __future__ import annotations

import numpy as np
import pytest

from bench.alignment import clipping, dropouts, lateness_ms, locate, louder
from voicemode.audio import FULL_SCALE, AudioChunk

RATE = 16_000


def speech(seconds: float = 2.0, rate: int = RATE, seed: int = 7) -> AudioChunk:
    """Noise whose level moves like syllables: it looks like itself at one place only."""
    random = np.random.default_rng(seed)
    count = round(seconds * rate)
    smooth = np.convolve(random.standard_normal(count), np.hanning(9) / 4, "same")
    level = 0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(count) / rate)
    return AudioChunk((3000 * smooth * level).astype(np.int16), rate)


def silence(seconds: float, rate: int = RATE) -> AudioChunk:
    """Faint noise, as a microphone gives it."""
    random = np.random.default_rng(3)
    return AudioChunk((5 * random.standard_normal(round(seconds * rate))).astype(np.int16), rate)


def joined(*parts: AudioChunk) -> AudioChunk:
    return AudioChunk(np.concatenate([part.samples for part in parts]), parts[0].sample_rate)


def cut(sound: AudioChunk, first_s: float, last_s: float) -> AudioChunk:
    return AudioChunk(sound.samples[round(first_s * sound.sample_rate) : round(last_s * sound.sample_rate)], sound.sample_rate)


@pytest.mark.parametrize("before_s", [0.0, 0.25, 1.0])
def test_a_sound_is_found_where_it_was_put(before_s: float) -> None:
    """The offset is exact to a sample."""
    found = locate(speech(), joined(silence(before_s), speech(), silence(0.5)))
    assert found.offset_s == pytest.approx(before_s, abs=1 / RATE)
    assert found.correlation > 0.99


def test_a_sound_is_found_across_sample_rates() -> None:
    """The card runs at 48 kHz, uploads at 16 kHz."""
    low = cut(speech(2.0, 48_000), 0, 2)
    heard = joined(silence(0.5, 48_000), low)
    found = locate(AudioChunk(low.samples, 48_000), heard)
    assert found.offset_s == pytest.approx(0.5, abs=1 / RATE)


def test_a_stranger_does_not_correlate() -> None:
    """Another sound of the same kind is told apart."""
    assert locate(speech(seed=1), speech(seed=2)).correlation < 0.2


def test_nothing_is_missing_of_a_whole_utterance() -> None:
    """Silence before and after is no loss."""
    found = clipping(speech(), joined(silence(0.5), speech(), silence(0.2)))
    assert (found.head_ms, found.tail_ms) == (0.0, 0.0)
    assert abs(found.inner_ms) < 0.2


@pytest.mark.parametrize(("head_s", "tail_s"), [(0.1, 0.0), (0.0, 0.25), (0.02, 0.03)])
def test_what_is_cut_off_is_measured(head_s: float, tail_s: float) -> None:
    """Both ends on their own, to a tenth of a millisecond."""
    found = clipping(speech(), cut(speech(), head_s, 2.0 - tail_s))
    assert found.head_ms == pytest.approx(1000 * head_s, abs=0.1)
    assert found.tail_ms == pytest.approx(1000 * tail_s, abs=0.1)
    assert found.lost_ms == pytest.approx(1000 * max(head_s, tail_s), abs=0.1)


def test_a_gap_inside_is_measured() -> None:
    """50 ms that vanish between two words shorten the inside by as much."""
    whole = speech()
    found = clipping(whole, joined(silence(0.3), cut(whole, 0, 0.9), cut(whole, 0.95, 2.0), silence(0.3)))
    assert found.inner_ms == pytest.approx(50, abs=0.2)


def tone(seconds: float = 2.0, rate: int = 48_000) -> AudioChunk:
    return AudioChunk((9000 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.int16), rate)


def test_a_steady_tone_has_no_dropouts() -> None:
    """Silence around it is none either."""
    found = dropouts(joined(silence(0.5, 48_000), tone(), silence(0.5, 48_000)))
    assert found is not None
    assert (found.count, found.total_ms) == (0, 0.0)
    assert found.tone_s == pytest.approx(2.0, abs=0.05)


def test_breaks_in_a_tone_are_counted() -> None:
    """Two breaks of 20 and 45 ms: two, of 65 ms together."""
    broken = joined(tone(0.5), silence(0.02, 48_000), tone(0.5), silence(0.045, 48_000), tone(0.5))
    found = dropouts(broken)
    assert found is not None
    assert found.count == 2
    assert found.total_ms == pytest.approx(65, abs=5)
    assert found.longest_ms == pytest.approx(45, abs=5)


def test_no_tone_is_no_result() -> None:
    """A silent loudspeaker must not pass for a perfect one."""
    assert dropouts(silence(2.0, 48_000)) is None


def test_a_level_is_set() -> None:
    """RMS relative to full scale."""
    samples = louder(speech(), -20).samples.astype(np.float64)
    assert 20 * np.log10(np.sqrt(np.mean(samples**2)) / FULL_SCALE) == pytest.approx(-20, abs=0.05)


def test_a_late_engine_is_told_from_a_late_product() -> None:
    """Delay accumulates from the first piece; one that comes early does not make up for it."""
    assert lateness_ms([5.0, 5.1, 5.25, 5.3], 0.1) == pytest.approx(50)
    assert lateness_ms([5.0, 5.05], 0.1) == 0
    assert lateness_ms([], 0.1) == 0
