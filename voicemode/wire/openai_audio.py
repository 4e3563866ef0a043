"""The OpenAI audio API, both ways: what is sent, and what the answers mean.

Bodies follow the published reference: https://platform.openai.com/docs/api-reference/audio
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from voicemode.interfaces import SpeechRequest, TranscriptionRequest

__all__ = [
    "MAGIC_BYTES",
    "MODELS_PATH",
    "PCM_RATE",
    "SPEECH_PATH",
    "TRANSCRIPTIONS_PATH",
    "AnswerError",
    "AudioCoding",
    "Container",
    "Written",
    "audio_coding",
    "error_reason",
    "is_web_page",
    "parse_transcription",
    "sniff",
    "speech_body",
    "transcription_fields",
]

SPEECH_PATH = "/audio/speech"
TRANSCRIPTIONS_PATH = "/audio/transcriptions"
MODELS_PATH = "/models"

PCM_RATE = 24_000
"""Hertz of ``response_format=pcm``: 16-bit signed, little-endian, mono, no header (API reference)."""

Container: TypeAlias = Literal["pcm", "wav", "mp3", "opus", "aac", "flac", "webm"]

_MEDIA_TYPES: Mapping[str, Container] = {
    "audio/pcm": "pcm",
    "audio/x-pcm": "pcm",
    "audio/raw": "pcm",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/vnd.wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/opus": "opus",
    "audio/ogg": "opus",
    "application/ogg": "opus",
    "audio/aac": "aac",
    "audio/aacp": "aac",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/webm": "webm",
}
_UNLABELLED = ("", "application/octet-stream", "binary/octet-stream", "audio/*")
_MAGIC: tuple[tuple[bytes, Container], ...] = (
    (b"OggS", "opus"),
    (b"fLaC", "flac"),
    (b"ID3", "mp3"),
    (b"\x1a\x45\xdf\xa3", "webm"),
)
MAGIC_BYTES = 12
"""How many bytes ``sniff`` wants to see."""

REASON_CHARS = 200
"""An endpoint's own words are cut to this length: enough for a sentence, too short for a payload."""

# Whisper's own defaults for "nobody spoke" (whisper/transcribe.py: no_speech_threshold, logprob_threshold).
NO_SPEECH_PROBABILITY = 0.6
SILENT_LOG_PROBABILITY = -1.0


class AnswerError(ValueError):
    """An answer is not what the API promises. The text says why and repeats nothing of the answer."""


@dataclass(frozen=True, slots=True)
class AudioCoding:
    """How the bytes of an answer carry sound."""

    container: Container
    sample_rate: int = PCM_RATE
    """Hertz. Meant for "pcm" only; the others say it themselves."""
    channels: int = 1
    """Meant for "pcm" only."""


@dataclass(frozen=True, slots=True)
class Written:
    """A transcription as the endpoint answered it."""

    text: str
    """Stripped; empty when the endpoint's own figures say that nobody spoke."""
    log_probability: float | None = None
    """Mean of the segments' average log-probability, when the answer has them; near 0 is sure."""


def speech_body(request: SpeechRequest, *, model: str, voice: str, response_format: Container) -> bytes:
    """The JSON body of ``POST /audio/speech``."""
    body: dict[str, object] = {
        "model": model,
        "input": request.text,
        "voice": voice,
        "response_format": response_format,
    }
    if request.speed != 1.0:  # some models refuse the field, and 1.0 says nothing
        body["speed"] = request.speed
    return json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")


def transcription_fields(request: TranscriptionRequest, *, model: str, response_format: str = "json") -> dict[str, str]:
    """The form fields of ``POST /audio/transcriptions`` but for ``file``."""
    fields = {"model": model, "response_format": response_format}
    if request.language:
        # The API wants ISO 639-1, which is the first subtag of BCP 47 wherever it has two letters.
        fields["language"] = re.split("[-_]", request.language, maxsplit=1)[0].lower()
    if request.options:
        fields["prompt"] = ", ".join(request.options) + "."
    return fields


def parse_transcription(content_type: str, body: bytes) -> Written:
    """Read ``json``, ``verbose_json`` or ``text``. Raises AnswerError."""
    media_type, _ = _media_type(content_type)
    if is_web_page(content_type, body):
        raise AnswerError("answered a web page instead of a transcription")
    if media_type == "text/plain" and not body.lstrip().startswith(b"{"):
        return Written(_text(body).strip())
    try:
        answer = json.loads(body)
    except ValueError:
        raise AnswerError("answered something that is not JSON") from None
    if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
        raise AnswerError("answered without a text")
    segments = [s for s in _list(answer.get("segments")) if isinstance(s, dict)]
    likely = [p for s in segments if (p := _number(s.get("avg_logprob"))) is not None]
    text = "" if segments and all(_is_silent(s) for s in segments) else answer["text"].strip()
    return Written(text, sum(likely) / len(likely) if likely else None)


