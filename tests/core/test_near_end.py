"""Sound of the microphone and of the loudspeaker becomes the facts that an interruption is judged by."""

from __future__ import annotations

import numpy as np
import pytest

from voicemode.audio import Samples
from voicemode.core.near_end import FRAME_SAMPLES, NearEndMeter
from voicemode.testing import FakeDetector


def frame(amplitude: int) -> Samples:
    return np.resize(np.array([amplitude, -amplitude], np.int16), FRAME_SAMPLES)


def test_each_level_is_that_of_its_own_signal() -> None:
    """Half of full scale is -6 dBFS, a hundredth -40; silence is -96."""
    meter = NearEndMeter(FakeDetector())
    facts = meter.push(frame(16_384), frame(328), frame(0))
    assert facts.seconds == pytest.approx(0.01)
    assert (facts.raw_dbfs, facts.cleaned_dbfs, facts.far_end_dbfs) == pytest.approx((-6.0, -40.0, -96.0), abs=0.1)


def test_speech_is_looked_for_in_the_cleaned_signal() -> None:
    """Echo in the raw microphone does not make the detector fire; a voice that the canceller leaves does."""
    meter = NearEndMeter(FakeDetector())
    echo = [meter.push(frame(8_000), frame(1), frame(8_000)).probability for _ in range(20)]
    assert max(echo) < 0.5
    voice = [meter.push(frame(8_000), frame(8_000), frame(8_000)).probability for _ in range(20)]
    assert voice[-1] >= 0.5


def test_the_noise_floor_is_the_cleaned_signals() -> None:
    """After two seconds of hiss it is the hiss's level, however loud the loudspeaker is."""
    meter = NearEndMeter(FakeDetector())
    for _ in range(200):
        facts = meter.push(frame(8_000), frame(33), frame(8_000))
    assert facts.noise_floor_dbfs == pytest.approx(-59, abs=1.5)
