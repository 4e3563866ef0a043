"""What a program left behind on disk."""

from __future__ import annotations

import stat
from pathlib import Path

__all__ = ["files", "loose", "mentions"]


def files(home: Path) -> list[Path]:
    """Every file in a home, but for libpulse's own settings."""
    pulse = home / ".config" / "pulse"
    return sorted(path for path in home.rglob("*") if path.is_file() and pulse not in path.parents)


def loose(home: Path) -> list[str]:
    """What others than the owner may read, write or enter in ~/.voicemode."""
    base = home / ".voicemode"
    return [str(path) for path in (base, *base.rglob("*")) if stat.S_IMODE(path.lstat().st_mode) & 0o077]


def mentions(home: Path, words: tuple[str, ...]) -> list[str]:
    """The files that hold one of the words, in whatever case, or sound."""
    found = []
    for path in files(home):
        content = path.read_bytes()
        found += [f"{path}: {word}" for word in words if word.lower().encode() in content.lower()]
        found += [f"{path}: sound"] if content[:4] in (b"RIFF", b"OggS", b"fLaC") else []
    return found
