"""The only one of a process that writes: a thread with a queue. Nobody waits for it who does not want to."""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

from voicemode.errors import VoicemodeError
from voicemode.record import Entry, RecordError
from voicemode.store import rows
from voicemode.store.database import Database, Holder
from voicemode.store.errors import DamagedStoreError
from voicemode.store.hold import Hold

__all__ = ["Writer"]

_log = logging.getLogger(__name__)
_T = TypeVar("_T")

_RETRY_S = 2.0
"""How long what could not be written waits for another try, unless something new comes."""
_EXAMINE_S = 60.0
_BATCH = 500
"""Entries of one transaction; they are few unless the disk is slow."""
_MOST_WAITING = 10_000
_MOST_CHARACTERS = 16_000_000
"""What waits for a disk that takes nothing is kept in memory up to these; after that the oldest is lost."""


@dataclass(slots=True, eq=False)
class _Job(Generic[_T]):
    """Something done alone, between the entries that were put before it and after it."""

    do: Callable[[sqlite3.Connection], _T]
    future: Future[_T]
    until: float
    """When nobody waits for it any more, in seconds of ``time.monotonic()``."""
    transaction: bool

    def run(self, connection: sqlite3.Connection) -> _T:
        if not self.transaction:
            return self.do(connection)
        connection.execute("BEGIN IMMEDIATE")
        done = self.do(connection)
        connection.execute("COMMIT")
        return done


