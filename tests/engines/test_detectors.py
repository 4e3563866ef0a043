"""Both detectors hear people, not silence, and keep nothing after reset."""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest

from voicemode.audio import Samples
from voicemode.engines.silero_vad import SileroDetector
from voicemode.engines.webrtc_vad import WebrtcDetector
from voicemode.interfaces import SpeechDetector

CLIP = Path(__file__).parents[1] / "clips/go_forward_ten_meters.wav"


def _clip() -> Samples:
    with wave.open(str(CLIP)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)


def _probabilities(detector: SpeechDetector, samples: Samples) -> list[float]:
    size = detector.frame_samples
    return [detector.probability(samples[at : at + size]) for at in range(0, len(samples) - size, size)]


@pytest.fixture(params=[SileroDetector, WebrtcDetector], ids=["silero", "webrtcvad"])
def detector(request: pytest.FixtureRequest) -> SpeechDetector:
    """One of the two, fresh."""
    made: SpeechDetector = request.param()
    return made


def test_a_person_is_heard(detector: SpeechDetector) -> None:
    """In a clip that is mostly words, at least a third of the frames are speech, and all are probabilities."""
    probabilities = _probabilities(detector, _clip())
    assert all(0.0 <= p <= 1.0 for p in probabilities)
    assert sum(p > 0.5 for p in probabilities) > len(probabilities) / 3


def test_silence_is_not_speech(detector: SpeechDetector) -> None:
    """Two seconds of zeros contain no frame of speech."""
    assert max(_probabilities(detector, np.zeros(32_000, dtype=np.int16))) < 0.5


def test_reset_forgets_the_past(detector: SpeechDetector) -> None:
    """After reset the same sound gets the same judgement as the first time."""
    first = _probabilities(detector, _clip())
    detector.reset()
    assert _probabilities(detector, _clip()) == first


@pytest.mark.parametrize("size", [0, 1, 479, 513, 1024])
def test_a_frame_of_another_size_is_refused(detector: SpeechDetector, size: int) -> None:
    """A wrong frame is the caller's mistake, said at once instead of judged wrongly."""
    with pytest.raises(ValueError, match="samples"):
        detector.probability(np.zeros(size, dtype=np.int16))
