"""What install noted about a service, so that uninstall undoes it and a later install sees what is new."""

from __future__ import annotations

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from voicemode.supervise.layout import Layout
from voicemode.supervise.private import read_json, write_json

__all__ = ["Record", "forget", "models_of_others", "read_record", "write_record"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One installed service."""

    version: str
    """Of the voicemode it was installed by."""
    digest: str
    """Of everything in its environment."""
    model: str
    """Name in the catalogue, or a path; empty when it needs none."""
    pulled: bool
    """Install downloaded that model, so uninstall removes it."""
    backend: str
    """Which one was told about it."""
    folders: tuple[str, ...] = ()
    """Folders outside its own that install made, the outermost first."""


def read_record(layout: Layout) -> Record | None:
    """None when it is not installed, or half of it is gone."""
    found: dict[str, Any] = read_json(layout.record)
    if not layout.venv.is_dir():
        return None
    try:
        return Record(**{**found, "folders": tuple(found.get("folders", ()))})
    except TypeError:  # of another version, or no record
        return None


def write_record(layout: Layout, record: Record) -> None:
    """Raises OSError."""
    write_json(layout.record, asdict(record))


def forget(layout: Layout, record: Record | None) -> None:
    """Remove its folder, and those around it that were made for it and are empty now. Others inherit the duty for the rest."""
    shutil.rmtree(layout.folder, ignore_errors=True)
    layout.lock.unlink(missing_ok=True)
    others = _installed(layout)
    left = [folder for folder in reversed(record.folders if record is not None else ()) if not _remove_empty(Path(folder))]
    for other, theirs in others[:1]:
        heirs = tuple(dict.fromkeys((*reversed(left), *theirs.folders)))
        write_record(other, Record(**{**asdict(theirs), "folders": heirs}))


def models_of_others(layout: Layout) -> set[str]:
    """The models that other installed services use."""
    return {record.model for other, record in _installed(layout) if other.name != layout.name}


def _installed(layout: Layout) -> list[tuple[Layout, Record]]:
    names = sorted(path.name for path in layout.services.glob("*/") if not path.name.startswith("."))
    layouts = [Layout(layout.base_dir, name) for name in names]
    return [(each, record) for each in layouts if (record := read_record(each)) is not None]


def _remove_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
