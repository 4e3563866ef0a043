"""Builds what lets the server's conversations use tools of servers, and its own long jobs."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from voicemode.dialogue_tools import ToolHostReport
from voicemode.http.session_lifecycle import Whose
from voicemode.http.session_records import SessionRecords
from voicemode.http.sessions import SessionWish
from voicemode.providers.mcp_places import McpPlaces
from voicemode.record import OWNER, Entry, Surface
from voicemode.runtime.job_room import JobHold, JobRoom, Keep
from voicemode.runtime.jobs import JobOptions
from voicemode.runtime.realtime_parts import MakeToolHost, ToolHost
from voicemode.runtime.tool_host import MakeFunctions, McpToolHost, ToolHostOptions
from voicemode.settings import Settings

__all__ = ["Tools", "build_tools"]


@dataclass(frozen=True, slots=True)
class Tools:
    """Of all conversations of a process. Close it."""

    environ: Mapping[str, str]
    options: ToolHostOptions
    strangers: ToolHostOptions
    """Of those who are not the owner: servers and jobs of the owner's act with the owner's rights."""
    jobs: JobRoom | None
    records: SessionRecords

    def __call__(self, wish: SessionWish) -> MakeToolHost:
        """Hosts of a call that began like this."""

        def make(report: Callable[[ToolHostReport], None]) -> ToolHost:
            if wish.identity != OWNER:
                return McpToolHost(self.strangers, self.environ, report)
            return McpToolHost(self.options, self.environ, report, self._functions(wish))

        return make

    def _functions(self, wish: SessionWish) -> MakeFunctions | None:
        room = self.jobs
        return None if room is None else lambda tell: self._jobs(room, wish, tell)

    def of_thread(self, whose: Whose) -> JobHold | None:
        """The owner's jobs in a thread, for somebody who asks over HTTP; None: there are none for them."""
        if self.jobs is None or whose.identity != OWNER:
            return None
        memory = whose.memory or self.records.default
        return self._jobs(self.jobs, SessionWish(identity=whose.identity, thread=whose.thread, memory=memory), None)

    def _jobs(self, room: JobRoom, wish: SessionWish, tell: Callable[[str], None] | None) -> JobHold:
        name = wish.thread or secrets.token_hex(12)
        keep = self._keep(wish) if wish.thread else None
        return room.hold((wish.identity, wish.memory, name), tell, session_id=name, keep=keep)

    def _keep(self, wish: SessionWish) -> Keep:
        async def keep(entry: Entry) -> None:
            record = await self.records.open(self.records.mode(wish), wish.thread, wish.identity, Surface.API)
            try:
                record.put(entry)
            finally:
                await record.aclose()

        return keep

    async def aclose(self) -> None:
        """End every job. Idempotent."""
        if self.jobs is not None:
            await self.jobs.aclose()


def build_tools(settings: Settings, environ: Mapping[str, str], records: SessionRecords) -> Tools:
    """Starts nothing. ``records`` is where results go whose call has ended. Raises SettingsError."""
    options = ToolHostOptions(McpPlaces.of(settings), settings.mcp_call_timeout_s)
    jobs = JobOptions.of(settings)
    return Tools(
        environ=environ,
        options=options,
        strangers=replace(options, places=options.places.without_labels()),
        jobs=JobRoom(jobs, environ, grace_s=settings.session_grace_s) if jobs is not None else None,
        records=records,
    )
