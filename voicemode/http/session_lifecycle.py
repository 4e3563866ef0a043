"""The life of sessions: they begin, are typed and spoken in, and end once: by somebody, or some time after the last call.

One per server, in the process that lets people in, whichever process holds a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from voicemode.http.errors import HttpError
from voicemode.http.session_records import DISCONNECTED, Memory, SessionRecords, new_thread
from voicemode.http.sessions import SessionWish
from voicemode.record import EndedThreadError, Entry, ForeignThreadError, Record, RecordError, Surface
from voicemode.runtime.session_summary import NoSummary, Summarizer
from voicemode.store.history import Ending, Forgotten, History

__all__ = ["Finish", "SessionLifecycle", "Whose"]

_HANG_UP_S = 6.0
"""A call that is told to end has freed everything by then."""
_MOST = 10_000
"""Sessions that are remembered; of those that are over, the oldest are forgotten."""
_INCOGNITO = "The session was incognito: nothing of it was kept."
_AGAIN = "The session had ended before."
_UNKEPT = "The record of conversations cannot be written now. The server's log says why."
_SERVER_ENDS = "the server ended"
_BY_ITSELF = frozenset({DISCONNECTED, _SERVER_ENDS})
"""Reasons for an end after which a thread may be gone on with as if it had not been."""
_ENDED = "The session has ended. Begin another one; it may be of the same thread."

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Whose:
    """What is asked about: one thread of somebody who was let in."""

    identity: str
    thread: str
    memory: Memory | None = None
    """None: whichever there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How a session ended."""

    finalized: bool
    """It was kept and summed up."""
    code: str
    """Why not, or "already_ended"; "ok" for a first end with a summary."""
    detail: str
    summary: str = ""
    entries: int = 0
    ended_at: float = 0.0
    """Unix seconds; 0 where nothing was kept."""


@dataclass(slots=True, eq=False)
class _Session:
    identity: str
    thread: str
    memory: Memory
    live: int = 0
    """Calls that are under way."""
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    """None is."""
    ended: bool = False
    """By somebody, for good."""
    finish: Finish | None = None
    record: Record | None = None
    """What clients put down themselves."""
    turns: int = 0
    unkept: bool = False
    """Something that should have been kept was not."""
    timer: asyncio.TimerHandle | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class SessionLifecycle:
    """All sessions that have a thread."""

    def __init__(
        self,
        records: SessionRecords,
        summarizer: Summarizer,
        *,
        grace_s: float,
        hang_up: Callable[[str, str, str], None] = lambda *_: None,
    ) -> None:
        """``hang_up`` ends all calls of an identity's thread, with a reason; it returns at once."""
        self._records, self._summarizer, self._grace_s, self._hang_up = records, summarizer, grace_s, hang_up
        self._sessions: dict[tuple[str, str, str], _Session] = {}
        self._finishing: set[asyncio.Task[None]] = set()

    # -- calls

    @contextlib.contextmanager
    def holding(self, wish: SessionWish) -> Iterator[None]:
        """Around a call, whichever process holds it. Raises HttpError where its session was ended."""
        if not wish.thread:
            yield
            return
        session = self._known(wish.identity, wish.thread, self._records.mode(wish))
        if session.ended:
            raise HttpError(409, EndedThreadError.code, _ENDED)
        self._going_on(session)
        session.live += 1
        session.idle.clear()
        try:
            yield
        finally:
            session.live -= 1
            if not session.live:
                session.idle.set()
                if not session.ended:
                    session.timer = asyncio.get_running_loop().call_later(self._grace_s, self._left, session)

    # -- what clients ask

    def begin(self, whose: Whose, default: Memory) -> Whose:
        """A session begins, of a thread that there is or of a new one. Raises HttpError."""
        thread = whose.thread or new_thread()
        memory = whose.memory or default
        before = self._sessions.get((whose.identity, thread, memory))
        if before is not None and before.ended:
            del self._sessions[before.identity, before.thread, before.memory]
        self._going_on(self._known(whose.identity, thread, memory))
        return Whose(whose.identity, thread, memory)

    async def put(self, whose: Whose, entries: Iterable[Entry]) -> tuple[Memory, int, str]:
        """Put down what a client heard or typed: where it went, how many entries the thread has, and what went wrong.

        Raises HttpError: 404 for a thread that is nobody's or somebody else's, 409 for a session that was ended.
        """
        session = await self._find(whose)
        async with session.lock:
            if session.ended:
                raise HttpError(409, EndedThreadError.code, _ENDED)
            self._going_on(session)
            if session.record is None:
                session.record = await self._records.open(session.memory, session.thread, session.identity, Surface.API)
            record = session.record
            for entry in entries:
                session.turns += 1
                record.put(entry._replace(key=f"{record.session}/{session.turns}"))
            if not session.live:
                session.timer = asyncio.get_running_loop().call_later(self._grace_s, self._left, session)
            try:
                count = len(await record.history())
            except RecordError:
                count, session.unkept = 0, True
            session.unkept = session.unkept or bool(record.problem)
            return session.memory, count, _UNKEPT if session.unkept else ""

    async def check(self, whose: Whose) -> Whose:
        """With its memory. Raises HttpError where there is no such session, or it was ended."""
        session = await self._find(whose)
        if session.ended:
            raise HttpError(409, EndedThreadError.code, _ENDED)
        return replace(whose, memory=session.memory)

    async def end(self, whose: Whose, feedback: str = "") -> Finish:
        """End it: calls are hung up in order, what is kept is summed up. Idempotent. Raises HttpError."""
        session = await self._find(whose)
        async with session.lock:
            again = session.ended
            session.ended = True
            self._going_on(session)
            if session.live:
                self._hang_up(session.identity, session.thread, "the session was ended")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_HANG_UP_S):
                        await session.idle.wait()
            return await self._finish(session, "ended", feedback, again=again)

    async def said(self, identity: str, thread: str) -> Sequence[Entry]:
        """All of a thread. Raises HttpError: 404, 503."""
        try:
            return await self.history(self.memory_of(Whose(identity, thread)) or "persistent").show(thread, identity=identity)
        except ForeignThreadError:
            raise _nobodys(thread) from None
        except RecordError as error:
            raise HttpError(503, error.code, "The record of conversations cannot be read now.", retry_after_s=5) from None

    def memory_of(self, whose: Whose) -> Memory | None:
        """Where a thread is that a session is of; None: no session of it is known."""
        order: tuple[Memory, ...] = ("persistent", "incognito") if whose.memory is None else (whose.memory,)
        return next((memory for memory in order if (whose.identity, whose.thread, memory) in self._sessions), None)

    async def forget(self, whose: Whose) -> Forgotten:
        """Wherever it is. Raises ForeignThreadError, RecordError."""
        memory = whose.memory or self.memory_of(whose) or "persistent"
        if memory == "persistent":
            await self._records.steady.forget_unkept(whose.thread, whose.identity)
        return await self.history(memory).forget(whose.thread, identity=whose.identity)

    def history(self, memory: Memory) -> History:
        """What can be looked at."""
        return self._records.kept.history if memory == "persistent" else self._records.memory.history

    async def aclose(self) -> None:
        """The server ends: what nobody ended is ended now, without a summary. Idempotent."""
        waiting = [each for each in self._sessions.values() if each.timer is not None or each.live or each.record is not None]
        for task in self._finishing:
            task.cancel()
        for session in waiting:
            self._going_on(session)
            if not session.ended:
                with contextlib.suppress(HttpError):  # logged; the others' ends are to be written all the same
                    await self._close(session, _SERVER_ENDS)
        self._sessions.clear()

    # -- inside

    def _known(self, identity: str, thread: str, memory: Memory) -> _Session:
        session = self._sessions.setdefault((identity, thread, memory), _Session(identity, thread, memory))
        if len(self._sessions) > _MOST:
            over = (key for key, each in self._sessions.items() if not each.live and each.timer is None and each is not session)
            self._sessions.pop(next(over, ("", "", "")), None)
        return session

    async def _find(self, whose: Whose) -> _Session:
        """Raises HttpError: 404."""
        memory = self.memory_of(whose)
        if memory is not None:
            return self._sessions[whose.identity, whose.thread, memory]
        if whose.memory == "incognito":
            raise _nobodys(whose.thread)
        try:
            sessions = await self.history("persistent").sessions(whose.thread, identity=whose.identity)
        except ForeignThreadError:
            raise _nobodys(whose.thread) from None
        except RecordError as error:
            raise HttpError(503, error.code, "The record of conversations cannot be read now.", retry_after_s=5) from None
        session = self._known(whose.identity, whose.thread, "persistent")
        # It is of another life of the server: what is on disk tells how it ended.
        session.ended = all(each.ended_at is not None and each.reason not in _BY_ITSELF for each in sessions)
        return session

    def _going_on(self, session: _Session) -> None:
        if session.timer is not None:
            session.timer.cancel()
            session.timer = None
        if not session.ended:
            session.finish = None

    def _left(self, session: _Session) -> None:
        """Nobody came back in time."""
        session.timer = None
        task = asyncio.create_task(self._let_go(session))
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)

    async def _let_go(self, session: _Session) -> None:
        async with session.lock:
            if session.live or session.ended or session.timer is not None:
                return
            try:
                await self._finish(session, DISCONNECTED, "", again=False)
            except HttpError as error:
                _log.warning("a session was left and is not summed up: %s", error.code)

    async def _close(self, session: _Session, reason: str, summary: str = "", feedback: str = "") -> Ending | None:
        """None: nothing was ever put down. Raises HttpError."""
        record, session.record = session.record, None
        if record is not None:
            await record.aclose(reason)
        if session.memory == "incognito":
            await self._records.forget_memory(session.thread, session.identity)
            return None
        await self._records.steady.forget_unkept(session.thread, session.identity)
        history = self.history("persistent")
        try:
            return await history.end(
                session.thread, identity=session.identity, reason=reason, summary=summary, feedback=feedback
            )
        except ForeignThreadError:
            return None
        except RecordError as error:
            _log.warning("the end of a session was not written: %s", error)
            raise HttpError(503, error.code, "The end cannot be written now.", retry_after_s=5) from None

    async def _finish(self, session: _Session, reason: str, feedback: str, *, again: bool) -> Finish:
        if session.memory == "incognito":
            await self._close(session, reason)
            session.finish = Finish(finalized=False, code="incognito", detail=_INCOGNITO)
            return session.finish if not again else _once_more(session.finish)
        first = await self._close(session, reason, feedback=feedback)
        code, detail, summary = "ok", "", first.summary if first is not None else ""
        if again and (session.finish is not None or summary):
            known = session.finish or _told(first, "ok", "", summary)
            return _once_more(known)
        if not summary:
            code, detail, summary = await self._sum_up(session)
            if summary:
                first = await self._close(session, reason, summary=summary)
        session.finish = _told(first, code, detail, summary)
        return session.finish if not again else _once_more(session.finish)

    async def _sum_up(self, session: _Session) -> tuple[str, str, str]:
        try:
            entries = await self.history("persistent").show(session.thread, identity=session.identity)
            return "ok", "", await self._summarizer.sum_up(entries, session.thread)
        except ForeignThreadError:
            return ("record_failed", _UNKEPT, "") if session.unkept else ("too_short", "Nothing was said.", "")
        except RecordError as error:
            return error.code, "What was said cannot be read now.", ""
        except NoSummary as none:
            return none.code, none.message, ""


def _told(ending: Ending | None, code: str, detail: str, summary: str) -> Finish:
    return Finish(
        finalized=bool(summary),
        code=code,
        detail=detail,
        summary=summary,
        entries=ending.entries if ending is not None else 0,
        ended_at=ending.ended_at if ending is not None else 0.0,
    )


def _once_more(finish: Finish) -> Finish:
    return Finish(
        finalized=finish.finalized,
        code="already_ended",
        detail=" ".join(each for each in (_AGAIN, finish.detail) if each),
        summary=finish.summary,
        entries=finish.entries,
        ended_at=finish.ended_at,
    )


def _nobodys(thread: str) -> HttpError:
    error = ForeignThreadError(thread)
    return HttpError(404, error.code, error.problem, param="thread_id")
