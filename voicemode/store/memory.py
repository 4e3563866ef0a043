"""Records in memory alone: nothing of them is ever on disk, and they are gone with the process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from voicemode.record import OWNER, Entry, ForeignThreadError, Role, Standing, Surface
from voicemode.store.history import Ending, Forgotten, Found, Health, SessionFacts, ThreadFacts
from voicemode.store.names import new_session, thread_named
from voicemode.store.rows import cut
from voicemode.store.search import best, snippet, wanted

__all__ = ["MemoryHistory", "MemoryRecord", "MemoryRecords"]

_THREADS = 256
"""Threads that nobody holds are forgotten beyond so many, the one longest unused first: a server runs for months."""
_ENTRIES = 20_000
"""Of one thread; then the oldest go."""
_CUT = 80


@dataclass(slots=True, eq=False)
class _Session:
    session: str
    surface: Surface
    began_at: float
    closed_at: float | None = None
    ended_at: float | None = None
    reason: str = ""
    summary: str = ""
    feedback: str = ""
    keys: set[str] = field(default_factory=set)


@dataclass(slots=True, eq=False)
class _Thread:
    name: str
    began_at: float
    touched_at: float
    entries: dict[str, Entry] = field(default_factory=dict)
    sessions: list[_Session] = field(default_factory=list)

    @property
    def held(self) -> bool:
        return any(session.closed_at is None for session in self.sessions)


class _Shelf:
    """All threads, by identity and name; the one last used is the last."""

    def __init__(self, wall: Callable[[], float]) -> None:
        self.wall = wall
        self.threads: OrderedDict[tuple[str, str], _Thread] = OrderedDict()

    def find(self, thread: str, identity: str) -> _Thread:
        try:
            return self.threads[identity, thread]
        except KeyError:
            raise ForeignThreadError(thread) from None

    def touch(self, identity: str, name: str) -> _Thread:
        now = self.wall()
        thread = self.threads.setdefault((identity, name), _Thread(name, now, now))
        thread.touched_at = now
        self.threads.move_to_end((identity, name))
        free = [key for key, each in self.threads.items() if not each.held and each is not thread]
        for key in free[: max(0, len(self.threads) - _THREADS)]:
            del self.threads[key]
        return thread


class MemoryRecords:
    """The records of one process."""

    def __init__(self, *, wall: Callable[[], float] = time.time) -> None:
        self._shelf = _Shelf(wall)
        self.history = MemoryHistory(self._shelf)
        """What can be done with them."""

    async def open(self, thread: str = "", *, surface: Surface, identity: str = OWNER) -> MemoryRecord:
        """As ``Records.open``."""
        name = thread_named(thread)
        return MemoryRecord(self._shelf, name, identity, _Session(new_session(), surface, self._shelf.wall()))

    async def aclose(self) -> None:
        """As ``Records.aclose``."""
        self._shelf.threads.clear()


class MemoryRecord:
    """A session in memory. Made by ``MemoryRecords.open``."""

    def __init__(self, shelf: _Shelf, thread: str, identity: str, session: _Session) -> None:
        self._shelf, self._name, self._identity, self._session = shelf, thread, identity, session
        self._problem = ""
        shelf.touch(identity, thread).sessions.append(session)

    @property
    def session(self) -> str:
        return self._session.session

    @property
    def thread(self) -> str:
        return self._name

    @property
    def kept(self) -> bool:
        return False

    @property
    def problem(self) -> str:
        return self._problem

    def put(self, entry: Entry) -> None:
        """As ``Record.put``."""
        thread = self._shelf.touch(self._identity, self._name)
        before = thread.entries.get(entry.key)
        if before is None and (refused := self._refused(entry)):
            self._problem = self._problem or refused
            return
        if self._session not in thread.sessions:  # it was forgotten, and talked on
            thread.sessions.append(self._session)
        began_at = entry.began_at or (before.began_at if before is not None else self._shelf.wall())
        surface = entry.surface or self._session.surface
        thread.entries[entry.key] = entry._replace(text=cut(entry.text), began_at=began_at, surface=surface)
        self._session.keys.add(entry.key)
        while len(thread.entries) > _ENTRIES:
            del thread.entries[next(iter(thread.entries))]

    def _refused(self, entry: Entry) -> str:
        if self._session.ended_at is not None:
            return "its session has ended"
        return "a part of it was forgotten" if entry.key in self._session.keys else ""

    async def history(self, last: int | None = None) -> tuple[Entry, ...]:
        """As ``Record.history``."""
        found = self._shelf.threads.get((self._identity, self._name))
        return _last(found, last) if found is not None else ()

    async def aclose(self, reason: str = "") -> None:
        """As ``Record.aclose``."""
        if self._session.closed_at is not None:
            return
        self._session.closed_at = self._shelf.wall()
        self._session.reason = self._session.reason or reason
        found = self._shelf.threads.get((self._identity, self._name))
        entries = found.entries if found is not None else {}
        for key in self._session.keys & entries.keys():
            if entries[key].standing is Standing.IN_FLIGHT:
                entries[key] = entries[key]._replace(standing=Standing.LOST)


class MemoryHistory:
    """``History`` of what is in memory."""

    def __init__(self, shelf: _Shelf) -> None:
        self._shelf = shelf

    async def threads(self, *, identity: str, last: int = 50) -> tuple[ThreadFacts, ...]:
        """As ``History.threads``."""
        return tuple(_thread(each) for each in reversed(self._mine(identity)) if each.entries)[:last]

    async def sessions(self, thread: str, *, identity: str) -> tuple[SessionFacts, ...]:
        """As ``History.sessions``."""
        found = self._shelf.find(thread, identity)
        return tuple(_session(found, each) for each in found.sessions)

    async def show(self, thread: str, *, identity: str, last: int | None = None) -> tuple[Entry, ...]:
        """As ``History.show``."""
        return _last(self._shelf.find(thread, identity), last)

    async def search(self, words: str, *, identity: str, thread: str = "", last: int = 20) -> tuple[Found, ...]:
        """As ``History.search``."""
        want = wanted(words)
        places = [
            (each.name, entry)
            for each in reversed(self._mine(identity))
            if not thread or each.name == thread
            for entry in reversed(each.entries.values())
            if want.pieces and want.is_in(entry.text)
        ]
        places.sort(key=lambda place: -place[1].began_at)
        numbers = best(want, [(n, entry.text) for n, (_, entry) in enumerate(places)], last)
        return tuple(Found(thread=places[n][0], entry=places[n][1], snippet=snippet(want, places[n][1].text)) for n in numbers)

    async def end(self, thread: str, *, identity: str, reason: str = "", summary: str = "", feedback: str = "") -> Ending:
        """As ``History.end``."""
        found = self._shelf.find(thread, identity)
        going = [each for each in found.sessions if each.ended_at is None]
        for each in going:
            each.ended_at, each.reason, each.summary, each.feedback = self._shelf.wall(), reason, summary, feedback
        last = max(each.ended_at for each in found.sessions if each.ended_at is not None)
        ended = going or [each for each in found.sessions if each.ended_at == last]
        for each in ended:
            each.reason, each.summary = each.reason or reason, each.summary or summary
            each.feedback = each.feedback or feedback
        one = ended[0]
        return Ending(
            first=bool(going),
            thread=thread,
            sessions=tuple(each.session for each in ended),
            began_at=one.began_at,
            ended_at=last,
            reason=one.reason,
            summary=one.summary,
            feedback=one.feedback,
            entries=sum(len(each.keys & found.entries.keys()) for each in ended),
        )

    async def forget(self, thread: str, *, identity: str) -> Forgotten:
        """As ``History.forget``."""
        entries = len(self._shelf.find(thread, identity).entries)
        del self._shelf.threads[identity, thread]
        return Forgotten(threads=1, entries=entries, files=0)

    async def forget_all(self, *, identity: str) -> Forgotten:
        """As ``History.forget_all``."""
        mine = self._mine(identity)
        for each in mine:
            del self._shelf.threads[identity, each.name]
        return Forgotten(threads=len(mine), entries=sum(len(each.entries) for each in mine), files=0)

    async def check(self) -> Health:
        """As ``History.check``."""
        threads = list(self._shelf.threads.values())
        return Health(
            kept=False,
            path=None,
            version=0,
            size=0,
            threads=len(threads),
            sessions=sum(len(each.sessions) for each in threads),
            entries=sum(len(each.entries) for each in threads),
            problems=(),
            set_aside=(),
        )

    def _mine(self, identity: str) -> list[_Thread]:
        return [thread for (whose, _), thread in self._shelf.threads.items() if whose == identity]


def _last(thread: _Thread, last: int | None) -> tuple[Entry, ...]:
    entries = tuple(thread.entries.values())
    return entries if last is None else entries[max(len(entries) - last, 0) :]


def _thread(thread: _Thread) -> ThreadFacts:
    entries = list(thread.entries.values())
    said = next((e.text for e in entries if e.text and e.role in (Role.USER, Role.ASSISTANT)), "")
    return ThreadFacts(
        thread=thread.name,
        began_at=thread.began_at,
        touched_at=thread.touched_at,
        surfaces=tuple(dict.fromkeys(entry.surface for entry in entries if entry.surface is not None)),
        entries=len(entries),
        opening=cut(" ".join(said.split()), _CUT),
    )


def _session(thread: _Thread, session: _Session) -> SessionFacts:
    return SessionFacts(
        session=session.session,
        thread=thread.name,
        surface=session.surface,
        began_at=session.began_at,
        closed_at=session.closed_at,
        lost=False,
        ended_at=session.ended_at,
        reason=session.reason,
        summary=session.summary,
        feedback=session.feedback,
        entries=len(session.keys & thread.entries.keys()),
    )
