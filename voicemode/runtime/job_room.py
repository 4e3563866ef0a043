"""The jobs of all conversations of a process. Who comes back in time finds theirs; what nobody came back for is put down.

A conversation is named by its key. A job that ends while nobody is there says so in the record, which the next call of that
conversation begins with.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Awaitable, Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from voicemode.dialogue_tools import Tool
from voicemode.record import Entry, Role, Standing
from voicemode.runtime.jobs import EVERYWHERE, JobOptions, JobPlaces, Jobs

__all__ = ["JobHold", "JobRoom", "Keep"]

_KEEP_S = 10.0
"""Seconds that putting down may take."""
_LAST_S = 0.3
"""As long at the end of the process, which has half a second left for this."""

_log = logging.getLogger(__name__)

Keep: TypeAlias = Callable[[Entry], Awaitable[None]]
"""Puts an entry into the record of a conversation; may raise."""


@dataclass(slots=True, eq=False)
class _Table:
    """What is kept of one conversation."""

    jobs: Jobs
    tells: list[Callable[[str], None] | None] = field(default_factory=list)
    """Of those who hold it; the latest who can be told is told."""
    keep: Keep | None = None
    leaving: asyncio.Task[None] | None = None
    """Runs while nobody holds it, and clears it in the end."""


class JobRoom:
    """One per process. Close it; no process of a job is left then."""

    def __init__(self, options: JobOptions, environ: Mapping[str, str], *, grace_s: float, places: int = EVERYWHERE) -> None:
        """``grace_s`` is how long jobs go on when their conversation's last call has ended; 0: not at all."""
        self._options, self._environ, self._grace_s = options, environ, grace_s
        self._places = JobPlaces(places)
        self._tables: dict[Hashable, _Table] = {}
        self._putting: set[asyncio.Task[None]] = set()

    def hold(
        self, key: Hashable, tell: Callable[[str], None] | None, *, session_id: str = "", keep: Keep | None = None
    ) -> JobHold:
        """The jobs of a conversation, for a call of it, or for somebody who only asks and cannot be told (``tell`` is None).

        ``keep`` puts down what ends while nobody is there who can be told.
        """
        table = self._tables.get(key)
        if table is None:
            table = self._tables[key] = _Table(
                Jobs(self._options, self._environ, lambda text: self._word(key, text), self._places, session_id=session_id)
            )
        if table.leaving is not None:
            table.leaving.cancel()
            table.leaving = None
        table.tells.append(tell)
        table.keep = keep or table.keep
        return JobHold(self, key, table.jobs, tell)

    async def left(self, key: Hashable, tell: Callable[[str], None] | None) -> None:
        """Somebody holds it no more."""
        table = self._tables.get(key)
        if table is None or tell not in table.tells:
            return
        table.tells.remove(tell)
        if table.tells:
            return
        if self._grace_s > 0 and table.keep is not None and table.jobs.any:
            table.leaving = asyncio.get_running_loop().create_task(self._wait(key, table))
        else:
            del self._tables[key]
            await table.jobs.aclose()

    async def aclose(self) -> None:
        """Cancel everything. Idempotent."""
        tables = list(self._tables.values())
        self._tables.clear()
        for table in tables:
            if table.leaving is not None:
                table.leaving.cancel()
            self._put_cancelled(table, "the server ended")
        await asyncio.gather(*(table.jobs.aclose() for table in tables))
        if self._putting:
            await asyncio.wait(self._putting, timeout=_LAST_S)

    async def _wait(self, key: Hashable, table: _Table) -> None:
        # To the end also when all are done: who comes back may ask what became of them.
        await asyncio.sleep(self._grace_s)
        await table.jobs.settled()
        del self._tables[key]
        self._put_cancelled(table, f"nobody came back within {self._grace_s:g} s")
        await table.jobs.aclose()

    def _word(self, key: Hashable, text: str) -> None:
        table = self._tables.get(key)
        if table is None:
            return
        tell = next(filter(None, reversed(table.tells)), None)
        if tell is not None:
            tell(text)
        else:
            self._put(table, text, Standing.WHOLE)

    def _put_cancelled(self, table: _Table, why: str) -> None:
        """Whoever was told that a job began is to find out that nothing came of it."""
        for job_id in table.jobs.running:
            self._put(table, f"Job {job_id} was cancelled: {why}.", Standing.FAILED)

    def _put(self, table: _Table, text: str, standing: Standing) -> None:
        if table.keep is None:
            return
        entry = Entry(f"job_{secrets.token_hex(8)}", Role.TOOL, text, standing, tool="start_job")
        task = asyncio.get_running_loop().create_task(_put_down(table.keep, entry))
        self._putting.add(task)
        task.add_done_callback(self._putting.discard)


class JobHold:
    """The jobs as one call has them: ``Functions`` of a tool host."""

    def __init__(self, room: JobRoom, key: Hashable, jobs: Jobs, tell: Callable[[str], None] | None) -> None:
        self._room, self._key, self._jobs, self._tell = room, key, jobs, tell
        self._closed = False

    @property
    def tools(self) -> tuple[Tool, ...]:
        return self._jobs.tools

    async def call(self, name: str, arguments: Mapping[str, object]) -> str:
        """JSON. Raises ToolServerError."""
        return await self._jobs.call(name, arguments)

    async def aclose(self) -> None:
        """The call has ended. Idempotent."""
        if not self._closed:
            self._closed = True
            await self._room.left(self._key, self._tell)


async def _put_down(keep: Keep, entry: Entry) -> None:
    try:
        async with asyncio.timeout(_KEEP_S):
            await keep(entry)
    except Exception as error:  # noqa: BLE001  (the boundary: a record that fails ends nothing)
        _log.warning("the result of a job was not put down: %s", type(error).__name__)
