"""Where things of a service are on disk. All of it is below ``<base_dir>/services/<name>`` but for models and unit files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Layout"]


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths of one service; none need exist."""

    base_dir: Path
    name: str

    @property
    def services(self) -> Path:
        """The folder of all services."""
        return self.base_dir / "services"

    @property
    def folder(self) -> Path:
        """What uninstall removes as a whole."""
        return self.services / self.name

    @property
    def lock(self) -> Path:
        """Held by whoever installs, starts, stops or removes it; beside the folder, which comes and goes under it."""
        return self.services / f".{self.name}.lock"

    @property
    def venv(self) -> Path:
        return self.folder / "venv"

    @property
    def building(self) -> Path:
        """An environment that is not finished; after an interruption it is rubbish."""
        return self.folder / ".venv.building"

    @property
    def outdated(self) -> Path:
        """The environment before, for the moment of the exchange; rubbish as well."""
        return self.folder / ".venv.outdated"

    @property
    def record(self) -> Path:
        """Written last by install: what is there without it is no installation."""
        return self.folder / "installed.json"

    @property
    def models(self) -> Path:
        """Shared by all services."""
        return self.base_dir / "models"

    @staticmethod
    def python_of(venv: Path) -> Path:
        """The interpreter of an environment."""
        return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
