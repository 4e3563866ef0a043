"""Read the sound of a file of any usual format, block by block, however long it is."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.errors import MediaError

__all__ = ["SoundFile", "open_sound"]

# Named, because FFmpeg would also follow playlists to the files and addresses that they name.
_FORMATS = "wav,w64,aiff,au,caf,flac,mp3,aac,ogg,mov,matroska,amr,avi"

_CLOSE_S = 1.0
"""A block is decoded in a millisecond; who reads for longer waits for a pipe, and is left alone."""


class SoundFile:
    """The first sound track of a file. It may be read in one thread and closed in another."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        """``name`` is what errors call it. A file that cannot seek is read as it comes. Raises MediaError."""
        self.name = name
        self._reading = threading.Lock()
        try:
            self._container = av.open(file, mode="r", options={"format_whitelist": _FORMATS})
        except (av.FFmpegError, ValueError, EOFError) as error:
            raise MediaError(name, "not an audio file that can be read") from error
        if not self._container.streams.audio:
            self._container.close()
            raise MediaError(name, "no sound in it")
        self._stream = self._container.streams.audio[0]

    @property
    def seconds(self) -> float | None:
        """How long it says it is; None when it does not say, as in a pipe."""
        duration = self._container.duration
        return duration / av.time_base if duration is not None and duration > 0 else None

    def blocks(self) -> Iterator[Samples]:
        """16 kHz mono PCM from the beginning, in blocks of any length. May be called once. Raises MediaError."""
        convert = av.AudioResampler(format="s16", layout="mono", rate=CAPTURE_RATE)
        frames = self._container.decode(self._stream)
        count = 0
        while True:
            try:
                with self._reading:
                    frame = next(frames, None)
                    blocks = [_samples(part) for part in convert.resample(frame)]
            except (av.FFmpegError, OSError, ValueError) as error:
                where = f"cannot be read any further after {count / CAPTURE_RATE:.1f} s"
                raise MediaError(self.name, where if count else "not an audio file that can be read") from error
            for block in blocks:
                count += len(block)
                yield block
            if frame is None:
                return

    def close(self) -> None:
        """Idempotent."""
        if self._reading.acquire(timeout=_CLOSE_S):
            self._container.close()
            self._reading.release()


@contextlib.contextmanager
def open_sound(path: Path) -> Iterator[SoundFile]:
    """Open a file for the length of the block. Raises MediaError."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise MediaError(str(path), error.strerror or "cannot be read") from error
    with file, contextlib.closing(SoundFile(file, str(path))) as sound:
        yield sound


def _samples(frame: av.AudioFrame) -> Samples:
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)
