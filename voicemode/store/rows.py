"""Entries as rows, and rows as entries. Every statement that reads names the identity."""

from __future__ import annotations

import json
import math
import re
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from voicemode.record import Entry, Role, Standing, Surface
from voicemode.store.hold import Hold

__all__ = [
    "COLUMNS",
    "LARGEST_TEXT",
    "LONGEST_WORD",
    "close",
    "cut",
    "entry_of",
    "known_keys",
    "mark_lost",
    "put",
    "read_entries",
    "register",
    "spaced",
    "thread_id",
    "with_waiting",
]

LARGEST_TEXT = 1_000_000
"""Characters of one entry that are kept; a book of 300 pages has 600,000."""
LONGEST_WORD = 500
"""Characters of a name, key or number of a call."""
COLUMNS = "key, role, text, standing, began_at, surface, tool, call_id, arguments, timings, audio"
_READ = (
    f"SELECT {COLUMNS} FROM entries WHERE thread = (SELECT t.id FROM threads t JOIN identities i ON i.id = t.identity"  # noqa: S608
    " WHERE i.name = ? AND t.name = ?)"
)
_INSERT = (
    "INSERT INTO entries (id, thread, session, scope, key, role, text, spaced, standing, began_at, put_at, surface, tool,"
    " call_id, arguments, timings, audio) VALUES ((SELECT id FROM next_entry), :thread, :session, :scope, :key, :role, :text,"
    " :spaced, :standing, :began_at, :put_at, :surface, :tool, :call_id, :arguments, :timings, :audio)"
)
_IDEOGRAPHS = re.compile("([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])")
"""Han and kana, which are written without spaces between words."""


def cut(text: str, largest: int = LARGEST_TEXT) -> str:
    """Text that SQLite takes, of a length that it can bear."""
    if len(text) > largest:
        text = f"{text[: largest - 1]}…"
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def spaced(text: str) -> str | None:
    """The text with each ideograph as a word of its own, so that parts are found; None where that changes nothing."""
    return _IDEOGRAPHS.sub(r" \1 ", text) if _IDEOGRAPHS.search(text) else None


def thread_id(connection: sqlite3.Connection, thread: str, identity: str) -> int | None:
    """The number of a thread of this identity."""
    row = connection.execute(
        "SELECT t.id FROM threads t JOIN identities i ON i.id = t.identity WHERE i.name = ? AND t.name = ?", (identity, thread)
    ).fetchone()
    return int(row[0]) if row else None


def register(connection: sqlite3.Connection, hold: Hold, holder: str, now: float) -> tuple[int, str]:
    """See to it that the session and its thread are there; number and scope of the thread."""
    connection.execute("INSERT OR IGNORE INTO identities (name) VALUES (?)", (hold.identity,))
    (identity,) = connection.execute("SELECT id FROM identities WHERE name = ?", (hold.identity,)).fetchone()
    connection.execute(
        "INSERT INTO threads (identity, name, began_at, touched_at) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (identity, name) DO UPDATE SET touched_at = max(touched_at, excluded.touched_at)",
        (identity, hold.thread, hold.began_at, now),
    )
    (number,) = connection.execute("SELECT id FROM threads WHERE identity = ? AND name = ?", (identity, hold.thread)).fetchone()
    connection.execute(
        "INSERT OR IGNORE INTO sessions (id, thread, holder, surface, began_at) VALUES (?, ?, ?, ?, ?)",
        (hold.session, number, holder, hold.surface.value, hold.began_at),
    )
    return int(number), f"i{identity} t{number}"


