"""The connection of one conversation to its upstream: made, kept, made anew before its end and after it broke."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicemode.providers.realtime_upstream import UpstreamError, UpstreamSocket, UpstreamTarget, connect_upstream
from voicemode.wire.upstream import Received, TheirSpeech, Trouble, UpstreamSession
from voicemode.wire.upstream.client_events import Event
from voicemode.wire.upstream.turns import WordsReport

__all__ = ["UNAVAILABLE", "LinkTimes", "UpstreamLink"]

UNAVAILABLE = "upstream_unavailable"
"""The code of an answer that was not begun, since there is no upstream."""
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.1, 10.0
"""Between two tries to connect; it doubles."""
_LIVED_S = 5.0
"""A connection that lasted for so long was a good one."""
_LOOK_S = 1.0
"""How often it is looked whether an answer is overdue."""
_QUIET_LOOK_S = 0.05
_BEFORE_EXPIRY_S = 60.0
"""How long before the upstream's own end another connection is made."""
_AT_LAST_S = 45.0
"""A quiet moment is waited for so long, and then it is another connection all the same."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LinkTimes:
    """Seconds."""

    renew_s: float = 3300.0
    """After which another connection is made."""
    answer_s: float = 15.0
    """For which an upstream that is to answer may be silent."""
    give_up_s: float = 8.0
    """Without a connection; then what waits for one has failed, and it is tried more rarely."""


class UpstreamLink:
    """``run`` it in a task; whatever happens to the connection, ``send`` and the session's methods can be called."""

    def __init__(
        self,
        session: UpstreamSession,
        target: UpstreamTarget,
        times: LinkTimes,
        heard: Callable[[WordsReport | TheirSpeech], None],
    ) -> None:
        """``heard`` is told what the upstream heard of the person."""
        self._session, self._target, self._times, self._heard = session, target, times, heard
        self._socket: UpstreamSocket | None = None
        self._refused: list[str] = []
        """Models that it turned out not to have."""
        self._closing: set[asyncio.Task[None]] = set()
        self._expires_at: int | None = None
        self._moved_at = 0.0
        """When something was heard from it last, or something was asked; of the loop's clock."""
        self._down_since: float | None = None
        self.unavailable: UpstreamError | None = None
        """Why there is no upstream now; None while there is one, or may be in a moment."""
        self.on_opened: Callable[[], None] = lambda: None
        """Called before another connection is told what it has to know."""
        self.quiet: Callable[[], bool] = lambda: True
        """Whether nobody speaks, as far as we hear."""

    @property
    def name(self) -> str:
        return self._target.name

    def send(self, events: Sequence[Event]) -> None:
        """To the upstream, if it is connected; else it is told later by the session."""
        if self._socket is not None and events:
            self._socket.send(events)

    def asked(self) -> None:
        """An answer is to come from now on."""
        self._moved_at = asyncio.get_running_loop().time()

    async def run(self) -> None:
        """Until it is cancelled; then the connection is closed. Where the upstream refuses for good, it waits for that."""
        try:
            await self._keep_connected()
        finally:
            await asyncio.gather(*self._closing, return_exceptions=True)

    async def _keep_connected(self) -> None:
        waits_s = _FIRST_WAIT_S
        self._down_since = self._now()
        socket: UpstreamSocket | None = None
        while True:
            began = self._now()
            try:
                socket = socket or await connect_upstream(self._target, self._refused)
                socket = await self._hold(socket)
                continue
            except UpstreamError as error:
                socket = None
                if self._now() - began > _LIVED_S:
                    waits_s = _FIRST_WAIT_S
                if self._is_final(error):
                    await self._give_up(error)
                elif self._down_since is not None and self._now() - self._down_since > self._times.give_up_s:
                    self._fail(error)
            await asyncio.sleep(waits_s)
            waits_s = min(2 * waits_s, _LONGEST_WAIT_S)

    async def _hold(self, socket: UpstreamSocket) -> UpstreamSocket:
        """Until another connection takes over, which is returned, or this one ends: raises UpstreamError."""
        self._opened(socket)
        reading, renewing = asyncio.create_task(self._read(socket)), asyncio.create_task(self._renew())
        try:
            await asyncio.wait({reading, renewing}, return_when=asyncio.FIRST_COMPLETED)
            if not renewing.done():
                reading.result()
            return renewing.result()
        finally:
            self._socket = None
            if reading.done() or renewing.done():
                self._lost()
            for task in (reading, renewing):
                task.cancel()
            closing = asyncio.create_task(self._close(reading, renewing, socket))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)

    async def _close(self, *tasks_and_socket: asyncio.Task[None] | asyncio.Task[UpstreamSocket] | UpstreamSocket) -> None:
        """A goodbye takes its time; meanwhile the other connection is used."""
        for each in tasks_and_socket:
            if isinstance(each, UpstreamSocket):
                await each.aclose()
            else:
                await asyncio.gather(each, return_exceptions=True)

    def _opened(self, socket: UpstreamSocket) -> None:
        self._socket, self._down_since, self.unavailable, self._expires_at = socket, None, None, None
        self.on_opened()
        self.asked()
        socket.send(self._session.opened())

    def _lost(self) -> None:
        self._down_since = self._now()
        self._session.lost()

    async def _read(self, socket: UpstreamSocket) -> None:
        while True:
            try:
                async with asyncio.timeout(_LOOK_S):
                    message = await socket.receive()
            except TimeoutError:
                self._look()
                continue
            self._moved_at = self._now()
            received = self._session.receive(message)
            socket.send(received.events)
            self._heed(received)
            if received.trouble is not None:
                raise self._problem(received.trouble, socket)

    def _look(self) -> None:
        """Raises UpstreamError where an answer is overdue."""
        if self._session.waits and self._now() - self._moved_at > self._times.answer_s:
            raise UpstreamError(self.name, "lost", f"was silent for {self._times.answer_s:g} s")

    def _heed(self, received: Received) -> None:
        if received.expires_at is not None:
            self._expires_at = received.expires_at
        for report in received.reports:
            self._heard(report)

    def _problem(self, trouble: Trouble, socket: UpstreamSocket) -> UpstreamError:
        match trouble.kind:
            case "expired":
                return UpstreamError(self.name, "lost", "ended the session, whose time was over")
            case "model":
                self._refused.append(socket.model)
                return UpstreamError(self.name, "model", f"does not have the model {socket.model}")
            case "key":
                return UpstreamError(self.name, "key", f"does not accept the key ({trouble.code})")
            case "quota":
                return UpstreamError(self.name, "quota", f"the account's quota is used up ({trouble.code})")

    async def _renew(self) -> UpstreamSocket:
        """Another connection, once its time has come and nobody speaks or is answered."""
        began = self._now()
        while self._now() < self._due_at(began):  # noqa: ASYNC110 - the upstream may tell an earlier time meanwhile
            await asyncio.sleep(min(self._due_at(began) - self._now(), _LOOK_S))
        while True:
            try:
                socket = await connect_upstream(self._target, self._refused)
                break
            except UpstreamError as error:
                _log.warning("no other connection to the upstream yet: %s", error.kind)
                await asyncio.sleep(_LOOK_S)
        try:
            last = self._now() + _AT_LAST_S
            # Only looking tells: nobody reports a moment in which nothing happens.
            while (self._session.is_busy or not self.quiet()) and self._now() < last:  # noqa: ASYNC110
                await asyncio.sleep(_QUIET_LOOK_S)
        except asyncio.CancelledError:
            await socket.aclose()
            raise
        return socket

    def _due_at(self, began: float) -> float:
        due = began + self._times.renew_s
        if self._expires_at is not None:
            due = min(due, self._now() + self._expires_at - time.time() - _BEFORE_EXPIRY_S)
        return due

    def _is_final(self, error: UpstreamError) -> bool:
        if error.kind == "model":
            return all(model in self._refused for model in self._target.models) or error.status is not None
        return error.terminal

    async def _give_up(self, error: UpstreamError) -> None:
        self._fail(error)
        await asyncio.Event().wait()

    def _fail(self, error: UpstreamError) -> None:
        if self.unavailable is None:
            _log.error("%s", error)
        self.unavailable = error
        self._session.fail_all(UNAVAILABLE, str(error))

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
