"""A detector may rest while nothing is louder than the room, and misses nobody."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.attention import Attention
from voicemode.core.endpointing import EndpointEvent, EndpointingOptions, NobodySpoke, SpeechBegan, TurnEnded
from voicemode.core.level import NoiseFloor
from voicemode.core.listener import Listener
from voicemode.engines.silero_vad import SileroDetector
from voicemode.testing import FakeDetector, tone
from voicemode.wire.wav import decode_wav

CLIPS = sorted((Path(__file__).parents[1] / "clips").glob("*.wav"))
FLOOR_DBFS = -60.0


def awake(*levels_and_seconds: tuple[float, float]) -> bool:
    attention = Attention()
    for level_dbfs, seconds in levels_and_seconds:
        for _ in range(round(seconds * 100)):
            attention.push(level_dbfs, FLOOR_DBFS, 0.01)
    return attention.is_awake


class TestAttention:
    def test_what_is_no_louder_than_the_room_is_left_alone_after_a_second(self) -> None:
        """Pauses between words are shorter."""
        assert awake((FLOOR_DBFS, 1.0))
        assert not awake((FLOOR_DBFS, 1.02))

    def test_ten_milliseconds_over_the_room_wake_it_up(self) -> None:
        assert awake((FLOOR_DBFS, 5.0), (FLOOR_DBFS + 4, 0.01))

    def test_digital_silence_is_never_anybody(self) -> None:
        """Dither of a device without a microphone, whatever the floor is."""
        attention = Attention()
        for _ in range(200):
            attention.push(-80.0, NoiseFloor().dbfs, 0.01)
        assert not attention.is_awake

    def test_who_speaks_from_the_first_sample_on_is_no_room(self) -> None:
        """Their own voice is all that the noise floor knows at first."""
        attention = Attention()
        for _ in range(140):
            attention.push(-30.0, -30.0, 0.01)
        assert attention.is_awake


class Counting(FakeDetector):
    asked = 0

    def probability(self, frame: Samples) -> float:
        self.asked += 1
        return super().probability(frame)


def room(seconds: float, rms: float) -> Samples:
    return np.random.default_rng(3).normal(0, rms, round(seconds * CAPTURE_RATE)).astype(np.int16)


def turns(sound: Samples, *, rests: bool, block: int = 320) -> list[tuple[str, float]]:
    listener = Listener(SileroDetector(), EndpointingOptions(), rests=rests)
    events: list[EndpointEvent] = list(listener.begin(0))
    for at in range(0, len(sound), block):
        events += listener.push(sound[at : at + block])
    return [(type(event).__name__, event.at) for event in events if isinstance(event, SpeechBegan | TurnEnded | NobodySpoke)]


class TestListener:
    @pytest.mark.parametrize("clip", CLIPS, ids=lambda path: path.stem)
    @pytest.mark.parametrize("noise", [0.0, 10.0, 100.0])
    @pytest.mark.parametrize("gain", [1.0, 0.1])
    def test_turns_are_where_they_are_with_a_detector_that_never_rests(self, clip: Path, noise: float, gain: float) -> None:
        """Loud and 20 dB softer, in digital silence, in a quiet room and in a noisy one.

        The beginning may be later by a part of the pre-roll of 0.3 s, since noise before a word counts less; the end by two
        frames of the detector, or five where words drown in the noise.
        """
        speech = decode_wav(clip.read_bytes()).samples * gain
        silence = np.zeros(4 * CAPTURE_RATE)
        whole = np.concatenate([silence, speech, silence])
        sound = np.clip(whole + room(len(whole) / CAPTURE_RATE, noise), -32_768, 32_767).astype(np.int16)
        always, resting = turns(sound, rests=False), turns(sound, rests=True)
        assert [kind for kind, _ in resting] == [kind for kind, _ in always] == ["SpeechBegan", "TurnEnded"]
        (_, begins), (_, ends) = resting
        assert 0 <= begins - always[0][1] <= 0.128 + 1e-6
        assert abs(ends - always[1][1]) <= (0.160 if noise > 900 * gain else 0.064) + 1e-6

    def test_the_size_of_the_blocks_decides_nothing(self) -> None:
        """Sound that waited comes in longer ones."""
        sound = np.concatenate([room(3.0, 10.0), decode_wav(CLIPS[0].read_bytes()).samples, room(2.0, 10.0)]).astype(np.int16)
        assert turns(sound, rests=True, block=160) == turns(sound, rests=True, block=1_613)

    def test_in_a_quiet_room_the_detector_is_not_asked(self) -> None:
        """A second, and the pre-roll's ten frames once somebody speaks."""
        detector = Counting()
        listener = Listener(detector, EndpointingOptions(), rests=True)
        listener.push(room(10.0, 10.0))
        before = detector.asked
        listener.push(tone(0.32))
        assert before < 60
        assert detector.asked - before == 10 + 10
