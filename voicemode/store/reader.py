"""Looks at the database beside whoever writes: in a thread of its own, with a deadline for everything."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from voicemode.record import RecordError
from voicemode.store.database import Database
from voicemode.store.errors import BusyStoreError

__all__ = ["Reader", "wait_for"]

_T = TypeVar("_T")
_STEPS = 20_000
"""Instructions of SQLite between two looks at the clock: some milliseconds."""


class Reader:
    """One connection, made at the first question."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._pool: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode = 0

    async def ask(self, question: Callable[[sqlite3.Connection], _T], *, nothing: _T, within_s: float) -> _T:
        """The answer; ``nothing`` where nothing was ever kept. Raises RecordError."""
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(1, "voicemode-history")
            future = self._pool.submit(self._answer, question, nothing, time.monotonic() + within_s)
        return await wait_for(future, within_s, self._database)

    def _answer(self, question: Callable[[sqlite3.Connection], _T], nothing: _T, until: float) -> _T:
        if not self._database.exists:
            return nothing
        try:
            if self._connection is not None and self._inode != self._database.inode():
                self._connection.close()
                self._connection = None
            if self._connection is None:
                self._connection = self._database.connect()
                self._connection.execute("PRAGMA query_only = ON")
                self._inode = self._database.inode()
            self._connection.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            # One view of it all, whatever is written meanwhile.
            self._connection.execute("BEGIN")
            try:
                return question(self._connection)
            finally:
                self._connection.set_progress_handler(None, 0)
                self._connection.execute("ROLLBACK")
        except (sqlite3.Error, OSError) as error:
            raise self._database.explain(error) from None

    async def aclose(self) -> None:
        """Idempotent."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            closing = pool.submit(self._disconnect)
            await asyncio.wait({asyncio.wrap_future(closing)}, timeout=1.0)
            pool.shutdown(wait=False, cancel_futures=True)

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


async def wait_for(future: Future[_T], within_s: float, database: Database) -> _T:
    """The result of a thread, without waiting any longer. Raises RecordError."""
    waiting = asyncio.wrap_future(future)
    done, _ = await asyncio.wait({waiting}, timeout=within_s)
    if not done:
        waiting.cancel()
        raise BusyStoreError(database.path, within_s)
    if waiting.cancelled():
        raise RecordError("it is closed")
    return waiting.result()
