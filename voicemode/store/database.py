"""The file: opened for its owner alone, set aside when it is damaged, and who of its processes still lives."""

from __future__ import annotations

import contextlib
import os
import secrets
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from voicemode.record import RecordError
from voicemode.store.errors import BusyStoreError, DamagedStoreError, FullDiskError
from voicemode.store.schema import migrate

__all__ = ["BUSY_S", "Database", "Holder"]

BUSY_S = 4.0
"""How long one statement waits for another process. Below any deadline of a caller, which is then told who is to blame."""
_NAME = "history.db"
_SIDE_FILES = ("", "-wal", "-shm")
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PROTOCOL}


class Database:
    """The database of one folder. Nothing is made before ``connect``."""

    def __init__(self, folder: Path, busy_s: float = BUSY_S) -> None:
        self.folder, self.path, self.busy_s = folder, folder / _NAME, busy_s

    @property
    def exists(self) -> bool:
        """Whether anything was ever kept here."""
        return self.path.exists()

    def connect(self) -> sqlite3.Connection:
        """A connection in autocommit mode to a database of this version, which is made if there is none.

        Raises RecordError with what is the matter.
        """
        connection: sqlite3.Connection | None = None
        try:
            self._make_file()
            connection = sqlite3.connect(self.path, timeout=self.busy_s, isolation_level=None, check_same_thread=False)
            # Everything is written to the log first: whoever is killed leaves it whole. Power failing may cost the last turns.
            # What is deleted is overwritten.
            for pragma in ("synchronous = NORMAL", "secure_delete = ON", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")
            with self._alone():
                connection.execute("PRAGMA journal_mode = WAL")
                migrate(connection, self.path)
        except (sqlite3.Error, OSError, RecordError) as error:
            if connection is not None:
                connection.close()
            raise self.explain(error) from None
        return connection

    def explain(self, error: Exception) -> RecordError:
        """What an error of SQLite or of the system means for a person."""
        match error:
            case RecordError():
                return error
            case Timeout():
                return BusyStoreError(self.path, self.busy_s)
            case sqlite3.Error():
                code = getattr(error, "sqlite_errorcode", 0) & 0xFF
                if code in _DAMAGED:
                    return DamagedStoreError(self.path)
                if code in _BUSY:
                    return BusyStoreError(self.path, self.busy_s)
                if code in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}:
                    return FullDiskError(self.path, str(error))
                # Neither of these quotes a value that was given.
                return RecordError(f"{self.path}: {type(error).__name__} {getattr(error, 'sqlite_errorname', '')}".strip())
            case OSError():
                return FullDiskError(self.path, error.strerror or type(error).__name__)
            case _:
                return RecordError(f"{self.path}: {type(error).__name__}")

    def inode(self) -> int:
        """Tells whether the file of this name is still the one that was opened; 0 where there is none."""
        try:
            return self.path.stat().st_ino
        except OSError:
            return 0

    def set_aside(self, inode: int) -> Path | None:
        """Give the damaged file that had ``inode`` another name; None when another process was faster. Raises RecordError."""
        try:
            with self._alone():
                if self.inode() != inode or not inode:
                    return None
                name = f"{self.path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"
                for suffix in _SIDE_FILES:
                    with contextlib.suppress(FileNotFoundError):
                        Path(f"{self.path}{suffix}").rename(self.path.with_name(f"{name}{suffix}"))
                return self.path.with_name(name)
        except OSError as error:
            raise self.explain(error) from None

    def set_asides(self) -> tuple[Path, ...]:
        """All that were set aside, oldest first."""
        return tuple(sorted(p for p in self.folder.glob(f"{_NAME}.damaged-*") if not p.name.endswith(_SIDE_FILES[1:])))

    def size(self) -> int:
        """Bytes of everything in the folder but what was set aside."""
        aside = f"{_NAME}.damaged-"
        return sum(p.stat().st_size for p in self.folder.rglob("*") if p.is_file() and not p.name.startswith(aside))

    def _make_file(self) -> None:
        # A parent that mkdir makes on the way would be open to others.
        for each in (self.folder.parent, self.folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.name == "posix" and self.folder.stat().st_mode & 0o077:
            self.folder.chmod(0o700)
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # SQLite gives the files beside it the same mode.
            if os.name == "posix" and os.fstat(descriptor).st_mode & 0o077:
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """No other process makes, changes or renames the file meanwhile."""
        lock = FileLock(self.folder / "open.lock", mode=0o600, timeout=self.busy_s, thread_local=False, is_singleton=False)
        with lock:
            yield


class Holder:
    """A process as the database knows it: by a lock, which the operating system frees however it ends."""

    def __init__(self, database: Database) -> None:
        self._folder = database.folder / "live"
        self.key = f"{os.getpid()}-{secrets.token_hex(6)}"
        """No other process ever has it."""
        self._lock: FileLock | None = None

    def hold(self) -> None:
        """From now on others see that this process lives. Idempotent. Raises OSError."""
        if self._lock is None:
            self._folder.mkdir(mode=0o700, exist_ok=True)
            lock = self._lock_of(self.key)
            lock.acquire(blocking=False)
            self._lock = lock

    def lives(self, key: str) -> bool:
        """Whether the process of this key still does."""
        if key == self.key:
            return True
        path = self._folder / f"{Path(key).name}.lock"
        if not path.exists():
            return False
        lock = self._lock_of(Path(key).name)
        try:
            lock.acquire(blocking=False)
        except (Timeout, OSError):
            return True
        with contextlib.suppress(OSError):  # Windows does not remove what is open
            path.unlink(missing_ok=True)
        lock.release()
        return False

    def release(self) -> None:
        """Idempotent."""
        lock, self._lock = self._lock, None
        if lock is not None:
            with contextlib.suppress(OSError):
                (self._folder / f"{self.key}.lock").unlink(missing_ok=True)
            lock.release()

    def _lock_of(self, key: str) -> FileLock:
        return FileLock(self._folder / f"{key}.lock", mode=0o600, thread_local=False, is_singleton=False)
