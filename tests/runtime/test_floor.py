"""The floor: one speaker at a time, across processes, whatever becomes of the holder."""

from __future__ import annotations

import asyncio
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from voicemode.errors import FloorTakenError
from voicemode.runtime.floor import Floor

HOLDER = """
import asyncio, sys
from pathlib import Path
from voicemode.runtime.floor import Floor

async def main():
    async with Floor(Path(sys.argv[1]), "the other agent", 0).hold():
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


def start_holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the floor until it is killed."""
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def end(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


async def hold_once(floor: Floor) -> bool:
    async with floor.hold():
        return True


def test_a_floor_that_is_free_is_held(tmp_path: Path) -> None:
    """Nothing stands in the way of the first speaker."""
    assert asyncio.run(hold_once(Floor(tmp_path, "me", 0)))


def test_the_floor_can_be_held_again_and_again(tmp_path: Path) -> None:
    """Giving it back leaves nothing behind that keeps the next one out."""

    async def thrice() -> list[bool]:
        floor = Floor(tmp_path, "me", 0)
        return [await hold_once(floor) for _ in range(3)]

    assert asyncio.run(thrice()) == [True, True, True]


def test_another_process_is_kept_out_and_told_who_speaks(tmp_path: Path) -> None:
    """Two agents never talk over one another."""
    process = start_holder(tmp_path)
    try:
        with pytest.raises(FloorTakenError, match="the other agent") as raised:
            asyncio.run(hold_once(Floor(tmp_path, "me", 0)))
        assert raised.value.code == "floor_taken"
    finally:
        end(process)


def test_a_killed_holder_frees_the_floor(tmp_path: Path) -> None:
    """There is no stale lock."""
    end(start_holder(tmp_path))
    assert asyncio.run(hold_once(Floor(tmp_path, "me", 0)))


def test_two_conversations_of_one_process_exclude_each_other(tmp_path: Path) -> None:
    """A client may call twice at once; the second waits, and gets its turn."""

    async def two() -> list[str]:
        order: list[str] = []
        floor = Floor(tmp_path, "me", 5)
        first_holds = asyncio.Event()

        async def first() -> None:
            async with floor.hold():
                first_holds.set()
                await asyncio.sleep(0.2)
                order.append("first")

        async def second() -> None:
            await first_holds.wait()
            async with floor.hold(lambda holder: order.append(f"waits for {holder.split(' since')[0]}")):
                order.append("second")

        await asyncio.gather(first(), second())
        return order

    assert asyncio.run(two()) == ["waits for me", "first", "second"]


def test_a_cancelled_holder_frees_the_floor(tmp_path: Path) -> None:
    """Esc in one window lets the other one speak."""

    async def scenario() -> bool:
        floor = Floor(tmp_path, "me", 0)

        async def hold_long() -> None:
            async with floor.hold():
                await asyncio.sleep(60)

        task = asyncio.create_task(hold_long())
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return await hold_once(floor)

    assert asyncio.run(scenario())


def test_the_note_is_for_this_user_only(tmp_path: Path) -> None:
    """Who talks is nobody else's business."""

    async def mode() -> int:
        async with Floor(tmp_path, "me", 0).hold():
            return stat.S_IMODE((tmp_path / "floor.json").stat().st_mode)

    assert asyncio.run(mode()) == 0o600
