"""``History`` on disk."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable
from typing import TypeVar

from voicemode.record import Entry, ForeignThreadError, RecordError, Surface
from voicemode.store import rows, sweep
from voicemode.store.database import BUSY_S, Database, Holder
from voicemode.store.errors import DamagedStoreError
from voicemode.store.history import Ending, Forgotten, Found, Health, SessionFacts, ThreadFacts
from voicemode.store.reader import Reader, wait_for
from voicemode.store.schema import version_of
from voicemode.store.search import Wanted, best, snippet, wanted
from voicemode.store.writer import Writer

__all__ = ["SqliteHistory"]

_T = TypeVar("_T")
_READ_S = 5.0
_WRITE_S = BUSY_S + 1.0
_LONG_S = 120.0
"""For what walks through everything."""
_CANDIDATES = 200
"""Of what was found so many, the newest, are ranked: who searches a word that is everywhere wants to see what is recent."""
_LOOKED_AT = 20_000
"""Characters of an entry in which words are looked for to rank and to show it."""
_OPENING = 80

_THREADS = """
SELECT t.name, t.began_at, t.touched_at, count(e.id),
       (SELECT substr(o.text, 1, 200) FROM entries o WHERE o.thread = t.id AND o.role IN ('user', 'assistant') AND o.text != ''
        ORDER BY o.id LIMIT 1),
       (SELECT group_concat(surface)
        FROM (SELECT surface FROM entries s WHERE s.thread = t.id GROUP BY surface ORDER BY min(id)))
FROM (SELECT t.* FROM threads t JOIN identities i ON i.id = t.identity
      WHERE i.name = ? AND EXISTS (SELECT 1 FROM entries x WHERE x.thread = t.id)
      ORDER BY t.touched_at DESC, t.id DESC LIMIT ?) t
JOIN entries e ON e.thread = t.id GROUP BY t.id ORDER BY t.touched_at DESC, t.id DESC
"""
_SESSIONS = """
SELECT s.id, t.name, s.surface, s.began_at, s.closed_at, s.lost, s.ended_at, s.reason, s.close_reason, s.summary, s.feedback,
       (SELECT count(*) FROM entries e WHERE e.session = s.id)
