"""Many sessions share a few detectors, and each hears what it would hear with one of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.endpointing import EndpointingOptions, SpeechBegan, TurnEnded
from voicemode.core.listener import Listener
from voicemode.engines.detector_pool import DetectorPool
from voicemode.engines.silero_vad import SileroDetector
from voicemode.interfaces import SpeechDetector
from voicemode.testing import FakeDetector, tone
from voicemode.wire.wav import decode_wav

CLIPS = sorted((Path(__file__).parents[1] / "clips").glob("*.wav"))


def room(seconds: float, rms: float = 10.0) -> Samples:
    return np.random.default_rng(3).normal(0, rms, round(seconds * CAPTURE_RATE)).astype(np.int16)


def frames(sound: Samples) -> list[Samples]:
    return [sound[at : at + 512] for at in range(0, len(sound) - 511, 512)]


def turns(detector: SpeechDetector, sound: Samples) -> list[tuple[str, float]]:
    listener = Listener(detector, EndpointingOptions())
    events = listener.begin(0) + listener.push(sound)
    return [(type(event).__name__, event.at) for event in events if isinstance(event, SpeechBegan | TurnEnded)]


@pytest.mark.parametrize("clip", CLIPS, ids=lambda path: path.stem)
@pytest.mark.parametrize("noise", [0.0, 10.0, 100.0])
@pytest.mark.parametrize("gain", [1.0, 0.1])
def test_turns_are_where_they_are_with_a_detector_of_ones_own(clip: Path, noise: float, gain: float) -> None:
    """Loud and 20 dB softer, in digital silence, in a quiet room and in a noisy one: to a frame."""
    speech = np.concatenate(
        [np.zeros(2 * CAPTURE_RATE), decode_wav(clip.read_bytes()).samples * gain, np.zeros(2 * CAPTURE_RATE)]
    )
    sound = np.clip(speech + room(len(speech) / CAPTURE_RATE, noise), -32768, 32767).astype(np.int16)
    own, pooled = turns(SileroDetector(), sound), turns(DetectorPool(SileroDetector).detector(), sound)
    assert [kind for kind, _ in pooled] == [kind for kind, _ in own]
    assert all(abs(a - b) <= 0.064 for (_, a), (_, b) in zip(own, pooled, strict=True))


def test_a_silent_session_needs_none() -> None:
    """It has one while somebody speaks and a second longer."""
    pool = DetectorPool(FakeDetector)
    detector = pool.detector()
    for frame in frames(room(3.0)):
        detector.probability(frame)
    assert pool.lent == 0
    assert max(detector.probability(frame) for frame in frames(tone(0.5))) == 1.0
    assert pool.lent == 1
    for frame in frames(room(3.0)):
        detector.probability(frame)
    assert pool.lent == 0


def test_a_detector_that_wakes_up_has_heard_what_came_before() -> None:
    """A third of a second, in order."""
    heard: list[FakeDetector] = []

    def make() -> FakeDetector:
        heard.append(FakeDetector())
        return heard[-1]

    detector = DetectorPool(make).detector()
    sound = np.concatenate([room(3.0), tone(0.1)])
    for frame in frames(sound):
        detector.probability(frame)
    got = np.concatenate(heard[0].frames)
    end = len(frames(sound)) * 512
    assert len(got) >= 11 * 512
    assert np.array_equal(got, sound[end - len(got) : end])


def test_those_who_speak_at_once_have_one_each_and_give_it_back() -> None:
    """Also when their session ends in mid-word."""
    pool = DetectorPool(FakeDetector)
    sessions = [pool.detector() for _ in range(20)]
    for session in sessions:
        for frame in frames(tone(0.2)):
            session.probability(frame)
    assert pool.lent == 20
    sessions[0].reset()
    assert pool.lent == 19
    del session
    sessions.clear()
    assert pool.lent == 0
    assert len(pool._idle) == 8
