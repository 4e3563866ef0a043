"""Logs of services where no journal keeps them: bounded in size, readable by their owner only."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from voicemode.supervise.private import make_folder

__all__ = ["LIMIT_BYTES", "RotatedLog", "follow", "tail"]

LIMIT_BYTES = 1_000_000
"""Of one file: half a million words of warnings, more than anybody reads."""
KEPT = 3
"""Older files that stay beside it, as .1 (the newest) to .3."""
_POLL_S = 0.2
_TAIL_BYTES = 1 << 20


class RotatedLog:
    """One writer appends to it; when it is full, it becomes .1 and the oldest one goes."""

    def __init__(self, path: Path, *, limit: int = LIMIT_BYTES, kept: int = KEPT) -> None:
        """``limit`` is in bytes of one file. Opens nothing yet."""
        self._path, self._limit, self._kept = path, limit, kept
        self._descriptor: int | None = None
        self._size = 0

    def write(self, data: bytes) -> None:
        """Append; what is longer than a file may be is cut. Raises OSError when the disk is full."""
        data = data[: self._limit]
        if self._descriptor is None:
            self._open()
        if self._size and self._size + len(data) > self._limit:
            self._rotate()
        assert self._descriptor is not None  # noqa: S101 - both of the above open it
        self._size += os.write(self._descriptor, data)

    def close(self) -> None:
        """Idempotent; a later ``write`` opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> None:
        make_folder(self._path.parent)
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def _rotate(self) -> None:
        self.close()
        for number in range(self._kept, 0, -1):
            older = rotated(self._path, number)
            newer = rotated(self._path, number - 1) if number > 1 else self._path
            if newer.exists():
                newer.replace(older)
        self._open()


def rotated(path: Path, number: int) -> Path:
    """The file that was ``path`` so many rotations ago."""
    return path.with_name(f"{path.name}.{number}")


def tail(path: Path, lines: int) -> list[str]:
    """The last lines, oldest first, from the rotated file before it as well where it is short."""
    found = _last_lines(path, lines)
    if len(found) < lines:
        found = _last_lines(rotated(path, 1), lines - len(found)) + found
    return found


def _last_lines(path: Path, lines: int) -> list[str]:
    if lines <= 0:
        return []
    try:
        with path.open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - _TAIL_BYTES)
            file.seek(start)
            data = file.read()
    except OSError:
        return []
    return data.decode(errors="replace").splitlines()[-lines:]


def follow(path: Path, pause: Callable[[float], None] = time.sleep) -> Iterator[str]:
    """The lines that are written from now on, through rotations, until the caller ends. ``pause`` waits so many seconds."""
    seen, position = _identity(path)
    rest = b""
    while True:
        identity, size = _identity(path)
        if identity != seen:
            seen, position, rest = identity, 0, b""
        if size > position:
            with path.open("rb") as file:
                file.seek(position)
                data = file.read()
            position += len(data)
            *complete, rest = (rest + data).split(b"\n")
            yield from (line.decode(errors="replace") for line in complete)
        else:
            pause(_POLL_S)


def _identity(path: Path) -> tuple[int, int]:
    """Which file it is, and how many bytes it has."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_ino, found.st_size
