"""Full disks, locks, damage, newer versions: a clear error, and the conversation goes on."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.store.entries import said, texts
from tests.store.test_sqlite import start
from voicemode.record import OWNER, RecordError, Surface
from voicemode.store.errors import BusyStoreError, DamagedStoreError, FullDiskError, NewerStoreError, TracesError
from voicemode.store.schema import VERSION
from voicemode.store.sqlite import SqliteRecords
from voicemode.store.steady import SteadyRecords

pytestmark = pytest.mark.anyio


async def filled(folder: Path, turns: int = 300) -> None:
    """A thread "t" of many turns, with nothing open any more."""
    records = SqliteRecords(folder)
    record = await records.open("t", surface=Surface.CLI)
    for number in range(turns):
        record.put(said(str(number), f"turn {number} {'word ' * 20}"))
    await record.aclose()
    await records.aclose()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that happens in another thread."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_a_full_disk_is_told_and_nothing_is_lost_when_there_is_room_again(folder: Path) -> None:
    """A process that may not write files beyond a size; its conversation is all there, before and after."""
    process = start(folder, "t", "fill", 200_000)
    out, _ = process.communicate(timeout=60)
    full, seen, end = out.splitlines()
    assert "history.db cannot be written" in full
    assert "Make room" in full
    assert seen == "seen 201 still talking"
    assert end == "end ''"
    records = SqliteRecords(folder)
    assert len(await records.history.show("t", identity=OWNER)) == 202
    await records.aclose()


class TestLocked:
    """Another process holds the write lock."""

    async def test_a_conversation_goes_on_and_is_written_afterwards(self, folder: Path) -> None:
        """Putting does not wait, reading finds everything, and the reason is told."""
        records = SqliteRecords(folder, busy_s=0.1)
        record = await records.open("t", surface=Surface.CLI)
        record.put(said("1", "before"))
        assert texts(await record.history()) == ["before"]
        other = sqlite3.connect(folder / "history.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        record.put(said("2", "meanwhile"))
        await until(lambda: bool(record.problem))
        assert "was not free for 0.1 s" in record.problem
        assert texts(await record.history()) == ["before", "meanwhile"]
        record.put(said("2", "meanwhile, put again"))
        other.execute("ROLLBACK")
        other.close()
        record.put(said("3", "after"))
        await until(lambda: not record.problem)
        assert texts(await records.history.show("t", identity=OWNER)) == ["before", "meanwhile, put again", "after"]
        await records.aclose()

    async def test_whoever_has_to_wait_is_told_in_time(self, folder: Path) -> None:
        """Opening, ending and forgetting fail with the reason."""
        await filled(folder, 1)
        records = SqliteRecords(folder, busy_s=0.1)
        other = sqlite3.connect(folder / "history.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        for asked in (
            records.open("t", surface=Surface.CLI),
            records.history.end("t", identity=OWNER),
            records.history.forget("t", identity=OWNER),
        ):
            with pytest.raises(BusyStoreError):
                await asked
        assert len(await records.history.show("t", identity=OWNER)) == 1
        other.close()
        await records.aclose()

    async def test_traces_that_a_reader_keeps_are_told(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """It is forgotten; the log cannot be emptied while another process reads an older state. A check does it later."""
        monkeypatch.setattr("voicemode.store.sweep._WIPE_S", 0.2)
        await filled(folder, 3)
        records = SqliteRecords(folder, busy_s=0.1)
        record = await records.open("t", surface=Surface.CLI)
        record.put(said("x", "pomegranate"))
        await record.aclose()
        other = sqlite3.connect(folder / "history.db", isolation_level=None)
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM entries").fetchone()
        with pytest.raises(TracesError):
            await records.history.forget("t", identity=OWNER)
        assert await records.history.threads(identity=OWNER) == ()
        other.close()
        assert (await records.history.check()).problems == ()
        assert b"pomegranate" not in b"".join(path.read_bytes() for path in folder.glob("history.db*"))
        await records.aclose()


class TestDamaged:
    """The file is not what SQLite wrote."""

    @pytest.mark.parametrize("damage", ["no database", "cut off", "header"])
    async def test_it_is_set_aside_and_the_conversation_is_kept_in_a_new_one(self, folder: Path, damage: str) -> None:
        """Never deleted; and told."""
        await filled(folder)
        path = folder / "history.db"
        whole = path.read_bytes()
        damaged = {
            "no database": b"something else " * 1000,
            "cut off": whole[: len(whole) // 2 + 7],
            "header": b"\0" * 200 + whole[200:],
        }
        path.write_bytes(damaged[damage])
        records = SqliteRecords(folder)
        record = await records.open("t", surface=Surface.CLI)
        for number in range(50):
            record.put(said(f"new {number}", "still here"))
            await asyncio.sleep(0)
        await record.aclose()
        assert "still here" in texts(await records.history.show("t", identity=OWNER))
        health = await records.history.check()
        assert health.problems == ()
        (aside,) = health.set_aside
        assert aside.read_bytes()[200:5000] == damaged[damage][200:5000]
        assert str(aside) in record.problem
        await records.aclose()

    async def test_damage_that_only_reading_finds_is_mended_too(self, folder: Path) -> None:
        """The reader is told, and the next time there is a new one."""
        await filled(folder, 2000)
        path = folder / "history.db"
        data = bytearray(path.read_bytes())
        for at in range(4096 * 20, len(data), 4096):
            data[at : at + 64] = b"\xff" * 64
        path.write_bytes(data)
        records = SqliteRecords(folder)
        with pytest.raises(DamagedStoreError) as caught:
            await records.history.show("t", identity=OWNER)
        assert "history check" in str(caught.value)
        await until(lambda: bool(records.problem))
        record = await records.open("t", surface=Surface.CLI)
        record.put(said("1", "on we go"))
        assert texts(await record.history()) == ["on we go"]
        await records.aclose()

    async def test_a_check_tells_and_changes_nothing(self, folder: Path) -> None:
        """It is the person who decides."""
        folder.mkdir(parents=True)
        (folder / "history.db").write_bytes(b"garbage" * 1000)
        records = SqliteRecords(folder)
        health = await records.history.check()
        assert "is damaged" in health.problems[0]
        assert health.set_aside == ()
        assert (folder / "history.db").read_bytes() == b"garbage" * 1000
        await records.aclose()

    async def test_an_index_that_does_not_fit_is_made_anew(self, folder: Path) -> None:
        """The texts are whole, so nothing is set aside."""
        await filled(folder, 50)
        with sqlite3.connect(folder / "history.db") as connection:
            connection.execute("UPDATE found_data SET block = x'00ff00ff' WHERE id > 10")
        connection.close()
        records = SqliteRecords(folder)
        record = await records.open("t", surface=Surface.CLI)
        await records.history.forget("t", identity=OWNER)
        record.put(said("new", "zephyr"))
        assert len(await records.history.search("zephyr", identity=OWNER)) == 1
        health = await records.history.check()
        assert (health.problems, health.set_aside) == ((), ())
        await records.aclose()


class TestNewer:
    """A newer voicemode was here."""

    async def test_it_is_refused_and_not_touched(self, folder: Path) -> None:
        """To write into it would break it."""
        await filled(folder, 3)
        connection = sqlite3.connect(folder / "history.db")
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.commit()
        connection.close()
        before = (folder / "history.db").read_bytes()
        records = SqliteRecords(folder)
        with pytest.raises(NewerStoreError) as caught:
            await records.open("t", surface=Surface.CLI)
        assert f"version {VERSION + 1}" in str(caught.value)
        with pytest.raises(NewerStoreError):
            await records.history.threads(identity=OWNER)
        assert "version" in (await records.history.check()).problems[0]
        await records.aclose()
        assert (folder / "history.db").read_bytes() == before

    async def test_the_conversation_goes_on_in_memory(self, folder: Path) -> None:
        """Not kept, and it says why."""
        folder.mkdir(parents=True)
        connection = sqlite3.connect(folder / "history.db")
        connection.execute(f"PRAGMA user_version = {VERSION + 1}")
        connection.close()
        records = SteadyRecords(SqliteRecords(folder))
        record = await records.open("t", surface=Surface.CLI)
        record.put(said("1", "hello"))
        assert texts(await record.history()) == ["hello"]
        assert not record.kept
        assert "version" in record.problem
        await record.aclose()
        await records.aclose()


async def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Something else has its name."""
    (tmp_path / "base").write_text("a file")
    records = SqliteRecords(tmp_path / "base" / "history")
    with pytest.raises(FullDiskError):
        await records.open("t", surface=Surface.CLI)
    await records.aclose()


async def test_after_the_end_nothing_hangs(folder: Path) -> None:
    """Whoever still puts something down is told."""
    records = SqliteRecords(folder)
    record = await records.open("t", surface=Surface.CLI)
    await records.aclose()
    await records.aclose()
    record.put(said("1", "late"))
    assert record.problem
    await record.aclose()
    with pytest.raises(RecordError):
        await records.open("t", surface=Surface.CLI)
