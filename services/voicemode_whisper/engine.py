"""faster-whisper as this service uses it: one model, told apart from the rest by plain values."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from faster_whisper import WhisperModel
from faster_whisper.audio import pad_or_trim
from faster_whisper.tokenizer import Tokenizer
from faster_whisper.transcribe import TranscriptionOptions, get_suppressed_tokens
from numpy.typing import NDArray
from voicemode_service.errors import BadRequestError

from voicemode_whisper.formats import Segment, Word
from voicemode_whisper.windows import WINDOW_S, Window, windows

__all__ = ["SPARES", "UNKNOWN", "Asked", "Engine", "Reading", "Stopped"]

UNKNOWN = "und"
"""The language of a sound in which nobody speaks (ISO 639-2: undetermined)."""

_HOTTER = (0.0, 0.4, 0.8)
"""Temperatures tried one after another while the text repeats itself or is unlikely, as Whisper's own transcribe.py does; in
three steps where that takes six, since a person waits for the answer."""

_PREPENDED, _APPENDED = "\"'“¿([{-", "\"'.。,，!！?？:：”)]}、"  # noqa: RUF001  (faster-whisper's defaults)


SPARES = 1
"""CTranslate2 cannot be interrupted within a pass (an encoder's takes 0.04 to 2 s). A pass that nobody waits for any more ends
beside the next one, on a second replica: it shares the weights, and adds 60 MB of buffers for "base" while it is used."""


class Stopped(Protocol):
    """Whether nobody waits any more."""

    def __bool__(self) -> bool: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a client wants of a transcription."""

    language: str | None = None
    """ISO 639-1; None detects it from the first words."""
    prompt: str | None = None
    temperature: float = 0.0
    translate: bool = False
    """Into English."""
    words: bool = False
    """With the time of every word."""
    vad: bool = True
    """Leave silence out, so that nothing is invented for it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What was heard in one window."""

    segments: tuple[Segment, ...]
    language: str
    """ISO 639-1, or "und" while nobody has spoken."""
    until: float
    """Seconds of sound heard so far."""
    final: bool
    """Nothing comes after it."""


class Engine:
    """A loaded model. Its methods block, and are called in threads, by as many at a time as it has workers and spares."""

    def __init__(self, path: Path, *, device: str, compute_type: str, threads: int, workers: int) -> None:
        """Load it; raises whatever CTranslate2 says of a corrupt file. ``threads`` 0 leaves it to CTranslate2."""
        self._model = WhisperModel(
            str(path),
            device=device,
            compute_type=compute_type,
            cpu_threads=threads,
            num_workers=workers + SPARES,
            local_files_only=True,
        )
        self._threads = threads

    def trial_s(self) -> float:
        """Seconds the encoder takes for a window of 30 s, which is what each request costs at least. It blocks."""
        nothing = np.zeros((self._model.model.n_mels, self._model.feature_extractor.nb_max_frames), np.float32)
        self._model.encode(nothing)  # the first pass allocates
        began = time.monotonic()
        self._model.encode(nothing)
        return time.monotonic() - began

    def facts(self) -> dict[str, Any]:
        """For /health. ``threads`` 0 is the engine's own choice."""
        model = self._model.model
        return {
            "device": model.device,
            "compute_type": model.compute_type,
            "threads": self._threads,
            "multilingual": self.multilingual,
        }

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

    def transcribe(self, blocks: Iterable[NDArray[np.float32]], asked: Asked, stop: Stopped) -> Iterator[Reading]:
        """What is heard, window by window. Ends early, between two passes of the engine, when nobody waits any more.

        ``blocks`` are 16 kHz mono, -1 to 1, in order. Raises BadRequestError, and whatever reading ``blocks`` raises.
        """
        self.check(asked)
        language = asked.language or (UNKNOWN if self.multilingual else "en")
        number = 0
        for window in windows(iter(blocks), vad=asked.vad):
            segments: list[Segment] = []
            if window.samples.size and not stop:
                for detected, segment in self._hear(window, language, asked, stop):
                    language = detected
                    segments.append(_segment(number, segment, window))
                    number += 1
            if stop:
                return
            yield Reading(tuple(segments), language, window.end, window.final)

    def _hear(self, window: Window, language: str, asked: Asked, stop: Stopped) -> Iterator[tuple[str, Any]]:
        """The segments of one window with their language. The encoder runs once, also where the language is not known yet:
        WhisperModel.transcribe would run it a second time."""
        model = self._model
        features = model.feature_extractor(window.samples)
        heard_frames = min(features.shape[-1] - 1, model.feature_extractor.nb_max_frames)
        encoded = model.encode(pad_or_trim(features[:, :heard_frames]))
        if stop:
            return
        if language == UNKNOWN:
            language = model.model.detect_language(encoded)[0][0][0].strip("<|>")
        task = "translate" if asked.translate else "transcribe"
        tokenizer = Tokenizer(model.hf_tokenizer, self.multilingual, task=task, language=language)
        for segment in model.generate_segments(features, tokenizer, _options(tokenizer, asked), False, encoded):
            yield language, segment
            if stop:
                return


def _options(tokenizer: Tokenizer, asked: Asked) -> TranscriptionOptions:
    """faster-whisper's defaults, but for what the comments say."""
    return TranscriptionOptions(
        beam_size=1,  # greedy: a person waits
        best_of=1,
        patience=1,
        length_penalty=1,
        repetition_penalty=1,
        no_repeat_ngram_size=0,
        log_prob_threshold=-1.0,
        no_speech_threshold=0.6,
        compression_ratio_threshold=2.4,
        condition_on_previous_text=False,  # one wrong sentence must not become the prompt of all others
        prompt_reset_on_temperature=0.5,
        temperatures=list(_HOTTER) if asked.temperature == 0 else [asked.temperature],
        initial_prompt=asked.prompt or None,
        prefix=None,
        suppress_blank=True,
        suppress_tokens=get_suppressed_tokens(tokenizer, [-1]),
        without_timestamps=False,
        max_initial_timestamp=1.0,
        word_timestamps=asked.words,
        prepend_punctuations=_PREPENDED,
        append_punctuations=_APPENDED,
        multilingual=False,
        max_new_tokens=None,
        clip_timestamps=[0.0, float(WINDOW_S)],  # a list: a string is parsed anew for every window
        hallucination_silence_threshold=None,
        hotwords=None,
    )


def _segment(number: int, segment: Any, window: Window) -> Segment:
    start, end = window.span(float(segment.start), float(segment.end))
    words = tuple(Word(w.word, *window.span(float(w.start), float(w.end)), float(w.probability)) for w in segment.words or ())
    return Segment(
        id=number,
        start=start,
        end=max(end, start),
        text=segment.text,
        tokens=tuple(segment.tokens),
        temperature=float(segment.temperature or 0.0),
        avg_logprob=float(segment.avg_logprob),
        compression_ratio=float(segment.compression_ratio),
        no_speech_prob=float(segment.no_speech_prob),
        words=words,
    )
