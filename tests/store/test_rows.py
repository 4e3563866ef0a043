"""What a thread shall be, from what is on disk and what waits to be."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.store.entries import said, texts
from voicemode.record import OWNER, Entry, Surface
from voicemode.store import rows
from voicemode.store.database import Database
from voicemode.store.hold import Hold

PUTS = st.lists(st.tuples(st.sampled_from("abcde"), st.text("xyz", max_size=2)), max_size=12)


def kept(puts: list[Entry]) -> list[Entry]:
    """The thread after these, each key in the place where it was first put."""
    return list({entry.key: entry for entry in puts}.values())


@given(puts=PUTS, begun=st.integers(0, 12), read=st.integers(0, 12), last=st.none() | st.integers(0, 8))
def test_however_much_is_written_between_two_looks_the_thread_is_the_same(
    puts: list[tuple[str, str]], begun: int, read: int, last: int | None
) -> None:
    """First it is looked up what waits; until the disk is read, some of that is written."""
    entries = [said(key, text) for key, text in puts]
    waiting, disk = entries[min(begun, read) :], kept(entries[: max(begun, read)])
    written = disk if last is None else disk[max(len(disk) - last, 0) :]
    known = frozenset(entry.key for entry in disk)
    whole = kept(entries)
    assert rows.with_waiting(written, waiting, known, last) == tuple(
        whole if last is None else whole[max(len(whole) - last, 0) :]
    )


def test_keys_are_known_only_in_their_own_thread(tmp_path: Path) -> None:
    """Nor is anything known of a thread that there is not."""
    connection = Database(tmp_path / "history").connect()
    try:
        hold = Hold("session", "walk", OWNER, Surface.CLI, 1.0)
        rows.put(connection, hold, said("a", "one"), rows.register(connection, hold, "nobody", 1.0), 1.0)
        assert rows.known_keys(connection, "walk", OWNER, ["a", "b"]) == {"a"}
        assert rows.known_keys(connection, "walk", "ann", ["a"]) == frozenset()
        assert rows.known_keys(connection, "trip", OWNER, ["a"]) == frozenset()
        assert texts(rows.read_entries(connection, "walk", OWNER, 1)) == ["one"]
    finally:
        connection.close()


def test_a_number_is_never_given_again(tmp_path: Path) -> None:
    """Not even that of the newest, after it was forgotten: what is newer always has the larger one."""
    connection: sqlite3.Connection = Database(tmp_path / "history").connect()
    try:
        hold = Hold("session", "walk", OWNER, Surface.CLI, 1.0)
        place = rows.register(connection, hold, "nobody", 1.0)
        for key in "ab":
            rows.put(connection, hold, said(key, key), place, 1.0)
        connection.execute("DELETE FROM entries")
        rows.put(connection, hold, said("c", "c"), place, 1.0)
        assert connection.execute("SELECT id FROM entries").fetchall() == [(3,)]
    finally:
        connection.close()
