"""Files in place of a sound card: a recording that answers, and a WAV of what was said."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
import time
from pathlib import Path

import numpy as np

from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.resample import StreamResampler
from voicemode.engines.sound_file import open_sound
from voicemode.errors import MediaError
from voicemode.interfaces import CapturedBlock
from voicemode.wire.wav import encode_wav

__all__ = ["FileMicrophone", "FileSpeaker"]

_BLOCK = CAPTURE_RATE // 50
_LONGEST_S = 900
"""Longer than any utterance may be (``listen_duration_max``), and 29 MB of samples."""
_REPLY_RATE = 24_000
"""Hertz; what most engines speak at."""

_log = logging.getLogger(__name__)


class FileMicrophone:
    """Hears an audio file of any usual format, as ``interfaces.Microphone``, as fast as it is read."""

    def __init__(self, path: Path, after: asyncio.Event | None = None) -> None:
        """``after``: nothing is heard before it is set, so that a file answers when the message was spoken."""
        self._path = path
        self._after = after
        self._samples: Samples | None = None
        """The whole file, 16 kHz mono; None while it is closed."""
        self._position = 0
        self._started_at = 0.0

    @property
    def name(self) -> str:
        return str(self._path)

    async def open(self) -> None:
        """Read the file. Raises MediaError. Idempotent."""
        if self._samples is None:
            self._samples = await asyncio.to_thread(_decode, self._path)
            self._position = 0

    async def read(self) -> CapturedBlock | None:
        """20 ms; ``captured_at`` counts the file's own time from the first read. Raises RuntimeError when not open."""
        samples = self._samples
        if samples is None:
            raise RuntimeError("open the file before reading from it")
        if self._after is not None:
            await self._after.wait()
        await asyncio.sleep(0)  # a reader that loops must not keep everyone else from running
        if self._position >= len(samples):
            return None
        if self._position == 0:
            self._started_at = time.monotonic()
        captured_at = self._started_at + self._position / CAPTURE_RATE
        block = samples[self._position : self._position + _BLOCK]
        self._position += len(block)
        return CapturedBlock(AudioChunk(block, CAPTURE_RATE), captured_at)

    async def close(self) -> None:
        self._samples = None


class FileSpeaker:
    """Writes what is played to a 16-bit mono WAV of 24 kHz, as ``interfaces.Speaker``. Sound is "audible" at once.

    The file appears whole, when the speaker is closed; one of that name is replaced.
    """

    def __init__(self, path: Path | None, drained: asyncio.Event | None = None) -> None:
        """``path``: None plays to nowhere. ``drained``: set whenever all that was queued has been "heard"."""
        self._path = path
        self._drained = drained
        self._temporary: Path | None = None
        """Where the file grows; None while it is closed, or when there is no file."""
        self._pieces: list[Samples] = []
        self._resampler = StreamResampler(_REPLY_RATE, _REPLY_RATE)
        self._source_rate = _REPLY_RATE
        self._played_s = 0.0
        self._paused = False
        self._first_sound_at: float | None = None
        self._audible_until: float | None = None

    @property
    def name(self) -> str:
        return "no loudspeaker" if self._path is None else str(self._path)

    @property
    def first_sound_at(self) -> float | None:
        return self._first_sound_at

    @property
    def audible_until(self) -> float | None:
        return self._audible_until

    @property
    def queued_s(self) -> float:
        return 0.0

    @property
    def played_s(self) -> float:
        return self._played_s

    @property
    def paused(self) -> bool:
        return self._paused

    @property
    def far_end(self) -> None:
        """Nothing of a file is in the air."""

    async def open(self) -> None:
        """See that the file can be written. Raises MediaError. Idempotent."""
        if self._path is not None and self._temporary is None:
            self._temporary = await asyncio.to_thread(_reserve, self._path)

    async def play(self, chunk: AudioChunk) -> None:
        if chunk.sample_rate != self._source_rate:
            self._pieces.append(self._resampler.flush())
            self._source_rate = chunk.sample_rate
            self._resampler = StreamResampler(chunk.sample_rate, _REPLY_RATE)
        self._pieces.append(self._resampler.push(chunk.samples))
        self._played_s += chunk.seconds
        self._audible_until = time.monotonic()
        if self._first_sound_at is None:
            self._first_sound_at = self._audible_until

    async def drain(self) -> None:
        self._pieces.append(self._resampler.flush())
        if self._drained is not None:
            self._drained.set()

    def mark(self) -> int:
        return len(self._pieces)

    def withdraw(self, mark: int) -> None:
        """Nobody hears a file while it is written, so all of it can be withdrawn."""
        withdrawn = sum(len(piece) for piece in self._pieces[mark:]) + len(self._resampler.flush())
        del self._pieces[mark:]
        self._played_s = max(self._played_s - withdrawn / _REPLY_RATE, 0.0)

    def duck(self, gain_db: float) -> None:
        """Who reads a file does not speak at the same time: it is written at its full level."""

    async def pause(self) -> None:
        """Nothing is ever unheard, so only the word is kept."""
        self._paused = True

    async def resume(self, at_played_s: float | None = None) -> None:  # noqa: ARG002 - the interface's
        """What was written stays written once."""
        self._paused = False

    def stop(self) -> None:
        """Nothing is ever queued, so nothing is dropped."""
        self._paused = False

    async def close(self) -> None:
        temporary, self._temporary = self._temporary, None
        if temporary is None or self._path is None:
            return
        self._pieces.append(self._resampler.flush())
        sound = AudioChunk(np.concatenate(self._pieces), _REPLY_RATE)
        try:
            await asyncio.to_thread(_publish, sound, temporary, self._path)
        except OSError as error:
            _log.error("%s was not written: %s", self._path, error)


def _decode(path: Path) -> Samples:
    """The whole file as 16 kHz mono. Raises MediaError."""
    blocks: list[Samples] = []
    count = 0
    with open_sound(path) as sound:
        for block in sound.blocks():
            blocks.append(block)
            count += len(block)
            if count > _LONGEST_S * CAPTURE_RATE:
                raise MediaError(str(path), f"longer than {_LONGEST_S // 60} minutes")
    if not blocks:
        raise MediaError(str(path), "no sound in it")
    return np.concatenate(blocks)


def _reserve(path: Path) -> Path:
    """An empty file beside it, so that the finished one takes its place in one step. Raises MediaError."""
    if path.is_dir():
        raise MediaError(str(path), "a folder, not a file")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise MediaError(str(path), f"cannot be written: {error.strerror}") from error
    os.close(handle)
    return Path(name)


def _publish(sound: AudioChunk, temporary: Path, path: Path) -> None:
    try:
        temporary.write_bytes(encode_wav(sound))
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
