"""The stream of voicemode's own Whisper service, from the client's side: sound goes in, words come out (docs/services.md).

A service declares it in its list of models; nothing else is asked whether it has one.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TypeAlias
from urllib.parse import urlencode

__all__ = ["FLUSH", "PROTOCOL", "Flushed", "Grown", "Refused", "StreamMessage", "read_stream_message", "stream_path"]

PROTOCOL = "voicemode-1"
"""As the field ``audio_stream`` of the service's models says it."""
FLUSH = '{"type": "flush"}'


@dataclass(frozen=True, slots=True)
class Grown:
    """More was understood."""

    settled: str
    """To be appended to what was settled before."""
    tail: str
    until_s: float


@dataclass(frozen=True, slots=True)
class Flushed:
    """The answer to a flush."""

    text: str


@dataclass(frozen=True, slots=True)
class Refused:
    """The service's reason, before it closes."""

    body: bytes
    """As ``openai_audio.error_reason`` reads it."""


StreamMessage: TypeAlias = Grown | Flushed | Refused


def stream_path(*, model: str, language: str | None) -> str:
    """Path and query below the base address. ``language`` is a two-letter code."""
    query = {"model": model} | ({"language": language} if language else {})
    return f"/audio/stream?{urlencode(query)}"


def read_stream_message(data: str | bytes) -> StreamMessage | None:
    """None for kinds that are not known here. Raises ValueError for what is no message of this protocol."""
    try:
        message = json.loads(data) if isinstance(data, str) else None
    except RecursionError:
        message = None
    match message:
        case {"type": "partial", "settled": str(settled), "tail": str(tail), "until": float() | int() as until}:
            return Grown(settled, tail, float(until) if math.isfinite(until) else 0.0)
        case {"type": "flushed", "text": str(text)}:
            return Flushed(text.strip())
        case {"type": "error"}:
            return Refused(json.dumps(message).encode())
        case {"type": str(kind)} if kind not in ("partial", "flushed"):
            return None
    raise ValueError("not a message of the stream")
