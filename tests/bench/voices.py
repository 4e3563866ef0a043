"""Voices without words, and noise."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from voicemode.audio import CAPTURE_RATE, FULL_SCALE, Samples

__all__ = ["Floats", "as_pcm", "noise", "voice"]

Floats = npt.NDArray[np.float32]


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


def as_pcm(sound: Floats) -> Samples:
    pcm: Samples = np.clip(np.rint(sound * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return pcm
