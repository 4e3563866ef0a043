"""faster-whisper as this service uses it: one model, told apart from the rest by plain values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel
from numpy.typing import NDArray

from voicemode_service.errors import BadRequestError
from voicemode_service.work import Stop
from voicemode_whisper.formats import Segment, Word

__all__ = ["Asked", "Engine", "Heard"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client wants of a transcription."""

    language: str | None = None
    """ISO 639-1; None detects it, which costs one more pass of the encoder."""
    prompt: str | None = None
    temperature: float = 0.0
    translate: bool = False
    """Into English."""
    words: bool = False
    """With the time of every word."""
    vad: bool = True
    """Leave silence out, so that nothing is invented for it."""


@dataclass(frozen=True, slots=True)
class Heard:
    """The first thing known of a sound."""

    language: str
    duration: float
    """Seconds."""


class Engine:
    """A loaded model. Its methods block, and are called in threads."""

    def __init__(self, path: Path | str, *, device: str, compute_type: str, threads: int, workers: int) -> None:
        """Load it; raises whatever CTranslate2 says of a corrupt file."""
        self._model = WhisperModel(
            str(path), device=device, compute_type=compute_type, cpu_threads=threads, num_workers=workers, local_files_only=True
        )

    @property
    def multilingual(self) -> bool:
        return bool(self._model.model.is_multilingual)

    @property
    def languages(self) -> tuple[str, ...]:
        """ISO 639-1."""
        return tuple(self._model.supported_languages)

    def check(self, asked: Asked) -> None:
        """Raises BadRequestError for what this model cannot do."""
        if asked.language is not None and asked.language not in self.languages:
            raise BadRequestError(f"This model does not know the language '{asked.language[:20]}'.", param="language")
        if asked.translate and not self.multilingual:
            raise BadRequestError("This model knows English only and cannot translate.", param="model")

    def transcribe(self, samples: NDArray[np.float32], asked: Asked, stop: Stop) -> Iterator[Heard | Segment]:
        """What is heard, then the segments as they are written. Ends early when nobody waits any more.

        ``samples`` are 16 kHz mono, -1 to 1.
        """
        self.check(asked)
        segments, info = self._model.transcribe(
            samples,
            language=asked.language if self.multilingual else None,
            task="translate" if asked.translate else "transcribe",
            beam_size=1,
            best_of=1,
            temperature=asked.temperature,
            initial_prompt=asked.prompt or None,
            word_timestamps=asked.words,
            vad_filter=asked.vad,
            condition_on_previous_text=False,  # one wrong sentence must not become the prompt of all others
        )
        yield Heard(info.language, float(info.duration))
        for number, segment in enumerate(segments):
            if stop:
                return
            yield _segment(number, segment)


def _segment(number: int, segment: Any) -> Segment:
    words = tuple(Word(w.word, float(w.start), float(w.end), float(w.probability)) for w in segment.words or ())
    return Segment(
        id=number,
        start=float(segment.start),
        end=float(segment.end),
        text=segment.text,
        tokens=tuple(segment.tokens),
        temperature=float(segment.temperature or 0.0),
        avg_logprob=float(segment.avg_logprob),
        compression_ratio=float(segment.compression_ratio),
        no_speech_prob=float(segment.no_speech_prob),
        words=words,
    )