def put(connection: sqlite3.Connection, hold: Hold, entry: Entry, place: tuple[int, str], now: float) -> str:
    """Write one entry, whose key is cut already; why not, where it was not, and else ""."""
    thread, scope = place
    key = entry.key
    text = cut(entry.text)
    values: dict[str, object] = {
        "thread": thread,
        "key": key,
        "role": entry.role.value,
        "text": text,
        "spaced": spaced(text),
        "standing": entry.standing.value,
        "began_at": entry.began_at if math.isfinite(entry.began_at) and entry.began_at > 0 else 0.0,
        "surface": (entry.surface or hold.surface).value,
        "tool": cut(entry.tool, LONGEST_WORD),
        "call_id": cut(entry.call_id, LONGEST_WORD),
        "arguments": cut(entry.arguments),
        "timings": json.dumps({cut(k, LONGEST_WORD): v for k, v in entry.timings.items() if math.isfinite(v)}),
        "audio": cut(entry.audio),
    }
    changed = connection.execute(
        "UPDATE entries SET role = :role, text = :text, spaced = :spaced, standing = :standing,"
        " began_at = iif(:began_at > 0, :began_at, began_at), surface = :surface, tool = :tool, call_id = :call_id,"
        " arguments = :arguments, timings = :timings, audio = :audio WHERE thread = :thread AND key = :key",
        values,
    )
    if changed.rowcount:
        return ""
    if key in hold.keys:
        return "a part of it was forgotten"
    (ended,) = connection.execute("SELECT ended_at FROM sessions WHERE id = ?", (hold.session,)).fetchone()
    if ended is not None:
        return "its session has ended"
    values |= {"scope": scope, "session": hold.session, "put_at": now, "began_at": values["began_at"] or now}
    connection.execute(_INSERT, values)
    connection.execute("UPDATE next_entry SET id = id + 1")
    return ""


def mark_lost(connection: sqlite3.Connection, sessions: Iterable[str], now: float, reason: str) -> int:
    """Close sessions of which nobody will hear again; how many entries of them were in flight."""
    lost = 0
    for session in sessions:
        lost += connection.execute(
            "UPDATE entries SET standing = 'lost' WHERE session = ? AND standing = 'in_flight'", (session,)
        ).rowcount
        connection.execute(
            "UPDATE sessions SET closed_at = ?, lost = 1, close_reason = ? WHERE id = ? AND closed_at IS NULL",
            (now, reason, session),
        )
    return lost


def close(connection: sqlite3.Connection, session: str, now: float, reason: str) -> None:
    """The surface is done with it."""
    connection.execute("UPDATE entries SET standing = 'lost' WHERE session = ? AND standing = 'in_flight'", (session,))
    connection.execute(
        "UPDATE sessions SET closed_at = ?, close_reason = ? WHERE id = ? AND closed_at IS NULL",
        (now, cut(reason, LONGEST_WORD), session),
    )


def read_entries(connection: sqlite3.Connection, thread: str, identity: str, last: int | None) -> list[Entry]:
    """The entries of a thread, or its last ones, oldest first; none where there is no such thread."""
    if last is None:
        # Row by row: ten thousand rows and their entries at once cost half as much again.
        return [entry_of(row) for row in connection.execute(f"{_READ} ORDER BY id", (identity, thread))]
    rows = connection.execute(f"{_READ} ORDER BY id DESC LIMIT ?", (identity, thread, last)).fetchall()
    return [entry_of(row) for row in reversed(rows)]


def known_keys(connection: sqlite3.Connection, thread: str, identity: str, keys: Iterable[str]) -> frozenset[str]:
    """Those of the keys that a thread has."""
    number = thread_id(connection, thread, identity)
    find = "SELECT 1 FROM entries WHERE thread = ? AND key = ?"
    return frozenset(key for key in keys if connection.execute(find, (number, key)).fetchone())


def with_waiting(
    written: Iterable[Entry], waiting: Iterable[Entry], known: frozenset[str], last: int | None
) -> tuple[Entry, ...]:
    """What a thread shall be once everything is written, or the last of it.

    ``written``: as it is on disk, or the last of that. ``waiting``: put, and perhaps written in the meantime. ``known``: keys
    of the waiting that the disk has; such a one keeps its old place, and where that lies before ``written`` it is not shown.
    """
    found = {entry.key: entry for entry in written}
    for entry in waiting:
        if entry.key in found or entry.key not in known:
            found[entry.key] = entry
    entries = tuple(found.values())
    return entries if last is None else entries[max(len(entries) - last, 0) :]


_ROLES = {role.value: role for role in Role}
_STANDINGS = {standing.value: standing for standing in Standing}
_SURFACES = {surface.value: surface for surface in Surface}
"""A look into a dictionary takes a fifth of what calling an Enum does, and a conversation may have ten thousand turns."""


_NO_TIMINGS: Mapping[str, float] = MappingProxyType({})


def entry_of(row: Sequence[Any]) -> Entry:
    """An entry of a row of COLUMNS."""
    key, role, text, standing, began_at, surface, tool, call_id, arguments, timings, audio = row
    kept = json.loads(timings) if timings != "{}" else _NO_TIMINGS
    return Entry(
        key, _ROLES[role], text, _STANDINGS[standing], began_at, _SURFACES[surface], tool, call_id, arguments, kept, audio
    )
