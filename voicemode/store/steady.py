"""Records that go on in memory where the disk does not serve: a conversation must not end because of its record."""

from __future__ import annotations

import contextlib
import logging

from voicemode.record import OWNER, Entry, ForeignThreadError, Record, RecordError, Records, Surface
from voicemode.store.memory import MemoryRecord, MemoryRecords

__all__ = ["SteadyRecords"]

_log = logging.getLogger(__name__)


class SteadyRecords:
    """Those given; where they cannot be opened, others in memory whose ``problem`` says why. Raises no RecordError.

    One per process: what is in memory of a thread is shared by all who open it.
    """

    def __init__(self, records: Records) -> None:
        self._records, self._memory = records, MemoryRecords()

    async def open(self, thread: str = "", *, surface: Surface, identity: str = OWNER) -> Record:
        """As ``Records.open``; still raises ForeignThreadError."""
        try:
            return await self._records.open(thread, surface=surface, identity=identity)
        except RecordError as error:
            _log.warning("%s The conversation goes on and is not kept.", error)
            return _Unkept(await self._memory.open(thread, surface=surface, identity=identity), error)

    async def forget_unkept(self, thread: str, identity: str) -> None:
        """What is in memory of a thread is gone. Idempotent."""
        with contextlib.suppress(ForeignThreadError):
            await self._memory.history.forget(thread, identity=identity)

    async def aclose(self) -> None:
        """As ``Records.aclose``."""
        await self._records.aclose()
        await self._memory.aclose()


class _Unkept:
    """A record in memory that was to be on disk."""

    def __init__(self, record: MemoryRecord, error: RecordError) -> None:
        self._record, self._error = record, error

    @property
    def session(self) -> str:
        return self._record.session

    @property
    def thread(self) -> str:
        return self._record.thread

    @property
    def kept(self) -> bool:
        return False

    @property
    def problem(self) -> str:
        return str(self._error)

    def put(self, entry: Entry) -> None:
        self._record.put(entry)

    async def history(self, last: int | None = None) -> tuple[Entry, ...]:
        return await self._record.history(last)

    async def aclose(self, reason: str = "") -> None:
        await self._record.aclose(reason)
