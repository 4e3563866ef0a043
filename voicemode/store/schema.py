"""The tables, and how each version of them is made from the one before. Versions go forward only."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from voicemode.store.errors import NewerStoreError

__all__ = ["VERSION", "migrate", "version_of"]

_FIRST = (
    "CREATE TABLE identities (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
    # AUTOINCREMENT: the number of what was forgotten is never given again.
    """CREATE TABLE threads (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        identity INTEGER NOT NULL REFERENCES identities,
        name TEXT NOT NULL,
        began_at REAL NOT NULL,
        touched_at REAL NOT NULL,
        UNIQUE (identity, name)
    )""",
    "CREATE INDEX threads_touched ON threads (identity, touched_at)",
    """CREATE TABLE sessions (
        id TEXT PRIMARY KEY,
        thread INTEGER NOT NULL REFERENCES threads ON DELETE CASCADE,
        holder TEXT NOT NULL,
        surface TEXT NOT NULL,
        began_at REAL NOT NULL,
        closed_at REAL,
        lost INTEGER NOT NULL DEFAULT 0,
        close_reason TEXT NOT NULL DEFAULT '',
        ended_at REAL,
        reason TEXT NOT NULL DEFAULT '',
        summary TEXT NOT NULL DEFAULT '',
        feedback TEXT NOT NULL DEFAULT ''
    )""",
    "CREATE INDEX sessions_thread ON sessions (thread)",
    "CREATE INDEX sessions_held ON sessions (holder) WHERE closed_at IS NULL",
    # The number of the next entry: what is newer has the larger one, and that of what was forgotten is never given again.
    "CREATE TABLE next_entry (id INTEGER NOT NULL)",
    "INSERT INTO next_entry VALUES (1)",
    # Rows of one conversation lie side by side, whatever others went on meanwhile: ten thousand are read in 0.6 of the time.
    """CREATE TABLE entries (
        id INTEGER NOT NULL UNIQUE,
        thread INTEGER NOT NULL REFERENCES threads ON DELETE CASCADE,
        session TEXT NOT NULL,
        key TEXT NOT NULL,
        scope TEXT NOT NULL,
        role TEXT NOT NULL,
        text TEXT NOT NULL,
        spaced TEXT,
        standing TEXT NOT NULL,
        began_at REAL NOT NULL,
        put_at REAL NOT NULL,
        surface TEXT NOT NULL,
        tool TEXT NOT NULL,
        call_id TEXT NOT NULL,
        arguments TEXT NOT NULL,
        timings TEXT NOT NULL,
        audio TEXT NOT NULL,
        PRIMARY KEY (thread, id),
        UNIQUE (thread, key)
    ) WITHOUT ROWID""",
    "CREATE INDEX entries_session ON entries (session)",
    "CREATE INDEX entries_in_flight ON entries (session) WHERE standing = 'in_flight'",
    # The index of words holds no text of its own. "scope" has a word for the identity and one for the thread, so that only
    # the places of one identity are walked, however many others have.
    "CREATE VIEW searchable AS SELECT id, scope, coalesce(spaced, text) AS body FROM entries",
    """CREATE VIRTUAL TABLE found USING fts5(
        scope, body, content='searchable', content_rowid='id', columnsize=0, tokenize='unicode61 remove_diacritics 2'
    )""",
    """CREATE TRIGGER entries_added AFTER INSERT ON entries BEGIN
        INSERT INTO found (rowid, scope, body) VALUES (new.id, new.scope, coalesce(new.spaced, new.text));
    END""",
    """CREATE TRIGGER entries_removed AFTER DELETE ON entries BEGIN
        INSERT INTO found (found, rowid, scope, body) VALUES ('delete', old.id, old.scope, coalesce(old.spaced, old.text));
    END""",
    """CREATE TRIGGER entries_changed AFTER UPDATE OF text ON entries WHEN old.text IS NOT new.text BEGIN
        INSERT INTO found (found, rowid, scope, body) VALUES ('delete', old.id, old.scope, coalesce(old.spaced, old.text));
        INSERT INTO found (rowid, scope, body) VALUES (new.id, new.scope, coalesce(new.spaced, new.text));
    END""",
)

_MIGRATIONS = (_FIRST,)
"""Each makes the next version. What was published is never changed again; another is added."""

VERSION = len(_MIGRATIONS)


def version_of(connection: sqlite3.Connection) -> int:
    """The version of what is there; 0 for an empty file. Raises sqlite3.Error."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring it to this version, in one step or not at all. ``connection`` is in autocommit mode.

    Raises NewerStoreError, and then nothing was changed; sqlite3.Error.
    """
    if version_of(connection) == VERSION:
        return
    if version_of(connection) > VERSION:
        raise NewerStoreError(path, version_of(connection), VERSION)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Again, and now alone: another process may have done it in the meantime.
        for statement in (statement for steps in _MIGRATIONS[version_of(connection) :] for statement in steps):
            connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
