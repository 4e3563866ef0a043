"""Phrases that were spoken once and may be asked for again: "One moment.", a message that is repeated.

They are kept in memory and, if asked for, in a folder. What a file is named and what it holds tells nobody what was said,
short of listening to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import secrets
import struct
import time
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

from voicemode.audio import AudioChunk

__all__ = ["Phrase", "Recording", "SpeechCache"]

LONGEST_TEXT = 200
"""Characters. Nobody says a longer sentence twice."""

MEMORY_BYTES = 16 << 20
"""Six minutes at 24 kHz."""

DISK_BYTES = 64 << 20

LONGEST_S = 60.0
"""Seconds of sound. LONGEST_TEXT characters take 15 at an ordinary pace; an endpoint that goes on and on is not kept."""

_SUFFIX = ".speech"
_HEAD = struct.Struct("<8sI32s")
"""Of a file: _MAGIC, the sample rate in hertz, and the SHA-256 of the 16-bit little-endian samples that follow."""
_MAGIC = b"VMSPEAK1"


@dataclass(frozen=True, slots=True)
class Phrase:
    """All that decides how a phrase sounds."""

    endpoint: str
    variant: str
    """Models and voices the endpoint was set to use."""
    voice: str | None
    """What it was asked for; None: its own."""
    speed: float
    language: str | None
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 in hexadecimal digits."""
        return hashlib.sha256(json.dumps(astuple(self)).encode()).hexdigest()


class Recording:
    """A phrase while it is being spoken."""

    def __init__(self) -> None:
        self._chunks: list[AudioChunk] = []
        self._seconds = 0.0

    def add(self, chunk: AudioChunk) -> None:
        self._seconds += chunk.seconds
        if self._seconds <= LONGEST_S:
            self._chunks.append(chunk)

    def sound(self) -> AudioChunk | None:
        """The whole of it; None when there is none, or it cannot be kept."""
        rates = {chunk.sample_rate for chunk in self._chunks}
        if len(rates) != 1 or self._seconds > LONGEST_S:
            return None
        return AudioChunk(np.concatenate([chunk.samples for chunk in self._chunks]), rates.pop())


class SpeechCache:
    """Keeps what was used last; the phrase that was not used for longest leaves first."""

    def __init__(self, folder: Path | None = None, *, memory_bytes: int = MEMORY_BYTES, disk_bytes: int = DISK_BYTES) -> None:
        """``folder`` is where phrases outlive the process; None: nowhere. Reads and writes nothing yet."""
        self._folder = folder
        self._memory_bytes, self._disk_bytes = memory_bytes, disk_bytes
        self._kept: OrderedDict[Phrase, AudioChunk] = OrderedDict()
        """The phrase used last is at the end."""
        self._bytes = 0

    def keeps(self, text: str) -> bool:
        """Whether a phrase of this text is worth keeping."""
        return len(text) <= LONGEST_TEXT

    async def get(self, phrase: Phrase) -> AudioChunk | None:
        """Its sound, if it is there. Never raises: a file that cannot be read, or is damaged, is removed and not there."""
        sound = self._kept.get(phrase)
        if sound is not None:
            self._kept.move_to_end(phrase)
        elif self._folder is not None and self.keeps(phrase.text):
            sound = await asyncio.to_thread(_load, self._folder / f"{phrase.digest}{_SUFFIX}")
            if sound is not None:
                self._remember(phrase, sound)
        return sound

    async def put(self, phrase: Phrase, sound: AudioChunk) -> None:
        """Keep the whole of it. Never raises: what cannot be kept is made anew next time."""
        if not self.keeps(phrase.text) or not len(sound.samples):
            return
        self._remember(phrase, sound)
        if self._folder is not None:
            await asyncio.to_thread(_store, self._folder, phrase.digest, sound, self._disk_bytes)

    def _remember(self, phrase: Phrase, sound: AudioChunk) -> None:
        known = self._kept.pop(phrase, None)
        self._bytes -= known.samples.nbytes if known is not None else 0
        if sound.samples.nbytes > self._memory_bytes:
            return
        self._kept[phrase] = sound
        self._bytes += sound.samples.nbytes
        while self._bytes > self._memory_bytes:
            _, left = self._kept.popitem(last=False)
            self._bytes -= left.samples.nbytes


def _load(path: Path) -> AudioChunk | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0))
        with os.fdopen(descriptor, "rb") as file:
            data = file.read()
    except OSError:
        return None
    sound = _decode(data)
    with contextlib.suppress(OSError):
        if sound is None:
            path.unlink()
        else:
            os.utime(path)  # it was used now, and so is not the oldest any more
    return sound


def _decode(data: bytes) -> AudioChunk | None:
    """None when it is not, or no longer, what was written."""
    if len(data) <= _HEAD.size:
        return None
    magic, sample_rate, digest = _HEAD.unpack_from(data)
    pcm = data[_HEAD.size :]
    if magic != _MAGIC or not sample_rate or len(pcm) % 2 or hashlib.sha256(pcm).digest() != digest:
        return None
    return AudioChunk(np.frombuffer(pcm, dtype="<i2").astype(np.int16), sample_rate)


def _store(folder: Path, name: str, sound: AudioChunk, most_bytes: int) -> None:
    pcm = sound.pcm
    data = _HEAD.pack(_MAGIC, sound.sample_rate, hashlib.sha256(pcm).digest()) + pcm
    half = folder / f"{secrets.token_hex(8)}.part"
    with contextlib.suppress(OSError):
        # A parent that mkdir makes on the way would be open to others.
        for each in (folder.parent, folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            with os.fdopen(os.open(half, flags, 0o600), "wb") as file:
                file.write(data)
            half.replace(folder / f"{name}{_SUFFIX}")
        finally:
            half.unlink(missing_ok=True)
        _make_room(folder, most_bytes)


def _make_room(folder: Path, most_bytes: int) -> None:
    """Remove what was not used for longest until the rest fits; half-written files of a process that died go as well."""
    files = sorted(_files(folder), reverse=True)
    total = 0
    for _, size, path in files:
        total += size
        if total > most_bytes:
            with contextlib.suppress(OSError):
                path.unlink()


_HALF_WRITTEN_S = 60.0
"""A file that is being written is no older."""


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """When each was last used, its size in bytes, and its path."""
    with os.scandir(folder) as entries:
        for entry in entries:
            with contextlib.suppress(OSError):
                status = entry.stat(follow_symlinks=False)
                if entry.name.endswith(_SUFFIX):
                    yield status.st_mtime, status.st_size, Path(entry.path)
                elif entry.name.endswith(".part") and time.time() - status.st_mtime > _HALF_WRITTEN_S:
                    Path(entry.path).unlink()
