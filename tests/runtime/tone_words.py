"""Words that are tones, each of a pitch of its own, so that a transcript tells exactly which of them were in the sound."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from itertools import groupby

import numpy as np

from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples, WordOnset
from voicemode.core.level import rms_dbfs
from voicemode.errors import VoicemodeError
from voicemode.interfaces import SpeechRequest, Transcript, TranscriptionRequest
from voicemode.testing import FakeSynthesis, FakeSynthesizer, tone

__all__ = ["ASSISTANT", "COUGH", "DRAWL", "WordSynthesizer", "WordTranscriber", "said", "word_begins", "words_in"]

_WORDS = ("mhm", "no", "I", "want", "tea", "stop", "repeat", "that", "hold", "on", "louder", "slower", "yes", "please")
_PITCH = {word: 200.0 + 100.0 * number for number, word in enumerate(_WORDS)}
_ASSISTANT_HERTZ, _COUGH_HERTZ = 3000.0, 3600.0
ASSISTANT = "(assistant)"
"""What a transcript says where the assistant's own voice was in the sound."""
COUGH = tone(0.3, hertz=_COUGH_HERTZ)
"""A sound without words."""
_LETTER_S = 0.06
DRAWL = 5
_WINDOW = CAPTURE_RATE // 50
_AUDIBLE_DBFS = -40.0


def said(text: str, *, word_s: float = 0.3, dbfs: float = -12.0) -> Samples:
    """A person saying these words without a pause."""
    return np.concatenate([tone(word_s, hertz=_PITCH[word], dbfs=dbfs) for word in text.split()])


class WordTranscriber:
    """Writes down the words that are in the sound. ``confidence`` is what it says of them."""

    def __init__(self, *, confidence: str = "good", delay_s: float = 0.0, error: VoicemodeError | None = None) -> None:
        self.confidence, self.delay_s, self.error = confidence, delay_s, error
        self.requests: list[TranscriptionRequest] = []
        self.under_way = 0

    @property
    def name(self) -> str:
        return "words"

    async def prepare(self, options: Sequence[str] = ()) -> None:
        """It is."""

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        self.requests.append(request)
        self.under_way += 1
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.under_way -= 1
        if self.error is not None:
            raise self.error
        return Transcript(words_in(request.audio.samples), self.name, self.confidence)

    async def aclose(self) -> None:
        """Nothing is open."""


def words_in(samples: Samples) -> str:
    """The words, each once for each time it was said, in order. Less than 40 ms of one is no word."""
    starts = range(0, len(samples) - _WINDOW + 1, _WINDOW)
    runs = [(word, len(list(run))) for word, run in groupby(_word_in(samples[start : start + _WINDOW]) for start in starts)]
    return " ".join(word for word, windows in runs if word and windows > 1)


def _word_in(window: Samples) -> str:
    if rms_dbfs(window) < _AUDIBLE_DBFS:
        return ""
    spectrum = np.abs(np.fft.rfft(window * np.hanning(len(window)), 2048))
    hertz = int(np.argmax(spectrum)) * CAPTURE_RATE / 2048
    names = {**_PITCH, ASSISTANT: _ASSISTANT_HERTZ, "": _COUGH_HERTZ}
    return min(names, key=lambda name: abs(names[name] - hertz))


class _WordSynthesis(FakeSynthesis):
    async def __aiter__(self) -> AsyncIterator[AudioChunk]:
        drawls = isinstance(self.owner, WordSynthesizer) and self.owner.drawls
        for number, found in enumerate(re.finditer(r"\S+", self.request.text)):
            if self.closed:
                return
            self.given += 1
            await asyncio.sleep(0)
            letter_s = _LETTER_S * (DRAWL if drawls and number % 2 else 1) / self.request.speed
            sound = tone(letter_s * len(found[0]), hertz=_ASSISTANT_HERTZ)
            pause = np.zeros(round(_pause_s(found[0]) * CAPTURE_RATE), np.int16)
            onsets = (WordOnset(found.start(), 0.0),) if drawls else ()
            yield AudioChunk(np.concatenate([sound, pause]), CAPTURE_RATE, onsets)


class WordSynthesizer(FakeSynthesizer):
    """Speaks each word as a tone as long as it is written, with silence behind it."""

    def __init__(self, *, drawls: bool = False) -> None:
        """``drawls``: each second word of a piece takes ``DRAWL`` times as long as it is written, and it tells
        where each begins.
        """
        super().__init__()
        self.drawls = drawls

    def synthesize(self, request: SpeechRequest) -> FakeSynthesis:
        self.requests.append(request)
        self.syntheses.append(_WordSynthesis(self, request))
        return self.syntheses[-1]


def word_begins(message: str, *, drawls: bool = False) -> list[float]:
    """Where each word of the message, or of a piece that is drawled, begins, in seconds of its sound."""
    begins, at = [], 0.0
    for number, word in enumerate(message.split()):
        begins.append(at)
        at += _LETTER_S * (DRAWL if drawls and number % 2 else 1) * len(word) + _pause_s(word)
    return begins


def _pause_s(word: str) -> float:
    return 0.4 if word[-1] in ".!?" else 0.06