def _examine(connection: sqlite3.Connection) -> None:
    """Raises sqlite3.Error where the file or its index is damaged."""
    (told,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if told != "ok":
        error = sqlite3.DatabaseError("quick_check found damage")
        error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
        raise error
    connection.execute("INSERT INTO found (found) VALUES ('integrity-check')")


@dataclass(slots=True, eq=False)
class _Put:
    hold: Hold
    entry: Entry


class Writer:
    """A thread that begins with the first thing to do."""

    def __init__(self, database: Database, holder: Holder, wall: Callable[[], float] = time.time) -> None:
        self._database, self._holder, self._wall = database, holder, wall
        self._changed = threading.Condition()
        self._queue: deque[_Put | _Job[object]] = deque()
        self._puts: dict[tuple[str, str], _Put] = {}
        """What is in the queue, by session and key: what is put again in the meantime takes its place."""
        self._writing: list[_Put] = []
        self._characters = 0
        self._thread: threading.Thread | None = None
        self._closing = False
        self._connection: sqlite3.Connection | None = None
        self._inode = 0
        self.set_aside: str = ""
        """The damaged file that this process gave another name; empty while none was."""

    # -- for anybody; never waits

    def put(self, hold: Hold, entry: Entry) -> None:
        """Have it written."""
        with self._changed:
            if self._closing:
                hold.lost = hold.lost or "it was put down after the end of the process's record"
                return
            waiting = self._puts.get((hold.session, entry.key))
            if waiting is not None:
                self._characters += len(entry.text) - len(waiting.entry.text)
                waiting.entry = entry
            else:
                each = self._puts[hold.session, entry.key] = _Put(hold, entry)
                self._queue.append(each)
                self._characters += len(entry.text)
            self._shed()
            self._wake()

    def submit(self, do: Callable[[sqlite3.Connection], _T], *, within_s: float, transaction: bool = True) -> Future[_T]:
        """Have something done after what was put until now. The future may fail with RecordError, and only with that."""
        job = _Job(do, Future[_T](), time.monotonic() + within_s, transaction)
        with self._changed:
            if self._closing:
                job.future.set_exception(RecordError("it is closed"))
                return job.future
            self._queue.append(job)  # type: ignore[arg-type]  # a future of anything
            self._wake()
        return job.future

    @property
    def is_behind(self) -> bool:
        """Whether something that was put is not written yet."""
        return bool(self._puts or self._writing)

    def examine(self) -> None:
        """Somebody read what cannot be: look at the whole file, and mend it or set it aside."""
        self.submit(_examine, within_s=_EXAMINE_S, transaction=False)

    def waiting(self, thread: str, identity: str) -> list[Entry]:
        """What was put into a thread and is not written yet, in order."""
        with self._changed:
            puts = [*self._writing, *(each for each in self._queue if isinstance(each, _Put))]
        return [each.entry for each in puts if each.hold.thread == thread and each.hold.identity == identity]

    def close(self, within_s: float) -> None:
        """Write what waits, and end the thread. Blocks, at most so long. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(within_s)

    # -- in the thread

    def _wake(self) -> None:
        if self._thread is None:
            # A daemon: a process that ends without closing must not hang on a disk that takes nothing.
            self._thread = threading.Thread(target=self._run, name="voicemode-record", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _shed(self) -> None:
        while len(self._puts) > _MOST_WAITING or self._characters > _MOST_CHARACTERS:
            oldest = next((each for each in self._queue if isinstance(each, _Put)), None)
            if oldest is None:
                return
            self._queue.remove(oldest)
            self._gone(oldest)
            oldest.hold.lost = "so much waited to be written that the oldest of it was given up"

    def _gone(self, each: _Put) -> None:
        self._characters -= len(each.entry.text)
        self._puts.pop((each.hold.session, each.entry.key), None)

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closing:
                    self._changed.wait()
                if not self._queue:
                    break
                job = self._take()
            ok = self._do(job) if job is not None else self._write()
            if not ok:
                with self._changed:
                    if self._closing:
                        break
                    self._changed.wait(_RETRY_S)
        self._disconnect()
        self._holder.release()

    def _take(self) -> _Job[object] | None:
        """The job that is next; None, and ``_writing`` filled, where entries are."""
        first = self._queue[0]
        if isinstance(first, _Job):
            self._queue.popleft()
            return first
        while self._queue and len(self._writing) < _BATCH and isinstance(each := self._queue[0], _Put):
            self._queue.popleft()
            self._gone(each)
            self._writing.append(each)
        return None

    def _do(self, job: _Job[object]) -> bool:
        """Whether it came to an end, good or bad."""
        if job.until < time.monotonic() or not job.future.set_running_or_notify_cancel():
            return True
        try:
            try:
                done = job.run(self._connected())
            except sqlite3.Error as error:
                if not self._mended(error):
                    raise
                done = job.run(self._connected())
        except Exception as error:  # noqa: BLE001  (the boundary of the thread: it must outlive anything)
            self._rollback()
            job.future.set_exception(error if isinstance(error, VoicemodeError) else self._database.explain(error))
        else:
            job.future.set_result(done)
        return True

    def _write(self) -> bool:
        """Write what ``_writing`` holds; if that fails it goes back to where it was."""
        try:
            try:
                self._write_all(self._connected())
            except sqlite3.Error as error:
                if not self._mended(error):
                    raise
                self._write_all(self._connected())
        except Exception as error:  # noqa: BLE001  (as above)
            self._rollback()
            self._put_back(self._database.explain(error))
            return False
        with self._changed:
            for each in self._writing:
                each.hold.waiting = ""
            self._writing = []
        return True

    def _write_all(self, connection: sqlite3.Connection) -> None:
        now = self._wall()
        places: dict[Hold, tuple[int, str]] = {}
        connection.execute("BEGIN IMMEDIATE")
        for each in self._writing:
            hold = each.hold
            if hold.database not in (0, self._inode):
                hold.keys.clear()
            hold.database = self._inode
            try:
                if hold not in places:
                    places[hold] = rows.register(connection, hold, self._holder.key, now)
                refused = rows.put(connection, hold, each.entry, places[hold], now)
            except (sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError, ValueError, TypeError) as error:
                refused = f"an entry cannot be written ({type(error).__name__})"
            hold.lost = hold.lost or refused
        connection.execute("COMMIT")
        for each in self._writing:
            each.hold.keys.add(each.entry.key)

    def _put_back(self, error: RecordError) -> None:
        with self._changed:
            fresh = not any(each.hold.waiting for each in self._writing)
            for each in reversed(self._writing):
                newer = self._puts.get((each.hold.session, each.entry.key))
                if newer is not None:
                    each.entry = newer.entry
                    self._queue.remove(newer)
                    self._gone(newer)
                each.hold.waiting = str(error)
                self._queue.appendleft(each)
                self._puts[each.hold.session, each.entry.key] = each
                self._characters += len(each.entry.text)
            self._writing = []
            jobs = [each for each in self._queue if isinstance(each, _Job)]
            for job in jobs:
                self._queue.remove(job)
        for job in jobs:
            if job.future.set_running_or_notify_cancel():
                job.future.set_exception(error)
        if fresh:
            _log.warning("%s", error)

    def _connected(self) -> sqlite3.Connection:
        """The connection; a new one where the file is another one by now. Raises RecordError."""
        if self._connection is not None and self._database.inode() != self._inode:
            self._disconnect()
        if self._connection is None:
            try:
                self._connection = self._database.connect()
            except DamagedStoreError:
                self._lay_aside(self._database.inode())
                self._connection = self._database.connect()
            self._inode = self._database.inode()
            try:
                self._holder.hold()
            except OSError as error:
                raise self._database.explain(error) from None
        return self._connection

    def _mended(self, error: sqlite3.Error) -> bool:
        """Whether what failed can be tried again: an index that does not fit is made anew, a damaged file is set aside."""
        self._rollback()
        if not isinstance(self._database.explain(error), DamagedStoreError):
            return False
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_CORRUPT_VTAB and self._connection is not None:
            try:
                self._connection.execute("INSERT INTO found (found) VALUES ('rebuild')")
            except sqlite3.Error:
                self._rollback()
            else:
                _log.warning("the index of words of %s did not fit and was made anew", self._database.path)
                return True
        inode = self._inode
        self._disconnect()
        self._lay_aside(inode)
        return True

    def _lay_aside(self, inode: int) -> None:
        path = self._database.set_aside(inode)
        if path is not None:
            self.set_aside = f"the file was damaged and is now {path}; a new one was begun"
            _log.warning("%s", self.set_aside)

    def _rollback(self) -> None:
        if self._connection is not None and self._connection.in_transaction:
            try:
                self._connection.execute("ROLLBACK")
            except sqlite3.Error:
                self._disconnect()

    def _disconnect(self) -> None:
        connection, self._connection, self._inode = self._connection, None, 0
        if connection is not None:
            try:
                connection.close()
            except sqlite3.Error:
                _log.warning("%s was not closed in peace", self._database.path)
