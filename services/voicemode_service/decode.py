"""An upload in any container that PyAV reads, as 16 kHz mono samples, block after block."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from voicemode_service.errors import BadRequestError, TooLargeError

__all__ = ["RATE", "blocks"]

RATE = 16_000
"""Hertz; what Whisper hears."""

_LOWEST_RATE = 4_000
"""Hertz. Below it nothing said can be understood, and a file of a few bytes would be hours long."""

_NO_OTHER_FILES = {"protocol_whitelist": "none"}
"""Playlists (HLS, concat, SDP) name files and addresses that FFmpeg would open; no protocol is called "none", so it opens none.
https://ffmpeg.org/ffmpeg-formats.html#Format-Options"""


def blocks(upload: BinaryIO, *, max_s: float) -> Iterator[NDArray[np.float32]]:
    """The sound of a file as it is read, each block of shape (n,), -1 to 1. It blocks: run it in a thread.

    A file that breaks off was sound until then; what was said in it is worth having.

    Raises BadRequestError for what is no sound or holds none, TooLargeError beyond ``max_s`` seconds: at once where the
    file says how long it is, else when that much was read.
    """
    samples = 0
    try:
        with av.open(upload, mode="r", metadata_errors="ignore", options=_NO_OTHER_FILES) as container:
            _check(container, max_s)
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in _frames(container):
                for part in resampler.resample(frame):
                    block = part.to_ndarray().reshape(-1)
                    samples += block.size
                    if samples > max_s * RATE:
                        raise _too_long(max_s)
                    yield block.astype(np.float32) / 32768.0
    except (FFmpegError, ValueError, EOFError) as error:
        if not samples:
            raise BadRequestError("The file is no sound that can be read.", param="file") from error
    if not samples:
        raise BadRequestError("The file holds no sound.", param="file")


def _frames(container: Any) -> Iterator[Any]:
    """The frames, and None after the last: it makes the resampler give what it kept."""
    yield from container.decode(audio=0)
    yield None


def _check(container: Any, max_s: float) -> None:
    if not container.streams.audio:
        raise BadRequestError("The file holds no sound.", param="file")
    if container.streams.audio[0].rate < _LOWEST_RATE:
        raise BadRequestError(f"The sound has fewer than {_LOWEST_RATE} samples a second.", param="file")
    if container.duration is not None and container.duration / av.time_base > max_s:
        raise _too_long(max_s)


def _too_long(max_s: float) -> TooLargeError:
    return TooLargeError(f"The sound is longer than {max_s:g} s.")
