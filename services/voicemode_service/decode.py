"""An upload in any container that PyAV reads, as 16 kHz mono float samples."""

from __future__ import annotations

from collections.abc import Callable
from typing import BinaryIO

import av
import numpy as np
from av.error import FFmpegError
from numpy.typing import NDArray

from voicemode_service.errors import BadRequestError, TooLargeError

__all__ = ["RATE", "decode"]

RATE = 16_000
"""Hertz; what Whisper hears."""


def decode(upload: BinaryIO, *, max_s: float, stopped: Callable[[], bool] = lambda: False) -> NDArray[np.float32]:
    """All the sound of a file, shape (n,), -1 to 1. It blocks: run it in a thread; ``stopped`` ends it early.

    Raises BadRequestError for what is no sound or holds none, TooLargeError beyond ``max_s`` seconds.
    """
    blocks: list[NDArray[np.int16]] = []
    samples = 0
    try:
        with av.open(upload, mode="r", metadata_errors="ignore") as container:
            if not container.streams.audio:
                raise BadRequestError("The file holds no sound.", param="file")
            resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
            for frame in container.decode(audio=0):
                for part in resampler.resample(frame):
                    blocks.append(part.to_ndarray().reshape(-1))
                    samples += blocks[-1].size
                if samples > max_s * RATE:
                    raise TooLargeError(f"The sound is longer than {max_s:g} s.")
                if stopped():
                    break
            blocks += [part.to_ndarray().reshape(-1) for part in resampler.resample(None)]
    except (FFmpegError, ValueError, EOFError) as error:
        if not samples:
            raise BadRequestError("The file is no sound that can be read.", param="file") from error
        # A file that breaks off was sound until then; what was said in it is worth having.
    if not samples:
        raise BadRequestError("The file holds no sound.", param="file")
    return np.concatenate(blocks).astype(np.float32) / 32768.0
