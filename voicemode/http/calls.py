"""The calls that are under way: places, names, and an end for all of them. Whatever carries a call opens it here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from voicemode.dialogue import Report
from voicemode.http.faults import kind_and_place
from voicemode.http.limits import Places
from voicemode.http.session_records import SessionRecords
from voicemode.http.sessions import MakeEngine, MakeSession, SessionWish
from voicemode.playout import PlayoutSink
from voicemode.record import Record
from voicemode.runtime.realtime import GOING_AWAY, NORMAL, RealtimeCall
from voicemode.runtime.realtime_parts import (
    CallLimits,
    DialogueEngineLike,
    Ended,
    MakeToolHost,
    Observer,
    Peer,
    SessionLike,
    WireLog,
)

__all__ = ["Calls", "OpenCall"]

_ENDING_S = 4.0
"""A call that was told to end has freed everything by then: three steps of a second, and one to spare."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class OpenCall:
    """A call that runs."""

    call: RealtimeCall
    running: asyncio.Task[Ended]
    wish: SessionWish = field(default_factory=SessionWish)
    """With its thread."""


class Calls:
    """All of them. One per server."""

    def __init__(
        self,
        make_session: MakeSession,
        make_engine: MakeEngine,
        places: Places,
        *,
        limits: CallLimits | None = None,
        observers: Callable[[SessionWish], Sequence[Observer]] = lambda _: (),
        records: SessionRecords | None = None,
        make_tools: Callable[[SessionWish], MakeToolHost] | None = None,
        wire_log: WireLog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_session, self._make_engine, self.places = make_session, make_engine, places
        self._limits, self._observers, self._wire_log, self._clock = limits, observers, wire_log, clock
        self._open: dict[str, OpenCall] = {}
        self._records, self._make_tools = records, make_tools
        self.watch: Callable[[SessionWish], AbstractContextManager[None]] = lambda _: contextlib.nullcontext()
        """Around each call that is let in, wherever it is held. Raises HttpError for one whose session has ended."""

    def named(self, wish: SessionWish) -> SessionWish:
        """With the thread that it is about."""
        return wish if self._records is None else self._records.named(wish)

    @staticmethod
    def new_id() -> str:
        """A name that nobody guesses, as OpenAI writes them."""
        return f"rtc_{secrets.token_urlsafe(18)}"

    def find(self, call_id: str) -> RealtimeCall | None:
        """The call of that name, if it is under way."""
        found = self.held(call_id)
        return found.call if found is not None else None

    def held(self, call_id: str) -> OpenCall | None:
        """As ``find``, with the task that it runs in."""
        return self._open.get(call_id)

    @contextlib.asynccontextmanager
    async def open(
        self,
        wish: SessionWish,
        peer: Peer,
        address: str,
        *,
        call_id: str = "",
        playout: PlayoutSink | None = None,
        before: Callable[[], Awaitable[None]] | None = None,
        seen_as: Callable[[SessionLike], SessionLike] = lambda session: session,
    ) -> AsyncIterator[OpenCall]:
        """Hold a call for the length of the block; leaving it ends it, and returns when everything was freed.

        ``before`` is awaited when it is certain that it is served, and before anything is sent. ``seen_as`` puts another
        protocol in front of the session.

        Raises HttpError when there is no place for it, or its session is not allowed.
        """

        def make_engine(report: Callable[[Report], None]) -> DialogueEngineLike:
            return self._make_engine(wish, playout, report)

        name, wish = call_id or self.new_id(), self.named(wish)
        async with contextlib.AsyncExitStack() as held_open:
            held_open.enter_context(self.places.one(address))
            held_open.enter_context(self.watch(wish))
            record: Record | None = None
            if self._records is not None:
                wish, record = await held_open.enter_async_context(self._records.hold(wish))
            call = RealtimeCall(
                seen_as(self._make_session(wish)),
                make_engine,
                peer,
                call_id=name,
                limits=self._limits,
                clock=self._clock,
                observers=self._observers(wish),
                wire_log=self._wire_log,
                make_tools=self._make_tools(wish) if self._make_tools is not None else None,
                record=record.put if record is not None else None,
            )
            if before is not None:
                await before()
            held = self._open[name] = OpenCall(call, asyncio.create_task(call.run()), wish)
            try:
                yield held
            finally:
                call.closed()
                await _ended(held.running)
                del self._open[name]

    def end_all(self, reason: str) -> None:
        """End every call, in order: 1001."""
        for each in tuple(self._open.values()):
            each.call.end(GOING_AWAY, reason)

    def end_thread(self, identity: str, thread: str, reason: str) -> None:
        """End every call of it, in order: 1000."""
        for each in tuple(self._open.values()):
            if (each.wish.identity, each.wish.thread) == (identity, thread):
                each.call.end(NORMAL, reason)


async def _ended(running: asyncio.Task[Ended]) -> None:
    done, _ = await asyncio.wait({running}, timeout=_ENDING_S)
    if not done:
        running.cancel()
        done, _ = await asyncio.wait({running}, timeout=_ENDING_S)
    error = None if not done or running.cancelled() else running.exception()
    if error is not None:
        _log.error("a call ended by %s", kind_and_place(error))
