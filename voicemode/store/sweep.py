"""What is done beside conversations: closing what the dead left, deleting what is old, wiping what was deleted."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from voicemode.store import rows
from voicemode.store.database import Database, Holder
from voicemode.store.errors import TracesError

__all__ = ["AUDIO", "audio_folder", "close_dead", "forget_words", "remove_files", "remove_old", "wipe"]

AUDIO = "audio"
"""The folder of sound, beside the database."""
_WIPE_S = 5.0
_PAUSE_S = 0.05


def audio_folder(database: Database) -> Path:
    """Where sound is kept; nothing elsewhere is ever deleted."""
    return database.folder / AUDIO


def close_dead(connection: sqlite3.Connection, holder: Holder, now: float) -> int:
    """Close the sessions of processes that died, and mark what was in flight in them as lost; how many entries were."""
    holders = [key for (key,) in connection.execute("SELECT DISTINCT holder FROM sessions WHERE closed_at IS NULL")]
    lost = 0
    for key in holders:
        if not holder.lives(key):
            left = connection.execute("SELECT id FROM sessions WHERE holder = ? AND closed_at IS NULL", (key,)).fetchall()
            lost += rows.mark_lost(connection, [session for (session,) in left], now, "its process died")
    return lost


def remove_old(connection: sqlite3.Connection, database: Database, before: float) -> int:
    """Delete what was put down before that moment, and what is empty then; how many entries were."""
    connection.execute("BEGIN IMMEDIATE")
    # Numbers grow with time, so the first that is young enough ends the search.
    young = connection.execute("SELECT id FROM entries WHERE put_at >= ? ORDER BY id LIMIT 1", (before,)).fetchone()
    old = "id < ? AND put_at < ?", (young[0] if young else 1 << 62, before)
    audio = [name for (name,) in connection.execute(f"SELECT audio FROM entries WHERE {old[0]} AND audio != ''", old[1])]  # noqa: S608
    removed = connection.execute(f"DELETE FROM entries WHERE {old[0]}", old[1]).rowcount  # noqa: S608
    connection.execute(
        "DELETE FROM sessions WHERE closed_at < ? AND NOT EXISTS (SELECT 1 FROM entries WHERE session = sessions.id)", (before,)
    )
    connection.execute(
        "DELETE FROM threads WHERE touched_at < ? AND NOT EXISTS (SELECT 1 FROM entries WHERE thread = threads.id)"
        " AND NOT EXISTS (SELECT 1 FROM sessions WHERE thread = threads.id)",
        (before,),
    )
    if removed:
        forget_words(connection)
    connection.execute("COMMIT")
    remove_files(database, audio)
    if removed:
        with contextlib.suppress(TracesError):  # tomorrow again
            wipe(connection, database)
    return removed


def forget_words(connection: sqlite3.Connection) -> None:
    """Take what was deleted out of the index, where it is only marked as deleted so far.

    FTS5's own "secure-delete" would do it at once, but SQLite before 3.42 cannot read what it leaves.
    """
    connection.execute("INSERT INTO found (found) VALUES ('optimize')")


def wipe(connection: sqlite3.Connection, database: Database) -> None:
    """Empty the log, in which what was deleted may still stand. Raises TracesError while others read."""
    until = time.monotonic() + _WIPE_S
    while True:
        (busy, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if not busy:
            return
        if time.monotonic() > until:
            raise TracesError(database.path)
        time.sleep(_PAUSE_S)


def remove_files(database: Database, names: Iterable[str]) -> int:
    """Delete files of sound, those only that are ours; how many there were."""
    folder, removed = audio_folder(database).resolve(), 0
    for name in names:
        path = Path(name).resolve()
        if path.parent == folder and path.is_file():
            with contextlib.suppress(OSError):
                path.unlink()
                removed += 1
    return removed
