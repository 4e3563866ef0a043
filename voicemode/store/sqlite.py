"""Records on disk."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from voicemode.record import OWNER, Entry, RecordError, Surface
from voicemode.store import rows
from voicemode.store.database import BUSY_S, Database, Holder
from voicemode.store.errors import DamagedStoreError
from voicemode.store.hold import Hold
from voicemode.store.names import new_session, thread_named
from voicemode.store.reader import Reader, wait_for
from voicemode.store.shelf import SqliteHistory
from voicemode.store.sweep import close_dead, remove_old
from voicemode.store.writer import Writer

__all__ = ["SqliteRecord", "SqliteRecords"]

_OPEN_S = BUSY_S + 1.0
_READ_S = 5.0
_CLOSE_S = 5.0
_SWEEP_S = 60.0
_DAY_S = 86_400.0


class SqliteRecords:
    """The records in one folder. Nothing is made before the first is opened."""

    def __init__(
        self,
        folder: Path,
        *,
        retention_days: int | None = None,
        busy_s: float = BUSY_S,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """``retention_days``: what was put down earlier is deleted, at the first opening and then once a day."""
        self._database = Database(folder, busy_s)
        self._holder = Holder(self._database)
        self._writer = Writer(self._database, self._holder, wall)
        self._reader = Reader(self._database)
        self.retention_days, self._wall = retention_days, wall
        self._swept_at: float | None = None
        self._open: list[Hold] = []
        self.history = SqliteHistory(self._database, self._writer, self._reader, self._holder, wall)
        """What can be done with what is kept."""

    @property
    def problem(self) -> str:
        """What happened to the file that somebody should know; empty while nothing did."""
        return self._writer.set_aside

    async def open(self, thread: str = "", *, surface: Surface, identity: str = OWNER) -> SqliteRecord:
        """As ``Records.open``."""
        now = self._wall()
        hold = Hold(new_session(), thread_named(thread), identity, surface, now)

        def begin(connection: sqlite3.Connection) -> None:
            close_dead(connection, self._holder, now)
            rows.register(connection, hold, self._holder.key, now)

        await wait_for(self._writer.submit(begin, within_s=_OPEN_S), _OPEN_S, self._database)
        self._sweep(now)
        self._open = [each for each in self._open if not each.closed] + [hold]
        return SqliteRecord(hold, self._writer, self._reader, self._database, self._wall)

    async def aclose(self) -> None:
        """As ``Records.aclose``: at most some seconds. Sessions that nobody closed are closed."""
        now = self._wall()
        for hold in self._open:
            if not hold.closed:
                hold.closed = True
                self._writer.submit(functools.partial(_close, hold, now, "the process ended"), within_s=_CLOSE_S)
        await asyncio.to_thread(self._writer.close, _CLOSE_S)
        await self._reader.aclose()

    def _sweep(self, now: float) -> None:
        days = self.retention_days
        if days is None or (self._swept_at is not None and now - self._swept_at < _DAY_S):
            return
        self._swept_at = now
        before = now - days * _DAY_S
        # Nobody waits for it: it may take seconds.
        self._writer.submit(
            lambda connection: remove_old(connection, self._database, before), within_s=_SWEEP_S, transaction=False
        )


class SqliteRecord:
    """A session on disk. Made by ``SqliteRecords.open``."""

    def __init__(
        self, hold: Hold, writer: Writer, reader: Reader, database: Database, wall: Callable[[], float] = time.time
    ) -> None:
        self._hold, self._writer, self._reader, self._database, self._wall = hold, writer, reader, database, wall
        self._began: dict[str, float] = {}
        """When each entry was first put."""

    @property
    def session(self) -> str:
        return self._hold.session

    @property
    def thread(self) -> str:
        return self._hold.thread

    @property
    def kept(self) -> bool:
        return True

    @property
    def problem(self) -> str:
        return self._hold.problem or self._writer.set_aside

    def put(self, entry: Entry) -> None:
        """As ``Record.put``."""
        key = rows.cut(entry.key, rows.LONGEST_WORD)
        began_at = self._began.setdefault(key, entry.began_at or self._wall())
        self._writer.put(self._hold, entry._replace(key=key, began_at=entry.began_at or began_at))

    async def history(self, last: int | None = None) -> tuple[Entry, ...]:
        """As ``Record.history``; also while another process keeps ours from writing."""
        thread, identity = self._hold.thread, self._hold.identity
        waiting = self._writer.waiting(thread, identity)  # before reading: what is written meanwhile is found twice, not never

        def read(connection: sqlite3.Connection) -> tuple[list[Entry], frozenset[str]]:
            known = rows.known_keys(connection, thread, identity, (entry.key for entry in waiting))
            return rows.read_entries(connection, thread, identity, last), known

        written: list[Entry] = []
        known: frozenset[str] = frozenset()
        try:
            written, known = await self._reader.ask(read, nothing=(written, known), within_s=_READ_S)
        except RecordError as error:
            if isinstance(error, DamagedStoreError):
                self._writer.examine()
            if not waiting:
                raise
        if not waiting:
            return tuple(written)
        here = (entry._replace(surface=entry.surface or self._hold.surface) for entry in waiting)
        return rows.with_waiting(written, here, known, last)

    async def aclose(self, reason: str = "") -> None:
        """As ``Record.aclose``."""
        if self._hold.closed:
            return
        self._hold.closed = True
        now = self._wall()
        closing = self._writer.submit(functools.partial(_close, self._hold, now, reason), within_s=_CLOSE_S)
        with contextlib.suppress(RecordError):
            await wait_for(closing, _CLOSE_S, self._database)


def _close(hold: Hold, now: float, reason: str, connection: sqlite3.Connection) -> None:
    rows.close(connection, hold.session, now, reason)
