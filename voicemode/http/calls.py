"""The calls that are under way: places, names, and an end for all of them. Whatever carries a call opens it here."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from voicemode.dialogue import Report
from voicemode.http.faults import kind_and_place
from voicemode.http.limits import Places
from voicemode.http.sessions import MakeEngine, MakeSession, SessionWish
from voicemode.playout import PlayoutSink
from voicemode.runtime.realtime import GOING_AWAY, RealtimeCall
from voicemode.runtime.realtime_parts import CallLimits, DialogueEngineLike, Ended, Observer, Peer, SessionLike, WireLog

__all__ = ["Calls", "OpenCall"]

_ENDING_S = 4.0
"""A call that was told to end has freed everything by then: three steps of a second, and one to spare."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class OpenCall:
    """A call that runs."""

    call: RealtimeCall
    running: asyncio.Task[Ended]


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
        wire_log: WireLog | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make_session, self._make_engine, self.places = make_session, make_engine, places
        self._limits, self._observers, self._wire_log, self._clock = limits, observers, wire_log, clock
        self._open: dict[str, OpenCall] = {}

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

        name = call_id or self.new_id()
        with self.places.one(address):
            call = RealtimeCall(
                seen_as(self._make_session(wish)),
                make_engine,
                peer,
                call_id=name,
                limits=self._limits,
                clock=self._clock,
                observers=self._observers(wish),
                wire_log=self._wire_log,
            )
            if before is not None:
                await before()
            held = self._open[name] = OpenCall(call, asyncio.create_task(call.run()))
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


async def _ended(running: asyncio.Task[Ended]) -> None:
    done, _ = await asyncio.wait({running}, timeout=_ENDING_S)
    if not done:
        running.cancel()
        done, _ = await asyncio.wait({running}, timeout=_ENDING_S)
    error = None if not done or running.cancelled() else running.exception()
    if error is not None:
        _log.error("a call ended by %s", kind_and_place(error))
