"""The last turns on disk."""

from __future__ import annotations

import asyncio
import errno
import os
import stat
import subprocess
import sys
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from tests.sample_turn import SAID, sample_turn
from voicemode.core.timeline import without_words
from voicemode.errors import RequestError, TimelineError
from voicemode.runtime.timelines import KEPT, KeptTurn, Timelines, find_turn, kept_turns, read_turn

ANOTHER_PROCESS = """
import asyncio, sys
from pathlib import Path
from tests.sample_turn import sample_turn
from voicemode.runtime.timelines import Timelines

async def main():
    timelines = Timelines(Path(sys.argv[1]), "another")
    for _ in range(30):
        timelines.keep(sample_turn())
        await timelines.aclose()

asyncio.run(main())
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "base" / "turns"


def keep(timelines: Timelines, times: int = 1) -> None:
    async def one_after_another() -> None:
        for _ in range(times):
            timelines.keep(sample_turn())
            await timelines.aclose()

    asyncio.run(one_after_another())


def test_a_turn_is_kept_without_words_for_its_owner_only(folder: Path) -> None:
    """By default nothing that was said is on disk, and nobody else may look."""
    before = os.umask(0)
    try:
        keep(Timelines(folder, "claude-code (pid 1)"))
    finally:
        os.umask(before)
    (kept,) = kept_turns(folder)
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    assert [stat.S_IMODE(each.stat().st_mode) for each in (folder, folder.parent)] == [0o700, 0o700]
    data = kept.path.read_text()
    assert [word for word in SAID if word in data] == []
    timeline = read_turn(kept)
    assert timeline == replace(without_words(sample_turn()), id=kept.id, began=timeline.began, program="claude-code (pid 1)")
    assert [path.name for path in folder.iterdir()] == [kept.path.name]


def test_a_folder_that_was_open_is_closed(folder: Path) -> None:
    """Whoever made it."""
    folder.mkdir(parents=True)
    folder.chmod(0o755)
    keep(Timelines(folder, "x"))
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_words_are_kept_when_that_was_asked_for(folder: Path) -> None:
    """The setting may change while the program runs; nothing at all is kept when it is off."""
    timelines = Timelines(folder, "x", "off")
    keep(timelines)
    assert not folder.exists()
    timelines.detail = "full"
    keep(timelines)
    assert read_turn(find_turn(folder, "last")).text == "quicksilver marmalade"


def test_the_time_is_when_the_call_came(folder: Path) -> None:
    """Not when the turn ended, and with the zone."""
    now = time.time()
    keep(Timelines(folder, "x"))
    began = datetime.fromisoformat(read_turn(find_turn(folder, "last")).began)
    assert began.tzinfo is not None
    assert now - 6.75 - 0.1 <= began.timestamp() <= time.time() - 6.75 + 0.1


def test_the_last_twenty_are_kept(folder: Path) -> None:
    """Sorted by time; "last" is the newest."""
    timelines = Timelines(folder, "x")
    keep(timelines)
    first = find_turn(folder, "last")
    keep(timelines, KEPT)
    kept = kept_turns(folder)
    assert len(kept) == KEPT
    assert first not in kept
    assert [turn.id for turn in kept] == sorted((turn.id for turn in kept), reverse=True)
    assert find_turn(folder, "last") == kept[0]


def test_a_turn_is_kept_although_the_clock_was_set_back(folder: Path) -> None:
    """Twenty turns of tomorrow are no reason to forget the one that has just been."""
    folder.mkdir(parents=True)
    for number in range(KEPT):
        (folder / f"turn-29990101-000000-000-{number:04d}.json").write_text("{}")
    keep(Timelines(folder, "x"))
    assert len(kept_turns(folder)) == KEPT
    assert read_turn(kept_turns(folder)[-1]).status == "answered"


def test_several_processes_write_at_once(folder: Path) -> None:
    """Each file is whole, and there are never more than twenty for long."""
    command = [sys.executable, "-c", ANOTHER_PROCESS, str(folder)]
    root = Path(__file__).parents[2]
    processes = [subprocess.Popen(command, cwd=root, stderr=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        assert process.communicate(timeout=60)[1] == b""
        assert process.returncode == 0
    kept = kept_turns(folder)
    assert len(kept) == KEPT
    assert {read_turn(turn).status for turn in kept} == {"answered"}
    assert {path.suffix for path in folder.iterdir()} == {".json"}


def test_a_full_disk_costs_the_timeline_and_nothing_else(tmp_path: Path) -> None:
    """Neither ``keep`` nor ``aclose`` raises, and no task is left with an error that nobody saw."""
    in_the_way = tmp_path / "turns"
    in_the_way.write_text("a file where the folder should be")
    keep(Timelines(in_the_way, "x"))
    assert in_the_way.read_text() == "a file where the folder should be"
    keep(Timelines(Path("/dev/full/turns"), "x"))


def test_nothing_half_written_stays(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the disk fails at the last step."""

    def fail(self: Path, target: Path) -> Path:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    keep(Timelines(folder, "x"))
    assert list(folder.iterdir()) == []


