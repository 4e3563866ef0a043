"""The voices file: one array for each voice, of which a blend is the mean."""

from __future__ import annotations

import threading
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from voicemode_service.errors import EngineFailedError

from voicemode_kokoro.voices import Voice

__all__ = ["WIDTH", "Styles", "voice_names"]

WIDTH = 256
"""Numbers in one style, float32; there is one style for each number of phonemes, up to 510."""

_KEPT = 16
"""Voices and blends kept in memory; each is 0.5 MB."""


def voice_names(path: Path) -> tuple[str, ...]:
    """The names in a voices file, sorted, without reading the voices. Raises EngineFailedError."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy"))
    except (OSError, zipfile.BadZipFile) as error:
        raise EngineFailedError(f"The voices file {path.name} cannot be read ({type(error).__name__}).") from error
    if not names:
        raise EngineFailedError(f"The voices file {path.name} holds no voices.")
    return tuple(names)


class Styles:
    """Reads voices when they are asked for. Thread-safe."""

    def __init__(self, path: Path) -> None:
        """Raises EngineFailedError for a file that holds no voices of this model."""
        self._path = path
        self.names = voice_names(path)
        self._lock = threading.Lock()
        self._kept: OrderedDict[Voice, NDArray[np.float32]] = OrderedDict()
        self._read(self.names[0])

    def of(self, voice: Voice) -> NDArray[np.float32]:
        """Float32, shape (phonemes, 1, 256). Raises EngineFailedError for one that is damaged."""
        with self._lock:
            if voice not in self._kept:
                self._kept[voice] = self._mixed(voice)
                if len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(voice)
            return self._kept[voice]

    def _mixed(self, voice: Voice) -> NDArray[np.float32]:
        arrays = [(self._read(name), share) for name, share in voice.parts]
        rows = min(len(array) for array, _ in arrays)
        mixed = np.zeros((rows, 1, WIDTH), np.float32)
        for array, share in arrays:
            mixed += array[:rows] * np.float32(share)
        return mixed

    def _read(self, name: str) -> NDArray[np.float32]:
        try:
            with np.load(self._path, allow_pickle=False) as archive:
                array = archive[name]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise EngineFailedError(f"The voice {name} of {self._path.name} is damaged ({type(error).__name__}).") from error
        if array.ndim != 3 or array.shape[0] < 1 or array.shape[1:] != (1, WIDTH) or array.dtype.kind != "f":
            raise EngineFailedError(f"{self._path.name} is the voices file of another model: {name} is {array.shape}.")
        return np.ascontiguousarray(array, dtype=np.float32)
