"""The floor: only one process on this machine talks with the person at a time.

A lock on disk shared by every MCP server and the command line. The operating system frees it when its holder dies, however
it dies, so there is no stale lock to clean up; the note beside it only says who holds it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from filelock import FileLock, Timeout

from voicemode.errors import FloorTakenError

__all__ = ["Floor"]

_POLL_S = 0.05
"""Between two looks at a taken floor: short against the pause between two speakers (about 200 ms)."""


class Floor:
    """The right to speak and listen. Shared by all conversations of a process; holding it is per conversation."""

    def __init__(self, folder: Path, holder: str, wait_s: float) -> None:
        """``holder`` is what others are told, such as "Claude Code (pid 4711)"; ``wait_s`` is how long ``hold`` waits."""
        self._lock_path = folder / "floor.lock"
        self._note_path = folder / "floor.json"
        self._holder = holder
        self.wait_s = wait_s
        """May be changed; holds that wait already heed it too."""

    @contextlib.asynccontextmanager
    async def hold(self, on_wait: Callable[[str], None] | None = None) -> AsyncIterator[None]:
        """Hold the floor for the length of the block.

        ``on_wait`` is told once who holds it. Raises FloorTakenError after ``wait_s``.
        """
        self._lock_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # thread_local off and a lock of its own per hold: two conversations of one process exclude each other as well.
        lock = FileLock(self._lock_path, mode=0o600, thread_local=False, is_singleton=False)
        await self._acquire(lock, on_wait)
        try:
            self._write_note()
            yield
        finally:
            self._note_path.unlink(missing_ok=True)
            lock.release()

    async def _acquire(self, lock: FileLock, on_wait: Callable[[str], None] | None) -> None:
        began = time.monotonic()
        told = False
        while True:
            try:
                lock.acquire(blocking=False)
            except Timeout:
                waited = time.monotonic() - began
                if waited >= self.wait_s:
                    raise FloorTakenError(self.holder(), waited) from None
                if not told and on_wait is not None:
                    on_wait(self.holder())
                    told = True
                await asyncio.sleep(_POLL_S)
            else:
                return

    def holder(self) -> str:
        """Who holds the floor now, as far as the note says."""
        try:
            note = json.loads(self._note_path.read_text(encoding="utf-8"))
            return f"{note['holder']} since {note['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return "another voicemode process"

    def taken_by(self) -> str | None:
        """Who holds the floor at this moment, this process included; None when it is free. Waits for nothing."""
        if not self._note_path.exists():
            return None
        lock = FileLock(self._lock_path, mode=0o600, thread_local=False, is_singleton=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return self.holder()
        lock.release()  # the note outlived its writer
        return None

    def _write_note(self) -> None:
        note = json.dumps({"holder": self._holder, "pid": os.getpid(), "since": time.strftime("%H:%M:%S")})
        descriptor = os.open(self._note_path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(note)
