"""What an installation would do, for people to agree to before it is done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["Plan", "Step"]

_LINE_BYTES_S = 50e6 / 8
"""A line of 50 Mbit/s, the slower half of those in OECD countries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing it would do."""

    words: str
    download_bytes: int = 0
    disk_bytes: int = 0
    work_s: float = 0.0
    """Seconds besides the download, on two cores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """All of it."""

    service: str
    title: str
    folder: Path
    steps: tuple[Step, ...]
    """Empty when it is installed as it would be."""
    changes: str = ""
    """What the backend would write, as a diff."""
    model: str = ""
    """What the service is given: a name in the catalogue, or a path."""
    missing: str = ""
    """Why none of it can be done; empty when it can."""

    @property
    def download_bytes(self) -> int:
        return sum(step.download_bytes for step in self.steps)

    @property
    def disk_bytes(self) -> int:
        return sum(step.disk_bytes for step in self.steps)

    @property
    def seconds(self) -> float:
        """About how long, on a line of 50 Mbit/s."""
        return self.download_bytes / _LINE_BYTES_S + sum(step.work_s for step in self.steps)

    @property
    def duration(self) -> str:
        """The same in words, as exact as it is."""
        if self.seconds < 60:
            return f"about {max(5, round(self.seconds / 5) * 5)} s"
        return f"about {round(self.seconds / 60)} min"

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "service": self.service,
            "folder": str(self.folder),
            "steps": [step.words for step in self.steps],
            "download_bytes": self.download_bytes,
            "disk_bytes": self.disk_bytes,
            "seconds": round(self.seconds),
            "changes": self.changes,
            "model": self.model,
            "missing": self.missing,
        }