FROM sessions s JOIN threads t ON t.id = s.thread JOIN identities i ON i.id = t.identity
WHERE i.name = ? AND t.name = ? ORDER BY s.began_at, s.rowid
"""
_CANDIDATE_ROWS = """
SELECT e.id, substr(e.text, 1, ?) FROM found f JOIN entries e ON e.id = f.rowid
WHERE found MATCH ? AND e.scope LIKE ? ORDER BY f.rowid DESC LIMIT ?
"""
_FOUND = (
    f"SELECT t.name, {', '.join(f'e.{name.strip()}' for name in rows.COLUMNS.split(','))} FROM entries e"  # noqa: S608
    " JOIN threads t ON t.id = e.thread JOIN identities i ON i.id = t.identity WHERE e.id = ? AND i.name = ?"
)


class SqliteHistory:
    """Made by ``SqliteRecords``, with whom it shares the threads that read and write."""

    def __init__(
        self, database: Database, writer: Writer, reader: Reader, holder: Holder, wall: Callable[[], float] = time.time
    ) -> None:
        self._database, self._writer, self._reader, self._holder, self._wall = database, writer, reader, holder, wall
        self._tidied = False

    async def threads(self, *, identity: str, last: int = 50) -> tuple[ThreadFacts, ...]:
        """As ``History.threads``."""

        def read(connection: sqlite3.Connection) -> tuple[ThreadFacts, ...]:
            return tuple(_thread_of(row) for row in connection.execute(_THREADS, (identity, last)))

        return await self._ask(read, nothing=())

    async def sessions(self, thread: str, *, identity: str) -> tuple[SessionFacts, ...]:
        """As ``History.sessions``."""

        def read(connection: sqlite3.Connection) -> tuple[SessionFacts, ...]:
            return tuple(_session_of(row) for row in connection.execute(_SESSIONS, (identity, thread)))

        nothing: tuple[SessionFacts, ...] = ()
        found = await self._ask(read, nothing=nothing)
        if not found:
            raise ForeignThreadError(thread)
        return found

    async def show(self, thread: str, *, identity: str, last: int | None = None) -> tuple[Entry, ...]:
        """As ``History.show``."""

        def read(connection: sqlite3.Connection) -> tuple[Entry, ...] | None:
            if rows.thread_id(connection, thread, identity) is None:
                return None
            return tuple(rows.read_entries(connection, thread, identity, last))

        found = await self._ask(read, nothing=None)
        if found is None:
            raise ForeignThreadError(thread)
        return found

    async def search(self, words: str, *, identity: str, thread: str = "", last: int = 20) -> tuple[Found, ...]:
        """As ``History.search``; ranked are the newest 200 that hold all the words."""
        want = wanted(words)
        if not want.pieces:
            return ()
        return await self._ask(lambda connection: _search(connection, want, identity, thread, last), nothing=())

    async def end(self, thread: str, *, identity: str, reason: str = "", summary: str = "", feedback: str = "") -> Ending:
        """As ``History.end``."""
        now = self._wall()
        said = tuple(map(rows.cut, (reason, summary, feedback)))

        def end(connection: sqlite3.Connection) -> Ending | None:
            return _end(connection, thread, identity, now, said)

        ending = await self._change(end, nothing=None, within_s=_WRITE_S)
        if ending is None:
            raise ForeignThreadError(thread)
        return ending

    async def forget(self, thread: str, *, identity: str) -> Forgotten:
        """As ``History.forget``. Raises TracesError where it is removed, but not wiped yet."""
        gone = await self._forget(identity, thread)
        if not gone.threads:
            raise ForeignThreadError(thread)
        return gone

    async def forget_all(self, *, identity: str) -> Forgotten:
        """As ``History.forget_all``. Raises TracesError as ``forget``."""
        return await self._forget(identity, None)

    async def check(self) -> Health:
        """As ``History.check``; wipes what could not be wiped before. A damaged store is told of, not set aside."""
        database = self._database
        if not database.exists:
            return Health(
                kept=False, path=database.path, version=0, size=0, threads=0, sessions=0, entries=0, problems=(),
                set_aside=database.set_asides(),
            )  # fmt: skip
        problems: list[str] = []
        version, counts = 0, (0, 0, 0)
        try:
            version, counts, problems = await self._reader.ask(_examine, nothing=(version, counts, problems), within_s=_LONG_S)
        except RecordError as error:
            problems.append(str(error))
        else:
            try:
                # Outside of any transaction, and also where nothing was ever deleted: it costs nothing then.
                wiping = self._writer.submit(
                    lambda connection: sweep.wipe(connection, database), within_s=_LONG_S, transaction=False
                )
                await wait_for(wiping, _LONG_S, database)
            except RecordError as error:
                problems.append(str(error))
        return Health(
            kept=True,
            path=database.path,
            version=version,
            size=database.size(),
            threads=counts[0],
            sessions=counts[1],
            entries=counts[2],
            problems=tuple(problems),
            set_aside=database.set_asides(),
        )

    # -- how

    async def _ask(self, question: Callable[[sqlite3.Connection], _T], *, nothing: _T) -> _T:
        await self._tidy()
        if self._writer.is_behind:
            with contextlib.suppress(RecordError):
                await wait_for(self._writer.submit(_nothing, within_s=_WRITE_S), _WRITE_S, self._database)
        try:
            return await self._reader.ask(question, nothing=nothing, within_s=_READ_S)
        except DamagedStoreError:
            self._writer.examine()
            raise

    async def _tidy(self) -> None:
        """Once: what the dead left is marked before it is shown. Where that cannot be written, it is shown as it is."""
        if self._tidied or not self._database.exists:
            return
        self._tidied = True
        now = self._wall()
        tidying = self._writer.submit(lambda connection: sweep.close_dead(connection, self._holder, now), within_s=_WRITE_S)
        with contextlib.suppress(RecordError):
            await wait_for(tidying, _WRITE_S, self._database)

    async def _change(
        self, change: Callable[[sqlite3.Connection], _T], *, nothing: _T, within_s: float, transaction: bool = True
    ) -> _T:
        if not self._database.exists:
            return nothing
        return await wait_for(self._writer.submit(change, within_s=within_s, transaction=transaction), within_s, self._database)

    async def _forget(self, identity: str, thread: str | None) -> Forgotten:
        def forget(connection: sqlite3.Connection) -> Forgotten:
            gone = _forget(connection, self._database, identity, thread)
            if gone.threads:
                sweep.wipe(connection, self._database)
            return gone

        nothing = Forgotten(threads=0, entries=0, files=0)
        return await self._change(forget, nothing=nothing, within_s=_LONG_S, transaction=False)


def _nothing(_: sqlite3.Connection) -> None:
    """What is done once everything before it is."""


def _search(connection: sqlite3.Connection, want: Wanted, identity: str, thread: str, last: int) -> tuple[Found, ...]:
    row = connection.execute("SELECT id FROM identities WHERE name = ?", (identity,)).fetchone()
    number = rows.thread_id(connection, thread, identity) if thread else None
    if row is None or (thread and number is None):
        return ()
    # The index narrows it down; that it is the identity's own is looked at again in the row itself.
    scope, like = (f"t{number}", f"i{row[0]} t{number}") if thread else (f"i{row[0]}", f"i{row[0]} %")
    candidates = connection.execute(_CANDIDATE_ROWS, (_LOOKED_AT, want.expression(scope), like, max(_CANDIDATES, last)))
    found = []
    for each in best(want, candidates.fetchall(), last):
        name, *row = connection.execute(_FOUND, (each, identity)).fetchone()
        entry = rows.entry_of(row)
        found.append(Found(thread=name, entry=entry, snippet=snippet(want, entry.text[:_LOOKED_AT])))
    return tuple(found)


def _end(connection: sqlite3.Connection, thread: str, identity: str, now: float, said: tuple[str, ...]) -> Ending | None:
    number = rows.thread_id(connection, thread, identity)
    if number is None:
        return None
    ended = connection.execute(
        "UPDATE sessions SET ended_at = ?, reason = ?, summary = ?, feedback = ? WHERE thread = ? AND ended_at IS NULL",
        (now, *said, number),
    ).rowcount
    last = connection.execute("SELECT max(ended_at) FROM sessions WHERE thread = ?", (number,)).fetchone()[0]
    if last is None:
        return None
    if not ended:
        for column, value in zip(("reason", "summary", "feedback"), said, strict=True):
            connection.execute(
                f"UPDATE sessions SET {column} = ? WHERE thread = ? AND ended_at = ? AND {column} = ''",  # noqa: S608
                (value, number, last),
            )
    found = connection.execute(
        "SELECT id, began_at, reason, summary, feedback, (SELECT count(*) FROM entries WHERE session = sessions.id)"
        " FROM sessions WHERE thread = ? AND ended_at = ? ORDER BY began_at, rowid",
        (number, last),
    ).fetchall()
    return Ending(
        first=bool(ended),
        thread=thread,
        sessions=tuple(row[0] for row in found),
        began_at=found[0][1],
        ended_at=last,
        reason=found[0][2],
        summary=found[0][3],
        feedback=found[0][4],
        entries=sum(row[5] for row in found),
    )


def _forget(connection: sqlite3.Connection, database: Database, identity: str, thread: str | None) -> Forgotten:
    mine = "SELECT t.id FROM threads t JOIN identities i ON i.id = t.identity WHERE i.name = ? AND (? IS NULL OR t.name = ?)"
    which = (identity, thread, thread)
    connection.execute("BEGIN IMMEDIATE")
    audio = connection.execute(f"SELECT audio FROM entries WHERE thread IN ({mine}) AND audio != ''", which).fetchall()  # noqa: S608
    entries = connection.execute(f"DELETE FROM entries WHERE thread IN ({mine})", which).rowcount  # noqa: S608
    threads = connection.execute(f"DELETE FROM threads WHERE id IN ({mine})", which).rowcount  # noqa: S608
    if thread is None:
        connection.execute("DELETE FROM identities WHERE name = ?", (identity,))
    if entries:
        sweep.forget_words(connection)
    connection.execute("COMMIT")
    files = sweep.remove_files(database, [name for (name,) in audio])
    return Forgotten(threads=threads, entries=entries, files=files)


def _examine(connection: sqlite3.Connection) -> tuple[int, tuple[int, int, int], list[str]]:
    problems = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
    problems += [f"a row of {row[0]} belongs to nothing" for row in connection.execute("PRAGMA foreign_key_check")][:20]
    counts = connection.execute(
        "SELECT (SELECT count(*) FROM threads), (SELECT count(*) FROM sessions), (SELECT count(*) FROM entries)"
    ).fetchone()
    return version_of(connection), (counts[0], counts[1], counts[2]), problems


def _thread_of(row: tuple[object, ...]) -> ThreadFacts:
    name, began_at, touched_at, entries, opening, surfaces = row
    line = " ".join(str(opening or "").split())
    return ThreadFacts(
        thread=str(name),
        began_at=float(str(began_at)),
        touched_at=float(str(touched_at)),
        surfaces=tuple(Surface(each) for each in str(surfaces).split(",")),
        entries=int(str(entries)),
        opening=line if len(line) <= _OPENING else f"{line[: _OPENING - 1]}…",
    )


def _session_of(row: tuple[object, ...]) -> SessionFacts:
    session, thread, surface, began_at, closed_at, lost, ended_at, reason, closed, summary, feedback, entries = row
    return SessionFacts(
        session=str(session),
        thread=str(thread),
        surface=Surface(surface),
        began_at=float(str(began_at)),
        closed_at=None if closed_at is None else float(str(closed_at)),
        lost=bool(lost),
        ended_at=None if ended_at is None else float(str(ended_at)),
        reason=str(reason or closed),
        summary=str(summary),
        feedback=str(feedback),
        entries=int(str(entries)),
    )
