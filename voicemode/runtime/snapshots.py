"""What the other voicemode processes of this machine know of the endpoints: each writes its report to a file, anyone may read.

A process holds a lock beside its file for as long as it lives. The operating system frees it however the process ends, so a
file whose lock is free was left behind, also after its number went to another process.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import logging
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import TypeAdapter

from voicemode.core.breaker import BreakerState
from voicemode.runtime.endpoint_report import EndpointReport

__all__ = ["Snapshot", "Snapshots", "read_snapshots"]

EVERY_S = 1.0
"""A file is not written more often: people read it, and they look once a second."""

LARGEST_BYTES = 1 << 20
"""A hundred endpoints with all their voices are a tenth of it."""

_PREFIX = "endpoints-"
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one process knew when it wrote."""

    pid: int
    program: str
    """As the floor calls it: "claude-code (pid 4711)"."""
    age_s: float
    """Since it was written; times in ``endpoints`` are as of now."""
    endpoints: tuple[EndpointReport, ...]


class Snapshots:
    """This process's file. It appears with the first request that settles and is removed by ``aclose``."""

    def __init__(self, folder: Path, program: str, take: Callable[[], Sequence[EndpointReport]]) -> None:
        """``folder`` is made when it is needed. ``take`` gives the report of that moment."""
        self._folder, self._program, self._take = folder, program, take
        self._path = folder / f"{_PREFIX}{os.getpid()}.json"
        self._lock: FileLock | None = None
        """Held from the first file to the last; None before and after."""
        self._writing: asyncio.Task[None] | None = None
        """Waits, or writes; None before the first request."""
        self._written_at = float("-inf")
        self._stale = False
        """Something settled since the report was taken."""
        self._closed = False

    def settled(self) -> None:
        """A request has settled: write soon. Costs nothing but a task; must be called within an event loop."""
        self._stale = True
        if not self._closed and (self._writing is None or self._writing.done()):
            self._writing = asyncio.get_running_loop().create_task(self._write())

    async def aclose(self) -> None:
        """Remove the file. Idempotent."""
        self._closed = True
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})
        self._remove()

    async def _write(self) -> None:
        while self._stale:
            await asyncio.sleep(max(self._written_at + EVERY_S - time.monotonic(), 0.0))
            self._stale = False
            self._written_at = time.monotonic()
            text = _encode(self._program, self._take())
            # In a thread, for a disk may be slow; shielded, so that no half of it outlives ``aclose``.
            writing = asyncio.ensure_future(asyncio.to_thread(self._replace, text))
            try:
                await asyncio.shield(writing)
            except asyncio.CancelledError:
                await asyncio.wait({writing})
                raise

    def _replace(self, text: str) -> None:
        """One step, so that no reader sees half. A disk that is full or read-only costs the figures, not the conversation."""
        half = self._path.with_suffix(".part")
        try:
            # A parent that mkdir makes on the way would be open to others.
            for each in (self._folder.parent, self._folder):
                each.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._take_lock():
                return
            descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
            half.replace(self._path)
        except OSError as error:
            _log.debug("the figures of the endpoints cannot be written: %s", error.strerror)

    def _take_lock(self) -> bool:
        """False while a reader looks whether this process lives; the next request tries again."""
        if self._lock is None:
            lock = _lock_of(self._path)
            try:
                lock.acquire(blocking=False)
            except Timeout:
                return False
            self._lock = lock
        return True

    def _remove(self) -> None:
        if self._lock is None:
            return
        with contextlib.suppress(OSError):
            _delete(self._path)
        lock, self._lock = self._lock, None
        lock.release()
        # After the release: Windows removes no open file. The lock of a file that is gone means nothing to anybody.
        with contextlib.suppress(OSError):
            Path(lock.lock_file).unlink(missing_ok=True)


def read_snapshots(folder: Path) -> list[Snapshot]:
    """Those of the processes that live, by number. Removes what dead ones left; what cannot be read is left out."""
    found = []
    for path in folder.glob(f"{_PREFIX}*.json"):
        pid = path.stem.removeprefix(_PREFIX)
        if not pid.isdecimal():
            continue
        with contextlib.suppress(OSError):
            if _lives(path):
                snapshot = _read(path, int(pid))
                found += [] if snapshot is None else [snapshot]
    return sorted(found, key=lambda snapshot: snapshot.pid)


def _lives(path: Path) -> bool:
    """Whether its writer does. Raises OSError."""
    lock = _lock_of(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return True
    _delete(path)
    lock.release()
    Path(lock.lock_file).unlink(missing_ok=True)
    return False


def _lock_of(path: Path) -> FileLock:
    # thread_local off: it is taken in a worker thread. No singleton: a reader in the writer's process must not get its lock.
    return FileLock(path.with_suffix(".lock"), mode=0o600, thread_local=False, is_singleton=False)


def _delete(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.with_suffix(".part").unlink(missing_ok=True)


# -- the file


def _encode(program: str, endpoints: Sequence[EndpointReport]) -> str:
    written = {"program": program, "written_at": time.time(), "endpoints": [endpoint.as_json() for endpoint in endpoints]}
    return json.dumps(written, indent=1)


def _read(path: Path, pid: int) -> Snapshot | None:
    """None for a file that another version wrote, or nobody of ours. Raises OSError."""
    with path.open("rb") as file:
        data = file.read(LARGEST_BYTES)
    try:
        written = json.loads(data)
        age_s = max(time.time() - float(written["written_at"]), 0.0)
        endpoints = tuple(_endpoint(each, age_s) for each in written["endpoints"])
        return Snapshot(pid=pid, program=str(written["program"]), age_s=round(age_s, 1), endpoints=endpoints)
    except (ValueError, KeyError, TypeError):
        return None


@functools.cache
def _shape() -> TypeAdapter[EndpointReport]:
    return TypeAdapter(EndpointReport)


def _endpoint(written: object, age_s: float) -> EndpointReport:
    """As of now. Raises ValueError for what is none."""
    endpoint = _shape().validate_python(written)
    retry_in_s = endpoint.retry_in_s
    if endpoint.state == BreakerState.OPEN and retry_in_s is not None:
        retry_in_s = round(max(retry_in_s - age_s, 0.0), 1)
    last_error_age_s = None if endpoint.last_error_age_s is None else round(endpoint.last_error_age_s + age_s, 1)
    return replace(endpoint, retry_in_s=retry_in_s, last_error_age_s=last_error_age_s)
