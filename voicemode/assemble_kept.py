"""Builds what keeps conversations, for every surface that does."""

from __future__ import annotations

import asyncio
from collections import deque
from pathlib import Path

from voicemode.errors import VoicemodeError
from voicemode.record import Entry, Record, Surface
from voicemode.settings import Settings
from voicemode.store.sqlite import SqliteRecords
from voicemode.store.steady import SteadyRecords
from voicemode.store.sweep import AUDIO

__all__ = ["Keeper", "build_records", "history_folder", "sound_folder"]

_CLOSE_S = 6.0
"""Somewhat more than a record takes to close at most."""


def history_folder(settings: Settings) -> Path:
    """Where conversations are kept, if they are."""
    return settings.base_dir / "history"


def sound_folder(settings: Settings) -> Path | None:
    """Where the sound of what was said is kept; None where it is not."""
    return history_folder(settings) / AUDIO if settings.keep_audio and settings.memory == "persistent" else None


def build_records(settings: Settings) -> SqliteRecords:
    """The conversations that are kept. Makes no file."""
    return SqliteRecords(history_folder(settings), retention_days=settings.retention_days)


class Keeper:
    """Keeps the turns of this process where that is wanted, in one session, which begins with the first of them."""

    def __init__(self, surface: Surface) -> None:
        """Makes no file and starts nothing."""
        self._surface = surface
        self._waiting: deque[tuple[Settings, Entry]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._records: SteadyRecords | None = None
        self._record: Record | None = None
        self._for: tuple[object, ...] = ()
        """What of the settings the record was opened with."""

    @property
    def problem(self) -> str:
        """Why something is not kept; empty while everything is, or nothing is to be."""
        return self._record.problem if self._record is not None else ""

    def put(self, entry: Entry, settings: Settings) -> None:
        """Keep it, if these settings want that. Never raises; waits only where no event loop runs (any more)."""
        if settings.memory != "persistent":
            return
        self._waiting.append((settings, entry))
        if self._task is not None and not self._task.done():
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(self._late())
        else:
            self._task = loop.create_task(self._work())

    async def aclose(self) -> None:
        """Write what waits. Idempotent."""
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=_CLOSE_S)
        await self._close()

    async def _late(self) -> None:
        await self._work()
        await self._close()

    async def _work(self) -> None:
        while self._waiting:
            settings, entry = self._waiting[0]
            try:
                record = await self._opened(settings)
            except VoicemodeError:  # a name of a thread that is none: the settings say so elsewhere
                self._waiting.clear()
                return
            record.put(entry)
            self._waiting.popleft()

    async def _opened(self, settings: Settings) -> Record:
        wanted = (history_folder(settings), settings.thread, settings.retention_days)
        if self._record is not None and self._for == wanted:
            return self._record
        await self._close()
        self._records, self._for = SteadyRecords(build_records(settings)), wanted
        self._record = await self._records.open(settings.thread, surface=self._surface)
        return self._record

    async def _close(self) -> None:
        record, records = self._record, self._records
        self._record = self._records = None
        if record is not None:
            await record.aclose()
        if records is not None:
            await records.aclose()
