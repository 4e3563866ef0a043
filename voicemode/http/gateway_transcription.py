"""``POST /v1/audio/transcriptions``: a recording of any usual format becomes words, with times where they are wanted.

https://platform.openai.com/docs/api-reference/audio/createTranscription
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import aclosing, closing
from dataclasses import dataclass
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.errors import RequestError, VoicemodeError
from voicemode.http.bodies import form_with_file
from voicemode.http.errors import HttpError, of_voicemode
from voicemode.interfaces import SpeechDetector, Transcriber
from voicemode.runtime.arguments import language_tag
from voicemode.runtime.checks import in_thread
from voicemode.runtime.file_transcription import LostPiece, Piece, transcribe_blocks
from voicemode.wire.subtitles import VTT_HEAD, cues, srt_cue, vtt_cue

__all__ = ["Hearing", "transcription"]

_FORMATS = ("json", "text", "srt", "verbose_json", "vtt")


@dataclass(frozen=True, slots=True)
class Hearing:
    """What hears an upload."""

    transcriber: Transcriber
    make_detector: Callable[[], SpeechDetector]
    """Raises EngineError."""
    most_s: float
    """Seconds of sound that are taken."""


@dataclass(frozen=True, slots=True)
class _Wanted:
    format: str
    language: str | None
    stream: bool


async def transcription(request: Request, hearing: Hearing) -> tuple[Response, float]:
    """The answer, and how many seconds of sound it is about. Raises HttpError."""
    form, file = await form_with_file(request)
    try:
        wanted = _read(form)
        sound = await in_thread(lambda: _Sound(file.file, hearing.most_s))
        with closing(sound):
            pieces = [piece async for piece in _pieces(sound, hearing, wanted)]
            return _answer(wanted, pieces, sound), sound.seconds
    except VoicemodeError as error:
        raise of_voicemode(error) from error
    finally:
        await file.close()


def _read(form: FormData) -> _Wanted:
    def field(name: str) -> str:
        value = form.get(name)
        return value.strip() if isinstance(value, str) else ""

    wanted = field("response_format") or "json"
    if wanted not in _FORMATS:
        raise HttpError(400, "invalid_value", f"It is one of {', '.join(_FORMATS)}.", param="response_format")
    try:
        language = language_tag(field("language") or None)
    except RequestError:
        raise HttpError(400, "invalid_value", "It is a language such as 'en' or 'pt-BR'.", param="language") from None
    stream = field("stream").lower() in ("true", "1")
    if stream and wanted not in ("json", "text"):
        raise HttpError(400, "invalid_value", "Only 'json' and 'text' can be streamed.", param="response_format")
    return _Wanted(wanted, language, stream)


class _Sound:
    """The upload's sound, counted. Reading it blocks."""

    def __init__(self, file: Any, most_s: float) -> None:
        """Raises MediaError."""
        # Here and not above: PyAV is for those who have sound.
        from voicemode.engines.sound_file import SoundFile

        self._file = SoundFile(file, "the upload")
        self._most = round(most_s * CAPTURE_RATE)
        self._read = 0
        self.too_long = (self._file.seconds or 0.0) > most_s

    @property
    def seconds(self) -> float:
        return self._read / CAPTURE_RATE

    def blocks(self) -> Iterator[Samples]:
        """16 kHz mono; ends early when it is too long, however short the file said it was."""
        for block in self._file.blocks():
            self._read += len(block)
            if self._read > self._most:
                self.too_long = True
                return
            yield block

    def close(self) -> None:
        self._file.close()


async def _pieces(sound: _Sound, hearing: Hearing, wanted: _Wanted) -> AsyncGenerator[Piece]:
    """Raises HttpError when it is too long, or nobody could hear a part of it: half a transcript would pass for a whole one."""
    if sound.too_long:
        raise _too_long(hearing.most_s)
    detector = await in_thread(hearing.make_detector)
    found = transcribe_blocks(sound.blocks(), detector, hearing.transcriber, language=wanted.language)
    async with aclosing(found) as pieces:
        async for piece in pieces:
            if isinstance(piece, LostPiece):
                raise piece.error
            yield piece
    if sound.too_long:
        raise _too_long(hearing.most_s)


def _too_long(most_s: float) -> HttpError:
    return HttpError(413, "audio_too_long", f"The recording is longer than {most_s:g} s.", param="file")


def _answer(wanted: _Wanted, pieces: Sequence[Piece], sound: _Sound) -> Response:
    said = [piece for piece in pieces if piece.text]
    text = " ".join(piece.text for piece in said)
    usage = {"type": "duration", "seconds": max(round(sound.seconds), 0)}
    if wanted.stream:
        return StreamingResponse(_events(said, text, usage), media_type="text/event-stream")
    match wanted.format:
        case "text":
            return PlainTextResponse(f"{text}\n")
        case "srt" | "vtt":
            return PlainTextResponse(_subtitles(wanted.format, said))
        case "verbose_json":
            return JSONResponse(
                {
                    "task": "transcribe",
                    "language": wanted.language or "",
                    "duration": round(sound.seconds, 3),
                    "text": text,
                    "segments": [_segment(number, piece, sound.seconds) for number, piece in enumerate(said)],
                    "usage": usage,
                }
            )
        case _:
            return JSONResponse({"text": text, "usage": usage})


def _segment(number: int, piece: Piece, most_s: float) -> dict[str, Any]:
    """What is not known, such as tokens and probabilities, is said as the API says "nothing special"."""
    return {
        "id": number,
        "seek": 0,
        "start": round(piece.start, 3),
        "end": round(min(piece.end, most_s), 3),
        "text": piece.text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": 0.0,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }


def _subtitles(kind: str, said: Sequence[Piece]) -> str:
    shown = [cue for piece in said for cue in cues(piece.start, piece.end, piece.text)]
    if kind == "srt":
        return "".join(srt_cue(number, cue) for number, cue in enumerate(shown, 1))
    return VTT_HEAD + "".join(map(vtt_cue, shown))


async def _events(said: Sequence[Piece], text: str, usage: dict[str, Any]) -> AsyncGenerator[bytes]:
    for number, piece in enumerate(said):
        yield _event({"type": "transcript.text.delta", "delta": f"{' ' if number else ''}{piece.text}"})
    yield _event({"type": "transcript.text.done", "text": text, "usage": usage})


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value).encode() + b"\n\n"
