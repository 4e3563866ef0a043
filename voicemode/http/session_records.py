"""Where the sessions of this process put down what is said."""

from __future__ import annotations

import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Literal

from voicemode.http.errors import HttpError
from voicemode.http.sessions import SessionWish
from voicemode.record import Entry, ForeignThreadError, Record, RecordError, Surface
from voicemode.store.memory import MemoryRecords
from voicemode.store.sqlite import SqliteRecords
from voicemode.store.steady import SteadyRecords

__all__ = ["DISCONNECTED", "Memory", "SessionRecords", "new_thread"]

Memory = Literal["incognito", "persistent"]

DISCONNECTED = "disconnected"
"""Why the record of a call was closed that nobody ended."""
_TOLD = 4_000
"""Entries of a thread that a session begins with at most: five tokens each fill the largest history a responder is told."""

_log = logging.getLogger(__name__)


def new_thread() -> str:
    """A name that nobody guesses."""
    return f"thread_{secrets.token_hex(12)}"


@dataclass(frozen=True, slots=True, eq=False)
class SessionRecords:
    """Both kinds of them."""

    kept: SqliteRecords
    steady: SteadyRecords
    """Those kept, as long as the disk serves."""
    memory: MemoryRecords
    default: Memory = "incognito"
    """Of sessions that say nothing about it."""

    def mode(self, wish: SessionWish) -> Memory:
        """Whether it is kept."""
        return wish.memory or self.default

    def named(self, wish: SessionWish) -> SessionWish:
        """With its thread, whose name all processes know before one of them opens it.

        An incognito call that names none stays without: nobody could come back to it.
        """
        memory = self.mode(wish)
        return replace(wish, memory=memory, thread=wish.thread or ("" if memory == "incognito" else new_thread()))

    async def open(self, memory: Memory, thread: str, identity: str, surface: Surface) -> Record:
        """One surface's hold of a thread. A disk that does not serve ends no conversation. Raises HttpError."""
        records = self.memory if memory == "incognito" else self.steady
        try:
            return await records.open(thread, surface=surface, identity=identity)
        except ForeignThreadError as error:
            raise HttpError(404, error.code, error.problem, param="thread_id") from None

    @contextlib.asynccontextmanager
    async def hold(self, wish: SessionWish) -> AsyncIterator[tuple[SessionWish, Record]]:
        """The record of a call for as long as the block runs, and the wish with what was said before. Raises HttpError."""
        surface = Surface(wish.surface or ("webrtc" if wish.server_plays else "websocket"))
        record = await self.open(self.mode(wish), wish.thread, wish.identity, surface)
        try:
            yield replace(wish, thread=record.thread, history=await _told(record)), record
        finally:
            await record.aclose(DISCONNECTED)
            if not wish.thread:
                await self.forget_memory(record.thread, wish.identity)

    async def forget_memory(self, thread: str, identity: str) -> None:
        """What is in memory of a thread is gone. Idempotent."""
        with contextlib.suppress(ForeignThreadError):
            await self.memory.history.forget(thread, identity=identity)

    async def aclose(self) -> None:
        """Write what waits and free everything. Idempotent."""
        await self.steady.aclose()
        await self.memory.aclose()


async def _told(record: Record) -> tuple[Entry, ...]:
    try:
        return await record.history(_TOLD)
    except RecordError as error:
        _log.warning("%s The conversation begins without what was said before.", error)
        return ()
