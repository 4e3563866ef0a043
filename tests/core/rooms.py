"""Sounds and rooms for what takes an echo away: voices without words, ways from a loudspeaker to a microphone."""

from __future__ import annotations

import numpy as np

from voicemode.audio import CAPTURE_RATE, FULL_SCALE, Samples
from voicemode.core.linear_echo import Floats

__all__ = ["as_pcm", "echo_of", "level_db", "noise", "room", "voice"]


def noise(seconds: float, seed: int, level: float = 0.1) -> Floats:
    """White, with this root mean square."""
    chance = np.random.default_rng(seed)
    return (level * chance.standard_normal(round(seconds * CAPTURE_RATE))).astype(np.float32)


def voice(seconds: float, seed: int, level: float = 0.1) -> Floats:
    """Something like speech: syllables of harmonics and of noise, with pauses; a pitch that is its own and wanders."""
    chance = np.random.default_rng(seed)
    sound = np.zeros(0)
    pitch = chance.uniform(90, 220)
    while len(sound) < seconds * CAPTURE_RATE:
        at = np.arange(round(chance.uniform(0.1, 0.25) * CAPTURE_RATE)) / CAPTURE_RATE
        pitch *= chance.uniform(0.9, 1.1)
        formants = chance.uniform((300, 900, 2_000), (900, 2_000, 3_500))
        syllable = np.zeros(len(at))
        for harmonic in np.arange(pitch, 4_000, pitch):
            weight = np.sum(1 / (1 + ((harmonic - formants) / 120) ** 2))
            syllable += weight * np.sin(2 * np.pi * harmonic * at + chance.uniform(0, 6.28))
        hiss = 0.1 * np.abs(syllable).max() * chance.standard_normal(round(chance.uniform(0.02, 0.08) * CAPTURE_RATE))
        pause = np.zeros(round(chance.choice([0.02, 0.05, 0.2]) * CAPTURE_RATE))
        sound = np.concatenate([sound, hiss, syllable * np.hanning(len(at)) ** 0.5, pause])
    sound = sound[: round(seconds * CAPTURE_RATE)]
    scaled: Floats = (sound * level / np.sqrt(np.mean(sound**2))).astype(np.float32)
    return scaled


def room(seed: int, gain: float = 0.3, decay_s: float = 0.02) -> Floats:
    """The answer of a room, 125 ms long, its loudest sound after 30 ms, as the far end is lined up."""
    chance = np.random.default_rng(seed)
    at = np.arange(round(0.095 * CAPTURE_RATE)) / CAPTURE_RATE
    tail = 0.2 * chance.standard_normal(len(at)) * np.exp(-at / decay_s)
    tail[0] = 1.0
    answer = np.concatenate([np.zeros(round(0.03 * CAPTURE_RATE)), tail])
    scaled: Floats = (gain * answer / np.sqrt(np.sum(answer**2))).astype(np.float32)
    return scaled


def echo_of(far: Floats, answer: Floats) -> Floats:
    size = 1 << (len(far) + len(answer)).bit_length()
    echo = np.fft.irfft(np.fft.rfft(far, size) * np.fft.rfft(answer, size), size)[: len(far)]
    return echo.astype(np.float32)


def level_db(sound: Floats | Samples) -> float:
    """The power; full scale of either kind is 0 dB."""
    scale = FULL_SCALE if sound.dtype == np.int16 else 1.0
    return float(10 * np.log10(np.mean((sound.astype(np.float64) / scale) ** 2) + 1e-12))


def as_pcm(sound: Floats) -> Samples:
    pcm: Samples = np.clip(np.rint(sound * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return pcm