def test_keeping_does_not_wait_for_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The loop that moves sound goes on while a slow disk writes."""
    replaced = Path.replace

    def slowly(self: Path, target: Path) -> Path:
        time.sleep(0.3)
        return replaced(self, target)

    monkeypatch.setattr(Path, "replace", slowly)

    async def turns_of_the_loop() -> int:
        timelines = Timelines(folder, "x")
        timelines.keep(sample_turn())
        closing = asyncio.create_task(timelines.aclose())
        count = 0
        while not closing.done():
            await asyncio.sleep(0)
            count += 1
        return count

    assert asyncio.run(turns_of_the_loop()) > 10
    assert len(kept_turns(folder)) == 1


def test_text_that_is_no_text_is_kept(folder: Path) -> None:
    """Half of a surrogate pair is in no encoding; it must not take the turn with it."""
    timelines = Timelines(folder, "x", "full")

    async def run() -> None:
        timelines.keep(replace(sample_turn(), text="a\udc80b"))
        await timelines.aclose()

    asyncio.run(run())
    assert read_turn(find_turn(folder, "last")).text == "a\udc80b"


def test_what_a_dead_process_left_half_written_goes(folder: Path) -> None:
    """After a minute; before, somebody may still be writing it."""
    folder.mkdir(parents=True)
    old, new = folder / "turn-1.part", folder / "turn-2.part"
    for path in (old, new):
        path.write_text("{")
    os.utime(old, (time.time() - 120, time.time() - 120))
    keep(Timelines(folder, "x"))
    assert not old.exists()
    assert new.exists()


def test_a_turn_is_found_by_its_id_or_its_end(folder: Path) -> None:
    """And by nothing else: an id is never a path."""
    folder.mkdir(parents=True)
    for name in ("20261121-041529-123-ab12", "20261121-041530-000-ab12", "20261121-041531-000-cd34"):
        (folder / f"turn-{name}.json").write_text("{}")
    assert find_turn(folder, "20261121-041529-123-ab12").id == "20261121-041529-123-ab12"
    assert find_turn(folder, "cd34").id == "20261121-041531-000-cd34"
    for wrong in ("ab12", "34", "../turns/turn-20261121-041531-000-cd34", "", "20261121"):
        with pytest.raises(RequestError, match="voicemode turn list"):
            find_turn(folder, wrong)


def test_without_any_turn_it_says_how_to_get_one(folder: Path) -> None:
    """Also where the folder was never made."""
    assert kept_turns(folder) == []
    with pytest.raises(RequestError, match="VOICEMODE_TURN_TIMELINES"):
        find_turn(folder, "last")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"{", "damaged"),
        (b'{"version":1,"lasted_s":"long"}', r"damaged \(lasted_s"),
        (b'{"version":2}', "another release of voicemode"),
        (b" " * (1 << 21) + b" ", "too large"),
    ],
)
def test_a_file_that_cannot_be_read_says_why(folder: Path, data: bytes, said: str) -> None:
    """With its id and what to do."""
    folder.mkdir(parents=True)
    path = folder / "turn-1.json"
    path.write_bytes(data)
    with pytest.raises(TimelineError, match=said) as told:
        read_turn(KeptTurn("1", path))
    assert told.value.turn == "1"
    assert told.value.remedy


def test_a_turn_that_went_meanwhile_is_told(folder: Path) -> None:
    """Another process may have pushed it out."""
    with pytest.raises(TimelineError, match="gone"):
        read_turn(KeptTurn("1", folder / "turn-1.json"))
