"""What a speech or chat service says it has: its models and its voices, in the shapes that are about.

``GET /v1/models`` is OpenAI's, with fields of their own in speaches (``task``, ``language``, ``voices``) and in voicemode's own
service (``audio_stream``);
``GET /v1/audio/voices`` is nobody's standard: Kokoro-FastAPI, speaches and others each answer it in a shape of their own.
Everything here is data from outside: names that no honest service has are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from voicemode.wire.audio_stream import PROTOCOL

__all__ = ["VOICES_PATH", "Model", "Voice", "parse_models", "parse_voices"]

VOICES_PATH = "/audio/voices"

Use: TypeAlias = Literal["tts", "stt", "chat", "other"]

NAME_CHARS = 200
"""Longer names are none; Hugging Face allows 96 for each half of a model's name."""

MOST_ROWS = 1000
"""Rows that are read: OpenAI lists about 100 models, Azure about 600 voices."""

_TASKS: dict[str, Use] = {
    "automatic-speech-recognition": "stt",
    "speech-to-text": "stt",
    "text-to-speech": "tts",
    "text-generation": "chat",
    "conversational": "chat",
}
"""Values of the field ``task``, as speaches and the Hugging Face hub have them; any other one is none of ours."""

_HINTS: tuple[tuple[re.Pattern[str], Use], ...] = (
    (re.compile(r"whisper|transcribe|parakeet|moonshine|canary|sensevoice|voxtral|\b(asr|stt)\b"), "stt"),
    (re.compile(r"tts|kokoro|piper|chatterbox|orpheus|parler|vibevoice|cosyvoice|\b(bark|csm|dia)\b"), "tts"),
    (re.compile(r"embed|rerank|\b(bge|e5|vad|silero|clip|dall e|diffusion|flux|moderation)\b"), "other"),
)
"""What the usual names of models tell; the first that is found counts."""


@dataclass(frozen=True, slots=True)
class Voice:
    """A voice as the service lists it."""

    name: str
    """What a request asks for."""
    language: str | None = None
    """BCP 47, if it is said."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model as the service lists it."""

    name: str
    use: Use | None = None
    """What it is for; None: neither said nor to be seen from its name."""
    languages: tuple[str, ...] = ()
    """Two-letter codes; empty: not said."""
    voices: tuple[Voice, ...] = ()
    """Empty: not said."""
    live: bool = False
    """It takes sound while it is spoken, as ``wire.audio_stream``."""


def parse_models(body: bytes) -> tuple[Model, ...] | None:
    """Read an answer of ``GET /models``; None when it is no list of models at all."""
    answer = _json(body)
    rows = answer.get("data") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) and isinstance(row.get("id"), str) for row in rows):
        return None
    return tuple(_model(row) for row in rows[:MOST_ROWS] if _is_name(row["id"]))


def parse_voices(body: bytes) -> tuple[Voice, ...] | None:
    """Read an answer of ``GET /audio/voices``: a list, or an object with one, of names or of objects. None when it is none."""
    answer = _json(body)
    if isinstance(answer, dict):
        answer = answer.get("voices", answer.get("data"))
    return _voices(answer) if isinstance(answer, list) else None


def _model(row: dict[str, object]) -> Model:
    name = str(row["id"])
    task = row.get("task")
    use = _TASKS.get(task, "other") if isinstance(task, str) else _use_of(name)
    voices = row.get("voices")
    spoken = _voices(voices) if isinstance(voices, list) else ()
    return Model(name, use, _languages(row.get("language")), spoken, row.get("audio_stream") == PROTOCOL)


def _use_of(name: str) -> Use | None:
    words = re.sub(r"[^a-z0-9]+", " ", name.casefold())
    return next((use for pattern, use in _HINTS if pattern.search(words)), None)


def _languages(value: object) -> tuple[str, ...]:
    """A list of two-letter codes as it is; none at all when others are among them, which could not be compared."""
    if not isinstance(value, list) or not all(isinstance(code, str) and re.fullmatch("[a-z]{2}", code) for code in value):
        return ()
    return tuple(value)


def _voices(rows: Sequence[object]) -> tuple[Voice, ...]:
    found = (_voice(row) for row in rows[:MOST_ROWS])
    return _unique(voice for voice in found if voice is not None and _is_name(voice.name))


def _voice(row: object) -> Voice | None:
    match row:
        case str(name):
            return Voice(name)
        case {"id": str(name), **rest} | {"voice_id": str(name), **rest} | {"name": str(name), **rest}:
            language = rest.get("language")
            return Voice(name, language.lower() if isinstance(language, str) and _is_name(language) else None)
        case _:
            return None


def _unique(voices: Iterable[Voice]) -> tuple[Voice, ...]:
    return tuple({voice.name: voice for voice in voices}.values())


def _is_name(text: str) -> bool:
    return 0 < len(text) <= NAME_CHARS and text.isprintable()


def _json(body: bytes) -> object:
    try:
        parsed: object = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return parsed
