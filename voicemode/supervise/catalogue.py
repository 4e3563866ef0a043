"""The models that can be downloaded: data, pinned by revision, size and SHA-256. Nothing here reads or opens anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

__all__ = ["CATALOGUE", "Engine", "Model", "ModelFile"]

Engine = Literal["whisper", "kokoro", "smart-turn", "silero"]
"""What reads the model: faster-whisper, kokoro-onnx, or the voice detector and turn scorer of voicemode itself."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """One file of a model."""

    name: str
    """Its name in the model's folder; never a path."""
    url: str
    """Where it is published: https, with the revision in it."""
    size: int
    """Bytes."""
    sha256: str
    """64 hexadecimal digits, lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One entry of the catalogue."""

    name: str
    """What people type, such as "whisper-base"; also its folder's name."""
    engine: Engine
    title: str
    """One line that helps to choose."""
    languages: str
    licence: str
    """SPDX identifier."""
    page: str
    """Where people read about it."""
    files: tuple[ModelFile, ...] = ()
    hosts: frozenset[str] = field(default=frozenset())
    """Where a download may be redirected to, besides the host of its address: "name" or ".suffix"."""
    unpinned: str = ""
    """Why no checksum is known, so that it is not downloaded; empty when everything is pinned."""

    @property
    def size(self) -> int:
        """Bytes of all files; 0 when they are not known."""
        return sum(file.size for file in self.files)


CATALOGUE: tuple[Model, ...] = ()
