"""The models on this machine: which there are, where they live, and how they come and go."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from voicemode.errors import RequestError
from voicemode.settings import Settings
from voicemode.supervise.catalogue import CATALOGUE, Model

__all__ = ["Models", "Progress", "State", "catalogue", "find"]


class State(StrEnum):
    """What is on disk of a model."""

    ABSENT = "absent"
    PARTIAL = "partial"
    """A download was interrupted; ``pull`` goes on with it."""
    BROKEN = "broken"
    """A file is missing or has the wrong size; ``verify`` also finds changed bytes."""
    INSTALLED = "installed"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a download is."""

    model: str
    file: str
    done: int
    """Bytes of the whole model that are on disk."""
    total: int
    """Bytes of the whole model."""
    state: str = "downloading"
    """Either "waiting" (for another download of the same model), "downloading" or "checking"."""


OnProgress = Callable[[Progress], None]


def catalogue() -> Sequence[Model]:
    """Every model that can be downloaded or added."""
    return CATALOGUE


def find(name: str) -> Model:
    """The entry of that name. Raises RequestError with the nearest one."""
    known = {model.name: model for model in CATALOGUE}
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"; did you mean '{near[0]}'?" if near else ""
    raise RequestError("name", f"there is no model '{name[:80]}'{hint}", "the names of 'voicemode models list'")


class Models:
    """The models below ``<base_dir>/models``, one folder each, named like the model."""

    def __init__(self, settings: Settings) -> None:
        self.folder = settings.base_dir / "models"

    def path_of(self, name: str) -> Path:
        """The folder its files are in, whether they are there or not; this is what a service is given. Raises RequestError."""
        return self.folder / find(name).name

    def state(self, name: str) -> State:
        """What is on disk, told from names and sizes. Raises RequestError."""
        raise NotImplementedError

    def is_installed(self, name: str) -> bool:
        """Every file is there in its size. Raises RequestError."""
        return self.state(name) is State.INSTALLED

    async def pull(self, name: str, progress: OnProgress = lambda _: None) -> Path:
        """Download what is missing, check it and return its folder. What is there already is not downloaded again.

        ``progress`` is called about ten times a second at most. Cancelled or failed, it keeps what came and goes on from there.
        Raises RequestError (unknown name), DownloadError, ModelInUseError, ModelError (not pinned).
        """
        raise NotImplementedError

    def remove(self, name: str) -> int:
        """Delete it, and what an interrupted download left; the bytes that were freed. Raises RequestError, ModelInUseError."""
        raise NotImplementedError

    def verify(self, name: str, progress: OnProgress = lambda _: None) -> list[str]:
        """Read every byte and compare; one sentence for each file that is wrong. Blocks; raises RequestError."""
        raise NotImplementedError
