"""The cues of an end of turn: each in a sound that was made to have it."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import Samples
from voicemode.core.prosody import WEIGHTS, ProsodyFacts, cues, prosody_score, read_prosody

RATE = 16_000


def syllables(*notes: tuple[float, float, float], length_s: float = 0.18) -> Samples:
    """A voice in syllables: of each, the pitch it begins and ends with in Hz, and its loudness from 0 to 1."""
    sound = []
    for begin, end, loudness in notes:
        n = round(length_s * RATE)
        phase = 2 * np.pi * np.cumsum(np.linspace(begin, end, n)) / RATE
        shape = np.sin(np.pi * (np.arange(n) + 0.5) / n) ** 0.5
        sound.append(4_000 * loudness * shape * sum(np.sin(k * phase) / k for k in range(1, 9)))
    samples: Samples = np.rint(np.concatenate(sound)).astype(np.int16)
    return samples


def hush(seconds: float, level: float = 5.0) -> Samples:
    return np.random.default_rng(5).normal(0, level, round(seconds * RATE)).astype(np.int16)


def said(*parts: Samples) -> Samples:
    """The parts one after the other, in a quiet room, with 0.3 s of it behind them."""
    return np.concatenate([hush(0.2), *parts, hush(0.3)])


BODY = [(150.0, 160.0, 1.0), (160.0, 150.0, 0.9), (155.0, 165.0, 1.0), (165.0, 150.0, 0.9), (150.0, 155.0, 1.0)]
FALLING = said(syllables(*BODY, (150, 130, 0.8), (125, 95, 0.4)))
LEVEL = said(syllables(*BODY, (155, 155, 0.9), (155, 155, 0.9)))
RISING = said(syllables(*BODY, (155, 165, 0.9), (170, 215, 0.9)))
DRAWN_OUT = said(syllables(*BODY), syllables((152, 152, 0.9), length_s=0.7))


def test_a_sentence_that_falls_and_fades_has_ended_more_than_one_that_hangs() -> None:
    """The order of all of them."""
    scores = [prosody_score(read_prosody(sound)) for sound in (FALLING, RISING, LEVEL, DRAWN_OUT)]
    assert scores[0] > 0.8
    assert scores[0] > scores[1] + 0.2
    assert scores[0] > scores[2] + 0.2
    assert scores[3] < min(scores[2], 0.4)


def test_the_melody_of_the_end_is_read() -> None:
    """Low and falling, high and rising, in the middle and level, in semitones and spreads of this voice."""
    falling, rising, level = (read_prosody(sound) for sound in (FALLING, RISING, LEVEL))
    assert falling.final_pitch is not None
    assert falling.final_pitch < -1.5
    assert falling.pitch_change is not None
    assert falling.pitch_change < -4
    assert rising.final_pitch is not None
    assert rising.final_pitch > 1
    assert rising.pitch_change is not None
    assert rising.pitch_change > 4
    assert level.pitch_change == pytest.approx(0, abs=0.5)


def test_loudness_and_length_of_the_end_are_read() -> None:
    """A last syllable at half the loudness; a last vowel of 0.7 s."""
    assert read_prosody(FALLING).final_drop_db > read_prosody(LEVEL).final_drop_db + 2
    assert 0.5 < read_prosody(DRAWN_OUT).drawn_out_s <= 0.7
    assert read_prosody(LEVEL).drawn_out_s < 0.3


def test_pauses_and_phrases_are_measured() -> None:
    """Two words, 0.5 s, three words, 0.3 s of silence: to 30 ms."""
    facts = read_prosody(said(syllables(*BODY[:2]), hush(0.5), syllables(*BODY[:3])))
    assert facts.longest_pause_s == pytest.approx(0.5, abs=0.03)
    assert facts.phrase_s == pytest.approx(0.54, abs=0.03)
    assert facts.speech_s == pytest.approx(0.9, abs=0.06)
    assert facts.silence_s == pytest.approx(0.3, abs=0.03)


def test_a_speakers_own_pauses_make_another_one_less_of_an_end() -> None:
    """The same words with a pause of 0.9 s before them; with 0.2 s, a stop consonant, nothing changes."""
    once = prosody_score(read_prosody(LEVEL))
    again = prosody_score(read_prosody(np.concatenate([syllables(*BODY), hush(0.9), LEVEL])))
    assert again < once - 0.05
    short = read_prosody(np.concatenate([syllables(*BODY), hush(0.1), LEVEL[round(0.2 * RATE) :]]))
    assert short.longest_pause_s == 0


def test_the_longer_the_silence_the_likelier_the_end_of_one_who_pauses() -> None:
    """With the pauses so far as the measure."""
    facts = dataclasses.replace(read_prosody(LEVEL), longest_pause_s=0.6)
    scores = [prosody_score(dataclasses.replace(facts, silence_s=silence)) for silence in (0.0, 0.4, 0.6, 0.9)]
    assert scores == sorted(set(scores))


@pytest.mark.parametrize("gain", [0.03, 0.2, 3.0])
def test_loudness_makes_no_difference(gain: float) -> None:
    """A quiet talker is judged as a loud one."""
    quiet = np.rint(FALLING * gain).astype(np.int16)
    assert prosody_score(read_prosody(quiet)) == pytest.approx(prosody_score(read_prosody(FALLING)), abs=0.08)


@pytest.mark.parametrize(
    "sound", [np.zeros(0, np.int16), np.zeros(100, np.int16), np.zeros(200_000, np.int16), hush(8, 500), hush(1)]
)
def test_where_there_is_no_speech_it_says_nothing(sound: Samples) -> None:
    """Nothing, silence, and steady noise at any level: 0.5."""
    assert prosody_score(read_prosody(sound)) == 0.5


def test_only_the_last_eight_seconds_count() -> None:
    """What was said before is of no consequence, nor what it costs."""
    last = np.concatenate([hush(8), FALLING])[-8 * RATE :]
    assert read_prosody(np.concatenate([syllables(*BODY * 20), last])) == read_prosody(last)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40_000), st.sampled_from(["noise", "clicks", "square", "bursts"]))
def test_any_sound_gives_a_probability(seed: int, length: int, kind: str) -> None:
    """No division by zero, no empty phrase, no infinite logarithm."""
    chance = np.random.default_rng(seed)
    noise = chance.normal(0, chance.uniform(0, 9_000), length)
    factor = {
        "noise": np.ones(length),
        "clicks": chance.random(length) > 0.999,
        "square": np.full(length, 9.0),
        "bursts": np.repeat(chance.integers(0, 2, length // 800 + 1), 800)[:length],
    }[kind]
    sound = np.clip(noise * factor, -32_768, 32_767).astype(np.int16)
    facts = read_prosody(sound)
    assert 0 < prosody_score(facts) < 1
    assert all(-1 <= cue <= 1 for cue in cues(facts).values())


def test_the_score_is_the_logistic_of_the_weighted_cues() -> None:
    """So that it can be explained: a cue at its strongest is worth its weight."""
    facts = ProsodyFacts(speech_s=1.0, phrase_s=1.0, silence_s=0.3, final_pitch=-9.0, pitch_change=0.0, final_drop_db=3.0)
    assert prosody_score(facts) == pytest.approx(1 / (1 + math.exp(-WEIGHTS["low"])))
    assert cues(facts).keys() == WEIGHTS.keys()
