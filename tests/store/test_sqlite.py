"""What is on disk: whose it is, what stays of it, and several processes at once."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.conftest import Clock
from tests.store.entries import begun, said, texts, told
from voicemode.record import OWNER, Entry, Role, Standing, Surface
from voicemode.store.sqlite import SqliteRecords

pytestmark = pytest.mark.anyio
WORKER = Path(__file__).with_name("worker.py")
DAY = 86_400.0


def start(folder: Path, thread: str, what: str, *number: int) -> subprocess.Popen[str]:
    """Another process on the same records."""
    arguments = [sys.executable, str(WORKER), str(folder), thread, what, *map(str, number)]
    root = Path(__file__).parents[2]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(root)})


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def bytes_on_disk(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


async def test_everything_is_for_its_owner_alone(folder: Path, kept: SqliteRecords) -> None:
    """Whatever the umask, the files that SQLite makes for itself as well."""
    before = os.umask(0)
    try:
        record = await kept.open("t", surface=Surface.CLI)
        record.put(said("1", "x"))
        await kept.history.threads(identity=OWNER)
        modes = {path.relative_to(folder.parent).as_posix(): stat.S_IMODE(path.stat().st_mode) for path in folder.rglob("*")}
    finally:
        os.umask(before)
    assert {"history/history.db", "history/history.db-wal", "history/history.db-shm"} <= modes.keys()
    assert {mode for name, mode in modes.items() if not (folder.parent / name).is_dir()} == {0o600}
    assert {stat.S_IMODE(path.stat().st_mode) for path in (folder, folder.parent, folder / "live")} == {0o700}


async def test_what_was_open_to_others_is_closed(folder: Path, kept: SqliteRecords) -> None:
    """A backup that was unpacked without its modes."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    (folder / "history.db").touch(0o644)
    await kept.open("t", surface=Surface.CLI)
    assert stat.S_IMODE((folder / "history.db").stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


async def test_to_look_makes_nothing(folder: Path, kept: SqliteRecords) -> None:
    """Whoever never kept anything has nothing on disk after asking for it."""
    assert await kept.history.threads(identity=OWNER) == ()
    assert await kept.history.search("x", identity=OWNER) == ()
    assert (await kept.history.forget_all(identity=OWNER)).threads == 0
    assert not (await kept.history.check()).kept
    assert not folder.exists()


class TestForgotten:
    """No byte of it is left."""

    async def test_neither_in_the_table_nor_in_the_index_nor_in_the_log(self, folder: Path, kept: SqliteRecords) -> None:
        """Names, words, summaries, arguments; what others said stays."""
        for thread, word in (("quicksilver-thread", "quicksilver"), ("other", "marmalade")):
            record = await kept.open(thread, surface=Surface.CLI)
            for number in range(200):
                record.put(said(f"{word}{number}", f"{word} zyx{word}{number} and so on"))
            record.put(told("1", f"all about {word}", Standing.IN_FLIGHT))
            await record.history()
            record.put(told("1", f"{word}", Standing.INTERRUPTED))
            record.put(Entry("tool", Role.TOOL, word, arguments=f'{{"{word}": 1}}', tool=word))
            await record.aclose(f"because of {word}")
            await kept.history.end(thread, identity=OWNER, summary=f"About {word}.")
        assert b"quicksilver" in bytes_on_disk(folder)
        await kept.history.forget("quicksilver-thread", identity=OWNER)
        assert b"quicksilver" not in bytes_on_disk(folder)
        assert b"marmalade" in bytes_on_disk(folder)
        assert len(await kept.history.search("zyxmarmalade7", identity=OWNER)) == 1
        await kept.history.forget_all(identity=OWNER)
        assert b"marmalade" not in bytes_on_disk(folder)

    async def test_sound_goes_too_and_no_file_of_anybody_else(self, folder: Path, kept: SqliteRecords, tmp_path: Path) -> None:
        """Only what lies in the folder for sound is ever deleted, whatever an entry says."""
        record = await kept.open("t", surface=Surface.CLI)
        (folder / "audio").mkdir()
        ours, theirs = folder / "audio" / "1.wav", tmp_path / "theirs.wav"
        for number, path in enumerate((ours, theirs, folder / "audio" / ".." / "history.db")):
            path.touch()
            record.put(Entry(str(number), Role.USER, "x", audio=str(path)))
        gone = await kept.history.forget("t", identity=OWNER)
        assert gone.files == 1
        assert not ours.exists()
        assert theirs.exists()
        assert (folder / "history.db").exists()


class TestRetention:
    """What is older than the days that were said."""

    async def test_old_entries_are_deleted_at_the_next_opening(self, folder: Path, clock: Clock) -> None:
        """Young ones stay, also of the same thread."""
        before = SqliteRecords(folder, wall=clock)
        for thread in ("old", "both"):
            record = await before.open(thread, surface=Surface.CLI)
            record.put(said("1", "ancient words"))
            await record.aclose()
        clock.now += 10 * DAY
        record = await before.open("both", surface=Surface.CLI)
        record.put(said("2", "young"))
        await before.aclose()
        clock.now += DAY
        records = SqliteRecords(folder, retention_days=7, wall=clock)
        await records.open("new", surface=Surface.CLI)
        assert [thread.thread for thread in await records.history.threads(identity=OWNER)] == ["both"]
        assert texts(await records.history.show("both", identity=OWNER)) == ["young"]
        await records.aclose()
        assert b"ancient" not in bytes_on_disk(folder)

    async def test_without_days_everything_stays(self, folder: Path, clock: Clock) -> None:
        """That is the default."""
        before = SqliteRecords(folder, wall=clock)
        record = await before.open("old", surface=Surface.CLI)
        record.put(said("1", "ancient"))
        await before.aclose()
        clock.now += 10_000 * DAY
        records = SqliteRecords(folder, wall=clock)
        await records.open("new", surface=Surface.CLI)
        assert texts(await records.history.show("old", identity=OWNER)) == ["ancient"]
        await records.aclose()


class TestSeveralProcesses:
    """Each editor window has one, and there are the server and the command line."""

    async def test_all_they_say_at_once_is_kept(self, folder: Path, kept: SqliteRecords) -> None:
        """In one thread, each one's words in their order; several begin the database at the same time."""
        processes = [start(folder, "one", "talk", 200) for _ in range(4)]
        assert [process.communicate(timeout=60)[0] for process in processes] == ["done \n"] * 4
        entries = await kept.history.show("one", identity=OWNER)
        assert len(entries) == 800
        for session in await kept.history.sessions("one", identity=OWNER):
            own = [entry.text for entry in entries if entry.text.endswith(session.session)]
            assert own == [f"turn {number} of {session.session}" for number in range(200)]
        assert (await kept.history.check()).problems == ()

    async def test_what_a_killed_process_had_in_flight_is_lost(self, folder: Path, kept: SqliteRecords) -> None:
        """As soon as somebody else opens; what was whole is whole, and the living are left alone."""
        alive = await kept.open("t", surface=Surface.CLI)
        alive.put(begun("mine"))
        await alive.history()
        process = start(folder, "t", "hang")
        assert line(process) == "ready\n"
        other = SqliteRecords(folder)
        standings = {entry.key: entry.standing for entry in await (await other.open("t", surface=Surface.CLI)).history()}
        assert standings["flying"] is Standing.IN_FLIGHT
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=10)
        entries = await (await other.open("t", surface=Surface.CLI)).history()
        await other.aclose()
        assert {entry.key: (entry.text, entry.standing) for entry in entries} == {
            "mine": ("", Standing.IN_FLIGHT),
            "whole": ("said before", Standing.WHOLE),
            "flying": ("as far as", Standing.LOST),
        }
        dead = [session for session in await kept.history.sessions("t", identity=OWNER) if session.lost]
        assert [session.reason for session in dead] == ["its process died"]

    async def test_whoever_only_looks_sees_it_marked_too(self, folder: Path, kept: SqliteRecords) -> None:
        """The command line opens no thread."""
        process = start(folder, "t", "hang")
        assert line(process) == "ready\n"
        process.kill()
        process.communicate(timeout=10)
        entries = await kept.history.show("t", identity=OWNER)
        assert [entry.standing for entry in entries] == [Standing.WHOLE, Standing.LOST]

    async def test_killed_again_and_again_it_opens_every_time(self, folder: Path, kept: SqliteRecords) -> None:
        """``bench/store_kill.py`` does it a hundred times."""
        for number in range(3):
            process = start(folder, f"t{number}", "hang")
            assert line(process) == "ready\n"
            process.kill()
            process.communicate(timeout=10)
            entries = await kept.history.show(f"t{number}", identity=OWNER)
            assert entries[0].text == "said before"
        assert (await kept.history.check()).problems == ()


async def test_the_index_follows_every_change(folder: Path, kept: SqliteRecords) -> None:
    """SQLite's own comparison of index and text finds no difference after putting, putting again and forgetting."""
    for thread in ("a", "b"):
        record = await kept.open(thread, surface=Surface.CLI)
        for number in range(50):
            record.put(told(str(number % 20), f"word{number} 東京 word", Standing.IN_FLIGHT))
            if number % 7 == 0:
                await record.history()
        await record.aclose()
    await kept.history.forget("a", identity=OWNER)
    connection = sqlite3.connect(folder / "history.db")
    connection.execute("INSERT INTO found (found, rank) VALUES ('integrity-check', 1)")
    connection.close()
