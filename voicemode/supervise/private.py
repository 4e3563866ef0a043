"""Files that are their owner's alone, and that are either as before or as written, whatever happens meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["make_folder", "read_json", "write_json", "write_private"]


def make_folder(path: Path) -> list[Path]:
    """Make it (0700) with those above it that are missing; returns those that were made, the outermost first."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()][::-1]
    for folder in missing:
        folder.mkdir(mode=0o700, exist_ok=True)
    return missing


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step (0600)."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """As JSON, in one step (0600)."""
    write_private(path, json.dumps(value, indent=2))


def read_json(path: Path) -> dict[str, Any]:
    """What ``write_json`` wrote; empty when nothing is there or it is no such thing."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
