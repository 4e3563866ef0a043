"""A transcription in the shapes of the OpenAI audio API: json, text, srt, verbose_json, vtt.

https://platform.openai.com/docs/api-reference/audio/verbose-json-object
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

__all__ = ["ResponseFormat", "Segment", "Transcription", "Word", "plain", "srt", "verbose", "vtt"]

ResponseFormat: TypeAlias = Literal["json", "text", "srt", "verbose_json", "vtt"]


@dataclass(frozen=True, slots=True)
class Word:
    """Times in seconds since the sound began."""

    word: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """What the engine wrote in one go, with its own figures about it."""

    id: int
    start: float
    """Seconds."""
    end: float
    text: str
    tokens: tuple[int, ...] = ()
    temperature: float = 0.0
    avg_logprob: float = 0.0
    compression_ratio: float = 1.0
    no_speech_prob: float = 0.0
    words: tuple[Word, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcription:
    """All of it."""

    language: str
    """ISO 639-1."""
    duration: float
    """Seconds of sound."""
    segments: tuple[Segment, ...]

    @property
    def text(self) -> str:
        return "".join(segment.text for segment in self.segments).strip()


def plain(transcription: Transcription) -> dict[str, Any]:
    """The object of json."""
    return {"text": transcription.text, "usage": _usage(transcription)}


def srt(segments: Sequence[Segment]) -> str:
    """SubRip: numbered cues, commas in the times."""
    cues = (f"{n}\n{_clock(s.start, ',')} --> {_clock(s.end, ',')}\n{_line(s.text)}\n" for n, s in enumerate(segments, 1))
    return "\n".join(cues)


def vtt(segments: Sequence[Segment]) -> str:
    """WebVTT; "-->" and markup in the words are made harmless (https://www.w3.org/TR/webvtt1/#webvtt-cue-text)."""
    cues = (f"{_clock(s.start, '.')} --> {_clock(s.end, '.')}\n{_escaped(_line(s.text))}\n" for s in segments)
    return "\n".join(["WEBVTT\n", *cues])


def verbose(transcription: Transcription, *, task: str, words: bool, segments: bool) -> dict[str, Any]:
    """The object of verbose_json; ``words`` and ``segments`` are the timestamp granularities asked for."""
    answer: dict[str, Any] = {
        "task": task,
        "language": transcription.language,
        "duration": round(transcription.duration, 3),
        "text": transcription.text,
        "usage": _usage(transcription),
    }
    if segments:
        answer["segments"] = [_segment(segment) for segment in transcription.segments]
    if words:
        answer["words"] = [
            {"word": word.word.strip(), "start": round(word.start, 3), "end": round(word.end, 3)}
            for segment in transcription.segments
            for word in segment.words
        ]
    return answer


def _usage(transcription: Transcription) -> dict[str, Any]:
    """Whole seconds, as OpenAI counts them."""
    return {"type": "duration", "seconds": math.ceil(transcription.duration)}


def _segment(segment: Segment) -> dict[str, Any]:
    return {
        "id": segment.id,
        "seek": round(segment.start * 100),
        "start": round(segment.start, 3),
        "end": round(segment.end, 3),
        "text": segment.text,
        "tokens": list(segment.tokens),
        "temperature": segment.temperature,
        "avg_logprob": segment.avg_logprob,
        "compression_ratio": segment.compression_ratio,
        "no_speech_prob": segment.no_speech_prob,
    }


def _clock(seconds: float, point: str) -> str:
    milliseconds = max(round(seconds * 1000), 0)
    hours, rest = divmod(milliseconds, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _line(text: str) -> str:
    return " ".join(text.split())


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
