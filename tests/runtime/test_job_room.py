"""Jobs outlast a call that breaks off: who comes back finds them, and what nobody came back for is put down."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator, Callable

import psutil
import pytest

from voicemode.record import Entry, Role, Standing
from voicemode.runtime.job_room import JobRoom
from voicemode.runtime.jobs import JobOptions
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

WITHIN_S = 20.0
KEY = ("owner", "thread_1")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


Make = Callable[[float], JobRoom]


@pytest.fixture
async def make() -> AsyncIterator[Make]:
    """Rooms whose jobs take as many seconds as their task says; closed afterwards."""
    made: list[JobRoom] = []

    def make(grace_s: float) -> JobRoom:
        script = "import sys, time; time.sleep(float(sys.argv[1])); print('the result')"
        options = JobOptions.of(Settings(job_command=shlex.join([sys.executable, "-c", script, "{text}"])))
        assert options is not None
        made.append(JobRoom(options, os.environ, grace_s=grace_s))
        return made[-1]

    yield make
    for room in made:
        await room.aclose()


class Kept:
    """A record."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.more = asyncio.Event()

    async def keep(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.more.set()

    async def one(self) -> Entry:
        async with asyncio.timeout(WITHIN_S):
            await self.more.wait()
        return self.entries[0]


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.02)


async def test_who_comes_back_is_told(make: Make) -> None:
    """By the call that they have then, and by no other."""
    room, kept = make(0.5), Kept()
    first: list[str] = []
    second: list[str] = []
    hold = room.hold(KEY, first.append, keep=kept.keep)
    await hold.call("start_job", {"task": "1.0"})
    await hold.aclose()
    again = room.hold(KEY, second.append, keep=kept.keep)
    await hold.aclose()
    (job,) = json.loads(await again.call("job_status", {}))["jobs"]
    assert job["status"] == "running"
    await until(lambda: second)
    assert "the result" in second[0]
    assert first == []
    assert kept.entries == []


async def test_another_conversation_does_not_see_them(make: Make) -> None:
    """Nor is it told."""
    room = make(60.0)
    words: list[str] = []
    hold = room.hold(KEY, lambda _: None, keep=Kept().keep)
    other = room.hold(("somebody", "thread_1"), words.append)
    await hold.call("start_job", {"task": "0"})
    await until(lambda: not hold._jobs.running)
    assert json.loads(await other.call("job_status", {})) == {"jobs": []}
    assert words == []


async def test_what_is_done_while_nobody_is_there_is_put_down(make: Make) -> None:
    """As what came of a tool, so that the next call begins with it."""
    room, kept = make(60.0), Kept()
    words: list[str] = []
    hold = room.hold(KEY, words.append, keep=kept.keep)
    await hold.call("start_job", {"task": "0.3"})
    await hold.aclose()
    entry = await kept.one()
    assert (entry.role, entry.standing, entry.tool) == (Role.TOOL, Standing.WHOLE, "start_job")
    assert entry.text.endswith("the result")
    assert words == []


async def test_who_cannot_be_told_does_not_keep_others_from_being_told(make: Make) -> None:
    """Somebody who only asks: the call is told; and where there is none, it is put down."""
    room, kept = make(60.0), Kept()
    words: list[str] = []
    call = room.hold(KEY, words.append, keep=kept.keep)
    asks = room.hold(KEY, None, keep=kept.keep)
    await asks.call("start_job", {"task": "0"})
    await until(lambda: words)
    await call.aclose()
    await call.aclose()
    await asks.call("start_job", {"task": "0"})
    await kept.one()
    assert len(words) == 1


async def test_what_is_done_can_be_asked_about_until_nobody_came_back_in_time(make: Make) -> None:
    """Also when no call was there as it ended."""
    room, kept = make(0.6), Kept()
    asks = room.hold(KEY, None, keep=kept.keep)
    await asks.call("start_job", {"task": "0"})
    await kept.one()
    await asks.aclose()
    again = room.hold(KEY, None, keep=kept.keep)
    (job,) = json.loads(await again.call("job_status", {}))["jobs"]
    assert (job["status"], job["output"]) == ("done", "the result")
    await again.aclose()
    await until(lambda: not room._tables)


async def test_after_the_grace_they_are_cancelled_and_that_is_put_down(make: Make) -> None:
    """No process is left."""
    before = set(psutil.Process().children())
    room, kept = make(0.3), Kept()
    hold = room.hold(KEY, lambda _: None, keep=kept.keep)
    await hold.call("start_job", {"task": "600"})
    await hold.aclose()
    entry = await kept.one()
    assert entry.standing is Standing.FAILED
    assert "nobody came back within 0.3 s" in entry.text
    await until(lambda: not _left(before))


@pytest.mark.parametrize("grace_s", [0.0, 60.0])
async def test_without_grace_or_record_they_end_with_the_call(make: Make, grace_s: float) -> None:
    """Nobody would ever know what came of them."""
    before = set(psutil.Process().children())
    room = make(grace_s)
    hold = room.hold(KEY, lambda _: None, keep=None if grace_s else Kept().keep)
    await hold.call("start_job", {"task": "600"})
    await hold.aclose()
    assert not _left(before)


async def test_the_end_of_the_process_ends_all_jobs(make: Make) -> None:
    """Held or not; and who was told that they began finds out."""
    before = set(psutil.Process().children())
    room, kept = make(60.0), Kept()
    for key in (KEY, ("owner", "thread_2")):
        hold = room.hold(key, lambda _: None, keep=kept.keep)
        await hold.call("start_job", {"task": "600"})
    await hold.aclose()
    await room.aclose()
    await room.aclose()
    assert not _left(before)
    assert [(each.standing, each.text) for each in kept.entries] == [
        (Standing.FAILED, "Job 1 was cancelled: the server ended."),
    ] * 2


def _left(before: set[psutil.Process]) -> set[psutil.Process]:
    return {each for each in psutil.Process().children() if each.status() != psutil.STATUS_ZOMBIE} - before
