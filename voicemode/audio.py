"""The words for sound that every layer shares.

Inside the product, sound is always **16-bit signed PCM, mono**, in numpy arrays of shape ``(n,)`` and dtype ``int16``.
Only the sample rate varies, so it travels with the samples.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["CAPTURE_RATE", "FULL_SCALE", "AudioChunk", "AudioFormat", "Samples", "WordOnset", "join_onsets"]

Samples: TypeAlias = npt.NDArray[np.int16]
"""Mono PCM: dtype int16, shape (n,)."""

CAPTURE_RATE = 16_000
"""Hertz. What Silero, webrtcvad, Whisper and pocketsphinx take; the microphone is resampled to it once."""

FULL_SCALE = 32_768.0
"""0 dBFS of 16-bit PCM."""


@dataclass(frozen=True, slots=True)
class AudioFormat:
    """How a device or a stream lays out its samples; the width is always 16 bit."""

    sample_rate: int
    """Hertz, > 0."""
    channels: int = 1
    """Mono = 1."""

    def __post_init__(self) -> None:
        if self.sample_rate <= 0 or self.channels <= 0:
            raise ValueError(f"not an audio format: {self.sample_rate} Hz, {self.channels} channels")

    @property
    def bytes_per_second(self) -> int:
        return self.sample_rate * self.channels * 2


@dataclass(frozen=True, slots=True)
class WordOnset:
    """Where a word of a spoken text begins in its sound, as the engine aligned it."""

    character: int
    """Of the text, the first of the word; the first of the text is 0."""
    at_s: float
    """Seconds after the first sample of the sound that it comes with."""


@dataclass(frozen=True, slots=True, eq=False)
class AudioChunk:
    """A stretch of sound."""

    samples: Samples
    """Mono PCM: dtype int16, shape (n,)."""
    sample_rate: int
    """Hertz, > 0."""
    onsets: tuple[WordOnset, ...] = ()
    """Of speech, what became known with this stretch: words that begin in it or close to it. Empty where no engine tells."""

    def __post_init__(self) -> None:
        if self.samples.dtype != np.int16 or self.samples.ndim != 1:
            raise ValueError(f"samples must be int16 of shape (n,), not {self.samples.dtype} {self.samples.shape}")
        if self.sample_rate <= 0:
            raise ValueError(f"sample rate must be positive, not {self.sample_rate}")

    @classmethod
    def silence(cls, seconds: float, sample_rate: int) -> AudioChunk:
        return cls(np.zeros(round(seconds * sample_rate), dtype=np.int16), sample_rate)

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.sample_rate

    @property
    def pcm(self) -> bytes:
        """Little-endian 16-bit PCM, as files and sockets carry it."""
        return self.samples.astype("<i2", copy=False).tobytes()


def join_onsets(chunks: Iterable[AudioChunk]) -> tuple[WordOnset, ...]:
    """Of all of them, in seconds after the first sample of the first one."""
    found: list[WordOnset] = []
    before_s = 0.0
    for chunk in chunks:
        found += (WordOnset(onset.character, before_s + onset.at_s) for onset in chunk.onsets)
        before_s += chunk.seconds
    return tuple(found)