def audio_coding(content_type: str, asked: Container) -> AudioCoding | None:
    """How an answer with this ``Content-Type`` carries sound; None when it does not claim to be sound at all.

    An unlabelled answer is taken for what was ``asked``.
    """
    media_type, parameters = _media_type(content_type)
    container = asked if media_type in _UNLABELLED else _MEDIA_TYPES.get(media_type)
    if container is None:
        return None
    rate = _positive(parameters.get("rate")) or PCM_RATE
    return AudioCoding(container, rate, _positive(parameters.get("channels")) or 1)


def sniff(head: bytes) -> Container | None:
    """What the first MAGIC_BYTES of an answer show beyond doubt, whatever its label says; None: they show nothing."""
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav"
    return next((container for magic, container in _MAGIC if head.startswith(magic)), None)


def is_web_page(content_type: str, head: bytes = b"") -> bool:
    """Whether somebody else's web server answered: a proxy, a captive portal, a wrong port."""
    start = head[:64].lstrip().lower()
    return _media_type(content_type)[0] in ("text/html", "application/xhtml+xml") or start.startswith(
        (b"<!doctype html", b"<html")
    )


def error_reason(content_type: str, body: bytes, private: Iterable[str] = ()) -> str:
    """An endpoint's own words about a failure: one short line, or "" when it has none worth repeating.

    Keys, and whatever of ``private`` (the caller's text, the key) comes back in it, are replaced by an ellipsis.
    """
    if is_web_page(content_type, body):
        return "a web page"
    try:
        words = _message(json.loads(body))
    except ValueError:
        words = _text(body) if _media_type(content_type)[0] in ("text/plain", "") else ""
    line = " ".join("".join(c if c.isprintable() else " " for c in words[: 4 * REASON_CHARS]).split())
    line = _KEYS.sub("…", line)
    for secret in private:
        line = _without(line, secret)
    return line if len(line) <= REASON_CHARS else line[: REASON_CHARS - 1] + "…"


_KEYS = re.compile(r"(?i)\b(?:sk|pk|gsk|xai|key)-[\w*.…-]{4,}|\bbearer\s+\S+|\b[A-Za-z0-9_-]{32,}\b")
"""What keys look like; services like to quote the one they refuse."""

_SHARED_CHARS = 12
"""A stretch of this many characters that also stands in a private text is taken for a quotation of it."""


def _without(line: str, private: str) -> str:
    """Mask every stretch of ``line`` that also stands in ``private``."""
    hidden = " ".join(private.split()).casefold()
    if len(hidden) < 4:  # "yes" says nothing, and masking it would spoil other words
        return line
    shown = line.casefold()
    if len(shown) != len(line):  # case folding moved the letters (ß, İ): no positions to go by
        return "…" if hidden[:_SHARED_CHARS] in shown else line
    width = min(_SHARED_CHARS, len(hidden))
    masked = [False] * len(line)
    for start in range(len(line) - width + 1):
        if shown[start : start + width] in hidden:
            masked[start : start + width] = [True] * width
    return re.sub("\0+", "…", "".join("\0" if hide else c for c, hide in zip(line, masked, strict=True)))


def _message(answer: object) -> str:
    """Find the sentence in the shapes that OpenAI, FastAPI and their like answer errors in."""
    match answer:
        case str():
            return answer
        case {"error": {"message": str(words)}} | {"error": str(words)}:
            return words
        case {"detail": {"message": str(words)}} | {"detail": str(words)} | {"message": str(words)}:
            return words
        case {"detail": [{"msg": str(words), **rest}, *_]}:
            where = rest.get("loc")
            return f"{'.'.join(map(str, where))}: {words}" if isinstance(where, list) else words
        case _:
            return ""


def _is_silent(segment: Mapping[str, object]) -> bool:
    no_speech, likely = _number(segment.get("no_speech_prob")), _number(segment.get("avg_logprob"))
    if no_speech is None or likely is None:
        return False
    return no_speech > NO_SPEECH_PROBABILITY and likely < SILENT_LOG_PROBABILITY


def _media_type(content_type: str) -> tuple[str, Mapping[str, str]]:
    """Split "audio/pcm; rate=24000" into type and parameters, all lower case."""
    media_type, *rest = (part.strip() for part in content_type.lower().split(";"))
    return media_type, {name.strip(): value.strip().strip('"') for name, _, value in (p.partition("=") for p in rest)}


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _list(value: object) -> Sequence[object]:
    return value if isinstance(value, list) else []


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _positive(value: str | None) -> int | None:
    return int(value) if value and value.isascii() and value.isdigit() and 0 < int(value) <= 384_000 else None
