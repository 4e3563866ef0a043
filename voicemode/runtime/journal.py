"""Utterances that wait for their transcript: on disk before they are sent, gone when the words are there."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path

from voicemode.audio import AudioChunk
from voicemode.errors import RequestError
from voicemode.wire.wav import decode_wav, encode_wav

__all__ = ["Journal"]

_PREFIX = "utt-"


class Journal:
    """A folder of WAV files, 0600 in 0700. Nothing else of a conversation is ever written by default."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def new_path(self) -> Path:
        """A name no other utterance has, sortable by time; nothing is written yet."""
        return self._folder / f"{_PREFIX}{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}.wav"

    def keep(self, path: Path, utterance: AudioChunk) -> None:
        """Write the utterance, replacing a shorter version of itself in one step. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        half = path.with_suffix(".part")
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode_wav(utterance))
        half.replace(path)

    def discard(self, path: Path) -> None:
        """The transcript exists, or the person withdrew it. Idempotent."""
        path.unlink(missing_ok=True)

    def pending(self) -> list[str]:
        """Names of the utterances that still wait, oldest first; each is a handle for ``resume``."""
        return sorted(path.stem for path in self._folder.glob(f"{_PREFIX}*.wav"))

    def find(self, handle: str) -> Path:
        """The file of a handle. Raises RequestError: only names that ``pending`` gives are looked at."""
        if handle not in self.pending():
            known = ", ".join(self.pending()) or "none is waiting"
            raise RequestError("resume", f"there is no recording '{handle[:80]}'", known)
        return self._folder / f"{handle}.wav"

    def load(self, path: Path) -> AudioChunk:
        """Read an utterance back. Raises OSError, MediaError."""
        return decode_wav(path.read_bytes())
