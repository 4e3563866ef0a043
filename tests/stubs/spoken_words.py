"""Speech whose words have known times: each is spoken by espeak-ng by itself, and they are joined with gaps and pauses."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soxr

from voicemode.audio import Samples

__all__ = ["SpokenWord", "sounding", "spoken_words", "trimmed", "words_until"]

_RATE = 24_000
_GAP_S = 0.02
"""Between two words, as short as between words that flow."""
_SENTENCE_S, _CLAUSE_S = 0.40, 0.26
"""espeak-ng's own pauses after . ! ? and after , ; :"""
_WORDS_PER_MINUTE = 240
"""A word by itself is spoken slower than among others: so it lasts about as long as at espeak-ng's usual 175."""
_TRIM_DB = 40.0


@dataclass(frozen=True, slots=True)
class SpokenWord:
    """A word as it is written, and when it sounds, in seconds."""

    text: str
    begin_s: float
    end_s: float


@lru_cache(maxsize=64)
def spoken_words(text: str) -> tuple[Samples, tuple[SpokenWord, ...]]:
    """24 kHz mono, and its words in order. The same text is the same sound in every process.

    Raises FileNotFoundError without espeak-ng.
    """
    parts: list[Samples] = []
    words: list[SpokenWord] = []
    count = 0
    for word in text.split():
        sound = _spoken(word.strip(".,;:!?"))
        words.append(SpokenWord(word, count / _RATE, (count + len(sound)) / _RATE))
        pause: Samples = np.zeros(round(_pause_s(word) * _RATE), dtype=np.int16)
        parts += [sound, pause]
        count += len(sound) + len(pause)
    return np.concatenate([np.zeros(0, np.int16), *parts]), tuple(words)


def trimmed(samples: Samples, sample_rate: int, below_db: float = _TRIM_DB) -> Samples:
    """Without what is softer by so much than the loudest 10 ms at either end; empty where all is silence."""
    first, last = sounding(samples, sample_rate, below_db)
    return samples[first:last]


def sounding(samples: Samples, sample_rate: int, below_db: float = _TRIM_DB) -> tuple[int, int]:
    """Where ``trimmed`` begins and ends, in samples."""
    step = sample_rate // 100
    powers = np.mean(samples[: len(samples) // step * step].reshape(-1, step).astype(np.float64) ** 2, axis=1)
    loud = np.flatnonzero(powers > max(powers.max(initial=0.0) * 10 ** (-below_db / 10), 1.0))
    return (int(loud[0]) * step, (int(loud[-1]) + 1) * step) if len(loud) else (0, 0)


def words_until(words: Sequence[tuple[float, str]], seconds: float) -> str:
    """The text of the words before then, each given with an instant at which it sounds."""
    return " ".join(word for at_s, word in words if at_s < seconds)


def _pause_s(word: str) -> float:
    if word.endswith((".", "!", "?")):
        return _SENTENCE_S
    return _CLAUSE_S if word.endswith((",", ";", ":")) else _GAP_S


@lru_cache(maxsize=1024)
def _spoken(word: str) -> Samples:
    program = shutil.which("espeak-ng")
    if program is None:
        raise FileNotFoundError("espeak-ng is not installed")
    command = [program, "-v", "en-us", "-s", str(_WORDS_PER_MINUTE), "--stdout", word]
    spoken = subprocess.run(command, capture_output=True, check=True, timeout=10).stdout
    with wave.open(io.BytesIO(spoken)) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2").astype(np.int16)
        resampled = soxr.resample(samples, wav.getframerate(), _RATE)
    return trimmed(np.asarray(resampled, dtype=np.int16), _RATE)
