"""What the benchmark of ``heard`` takes for the truth: how much of a message a recording of the loudspeaker contains."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import soxr

from bench.heard import Trial, audible_s, reference, words_heard
from tests.stubs.spoken_words import SpokenWord, spoken_words
from voicemode.audio import AudioChunk, Samples

CARD_RATE, RATE = 48_000, 24_000
WORDS = (SpokenWord("one", 0.0, 0.4), SpokenWord("two,", 0.5, 0.9), SpokenWord("three.", 1.2, 1.6))

needs_espeak = pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="espeak-ng is not installed")


def voice(seconds: float = 4.0, seed: int = 2) -> Samples:
    """Noise with the rhythm of syllables, which looks like itself at one place only."""
    count = round(seconds * RATE)
    smooth = np.convolve(np.random.default_rng(seed).standard_normal(count), np.hanning(15) / 5, "same")
    made: Samples = (4000 * smooth * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * np.arange(count) / RATE))).astype(np.int16)
    return made


def recorded(played: Samples, *, ducked_from_s: float | None = None, silence_s: float = 1.0) -> AudioChunk:
    """What the loudspeaker's recorder has of it."""
    sound = played.astype(np.float64)
    if ducked_from_s is not None:
        sound[round(ducked_from_s * RATE) :] *= 0.25
    quiet = np.zeros(round(silence_s * CARD_RATE))
    at_card = soxr.resample(sound, RATE, CARD_RATE)
    return AudioChunk(np.concatenate([quiet, at_card, quiet]).astype(np.int16), CARD_RATE)


@pytest.mark.parametrize("stopped_s", [0.3, 1.0, 2.345, 4.0])
@pytest.mark.parametrize("ducked", [False, True])
def test_a_recording_tells_how_far_the_message_came(stopped_s: float, ducked: bool) -> None:
    """To a hundredth of a second, also where its end was played more softly."""
    message = voice()
    ducked_from_s = max(stopped_s - 0.2, 0.0) if ducked else None
    recording = recorded(message[: round(stopped_s * RATE)], ducked_from_s=ducked_from_s)
    seconds, likeness = audible_s(AudioChunk(message, RATE), recording)
    assert seconds == pytest.approx(stopped_s, abs=0.011)
    assert likeness > 0.8


def test_a_stop_in_a_pause_is_the_end_of_the_word_before() -> None:
    """Silence is no sound."""
    message = np.concatenate([voice(1.0), np.zeros(RATE, np.int16), voice(1.0, seed=3)])
    seconds, _ = audible_s(AudioChunk(message, RATE), recorded(message[: round(1.6 * RATE)]))
    assert seconds == pytest.approx(1.0, abs=0.011)


def test_of_what_went_on_after_a_pause_the_last_sound_counts() -> None:
    """It was halted for a second, and went on a little earlier."""
    message = voice()
    played = np.concatenate([message[: 2 * RATE], np.zeros(RATE, np.int16), message[round(1.8 * RATE) : 3 * RATE]])
    seconds, _ = audible_s(AudioChunk(message, RATE), recorded(played))
    assert seconds == pytest.approx(3.0, abs=0.011)


def test_in_a_silent_recording_nothing_was_audible() -> None:
    """Neither sound nor certainty."""
    assert audible_s(AudioChunk(voice(), RATE), AudioChunk(np.zeros(CARD_RATE, np.int16), CARD_RATE)) == (0.0, 0.0)


@pytest.mark.parametrize(("seconds", "count"), [(0.0, 0), (0.19, 0), (0.21, 1), (0.6, 1), (0.95, 2), (1.41, 3), (9.0, 3)])
def test_a_word_counts_when_most_of_it_was_audible(seconds: float, count: int) -> None:
    """Its middle decides."""
    assert words_heard(WORDS, seconds) == count


def test_an_error_is_positive_where_too_much_is_told() -> None:
    """Told less audible."""
    assert Trial("by key", 1.0, 1.1, 1.0, words=3, told=5).error == 2


@needs_espeak
def test_the_pieces_of_a_message_lie_one_behind_the_other() -> None:
    """The words of the second begin where the sound of the first ends, its pause included."""
    sound, words = reference(["One two.", "Three."])
    first, _ = spoken_words("One two.")
    assert [word.text for word in words] == ["One", "two.", "Three."]
    assert words[2].begin_s == pytest.approx(len(first) / RATE)
    assert sound.seconds == pytest.approx(words[2].end_s + 0.4)
