"""Transcripts as they are printed or written: text, JSON, SubRip and WebVTT."""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

from voicemode.cli.failure import printable
from voicemode.errors import MediaError, VoicemodeError
from voicemode.runtime.file_transcription import LostPiece, Piece
from voicemode.wire.subtitles import VTT_HEAD, cues, srt_cue, vtt_cue

__all__ = ["FileResult", "Format", "TranscriptWriter", "clock", "output_file", "write_json"]


class Format(StrEnum):
    """The values are those of --format, and the endings of files."""

    TEXT = "text"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"


@dataclass(slots=True)
class FileResult:
    """What came of one file."""

    name: str
    seconds: float | None = None
    pieces: list[Piece] = field(default_factory=list)
    lost: list[LostPiece] = field(default_factory=list)
    error: VoicemodeError | None = None
    """What ended it early."""
    finished: bool = False
    """It was read to its end."""

    @property
    def complete(self) -> bool:
        return self.finished and not self.lost and self.error is None

    def facts(self) -> dict[str, Any]:
        """For programs. ``complete`` is false when anything is missing."""
        words = [piece for piece in self.pieces if piece.text]
        facts: dict[str, Any] = {
            "file": self.name,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "complete": self.complete,
            "text": " ".join(piece.text for piece in words),
            "segments": [
                {
                    "start": round(piece.start, 3),
                    "end": round(piece.end, 3),
                    "text": piece.text,
                    "engine": piece.engine,
                    "confidence": piece.confidence,
                }
                for piece in words
            ],
            "lost": [
                {
                    "start": round(piece.start, 3),
                    "end": None if piece.end is None else round(piece.end, 3),
                    "error": str(piece.error),
                }
                for piece in self.lost
            ],
            "failed": list(dict.fromkeys(reason for piece in self.pieces for reason in piece.failed)),
        }
        return facts | ({"code": self.error.code, "error": str(self.error)} if self.error is not None else {})


class TranscriptWriter:
    """Writes text and subtitles as they come. A gap is marked where it is: a transcript with a hidden hole is believed."""

    def __init__(self, kind: Format, out: TextIO) -> None:
        self._kind, self._out = kind, out
        self._cues = 0
        self._at = 0.0

    def add(self, piece: Piece | LostPiece) -> None:
        if isinstance(piece, LostPiece):
            end = piece.start + 1.0 if piece.end is None else piece.end
            self._write(piece.start, end, f"[{_gap(piece)}]")
        elif piece.text:
            self._write(piece.start, piece.end, printable(piece.text))
        self._at = piece.start if piece.end is None else piece.end

    def break_off(self) -> None:
        """The rest is missing, whatever the reason."""
        self._write(self._at, self._at + 1.0, f"[not transcribed from {clock(self._at)} on]")

    def close(self) -> None:
        """A file of WebVTT has its head also when nothing was said."""
        if self._kind is Format.VTT and not self._cues:
            self._out.write(VTT_HEAD)
        self._out.flush()

    def _write(self, start: float, end: float, text: str) -> None:
        match self._kind:
            case Format.TEXT:
                self._out.write(f"{text}\n")
            case Format.SRT | Format.VTT:
                for cue in cues(start, end, text):
                    if self._kind is Format.VTT and not self._cues:
                        self._out.write(VTT_HEAD)
                    self._cues += 1
                    self._out.write(srt_cue(self._cues, cue) if self._kind is Format.SRT else vtt_cue(cue))
            case Format.JSON:
                pass  # written as a whole, when all is known
        self._out.flush()


def _gap(piece: LostPiece) -> str:
    if piece.end is None:
        return f"not transcribed from {clock(piece.start)} on"
    return f"not transcribed: {clock(piece.start)} to {clock(piece.end)}"


def clock(seconds: float) -> str:
    """ "1:02:03", or "02:03" below an hour."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute:02}:{second:02}"


@contextlib.contextmanager
def output_file(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or a file that appears at the end of the block, 0600, also of a block that was broken off.

    Raises MediaError.
    """
    if path is None:
        yield sys.stdout
        return
    if path.is_dir():
        raise MediaError(str(path), "a folder, not a file")
    try:
        descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise MediaError(str(path), f"cannot be written: {error.strerror}") from error
    temporary = Path(name)
    whole = False
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            yield file
        whole = True
    except OSError as error:
        temporary.unlink()
        raise MediaError(str(path), f"cannot be written: {error.strerror}") from error
    finally:
        if temporary.exists():
            if whole or temporary.stat().st_size:
                temporary.replace(path)
            else:
                temporary.unlink()


def write_json(facts: Any, out: TextIO) -> None:
    """One document."""
    out.write(json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    out.flush()
