"""What a process tells the others about the endpoints: whole files, of living processes, without secrets."""

from __future__ import annotations

import asyncio
import json
import os
import stat
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.runtime.another_process import another_process
from voicemode.core.breaker import Failure
from voicemode.providers.http import HttpPool
from voicemode.providers.registry import Builtin, Registry
from voicemode.runtime import snapshots as module
from voicemode.runtime.endpoint_report import EndpointReport, report
from voicemode.runtime.snapshots import Snapshot, Snapshots, read_snapshots
from voicemode.settings import Settings

AN_ENDPOINT = EndpointReport(task="tts", name="http://127.0.0.1:7001/v1", origin="named", requests=3, voices=("nova",))
OWN = f"endpoints-{os.getpid()}.json"


async def until(true: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.005)


def during(folder: Path, look: Callable[[], Awaitable[Any]], *endpoints: EndpointReport) -> Any:
    """What ``look`` finds while the file of this process exists."""

    async def run() -> Any:
        own = Snapshots(folder, "me", lambda: endpoints)
        own.settled()
        await until((folder / OWN).exists)
        try:
            return await look()
        finally:
            await own.aclose()

    return asyncio.run(run())


def test_what_was_written_is_what_is_read(tmp_path: Path) -> None:
    """With the process it is of."""

    async def look() -> list[Snapshot]:
        return read_snapshots(tmp_path)

    (read,) = during(tmp_path, look, AN_ENDPOINT)
    assert (read.pid, read.program, read.endpoints) == (os.getpid(), "me", (AN_ENDPOINT,))


def test_only_its_owner_may_read_it(tmp_path: Path) -> None:
    """0600 in 0700."""

    async def look() -> tuple[int, int]:
        return (tmp_path / "run" / OWN).stat().st_mode, (tmp_path / "run").stat().st_mode

    file, folder = during(tmp_path / "run", look, AN_ENDPOINT)
    assert (stat.S_IMODE(file), stat.S_IMODE(folder)) == (0o600, 0o700)


def test_nothing_is_left_at_the_end(tmp_path: Path) -> None:
    """Neither the file nor its lock."""

    async def look() -> None:
        return None

    during(tmp_path, look, AN_ENDPOINT)
    assert list(tmp_path.iterdir()) == []


def test_a_process_without_requests_writes_nothing(tmp_path: Path) -> None:
    """Looking changes nothing."""
    folder = tmp_path / "run"

    async def run() -> None:
        await Snapshots(folder, "me", list).aclose()

    asyncio.run(run())
    assert not folder.exists()


def test_many_requests_are_few_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once for the first; the rest wait for their time and share a file with the newest state."""
    monkeypatch.setattr(module, "EVERY_S", 0.2)
    settled: list[int] = []
    taken: list[int] = []

    def take() -> list[EndpointReport]:
        taken.append(len(settled))
        return []

    async def run() -> None:
        own = Snapshots(tmp_path, "me", take)
        for number in range(100):
            settled.append(number)
            own.settled()
            await asyncio.sleep(0)
        await until(lambda: taken[-1:] == [100])
        await own.aclose()

    asyncio.run(run())
    assert taken[-1] == 100
    assert len(taken) < 20


def test_a_second_file_waits_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """People look once a second; a disk should not be written for each sentence."""
    monkeypatch.setattr(module, "EVERY_S", 3600.0)
    taken: list[EndpointReport] = []

    def take() -> list[EndpointReport]:
        taken.append(AN_ENDPOINT)
        return []

    async def run() -> None:
        own = Snapshots(tmp_path, "me", take)
        own.settled()
        await until((tmp_path / OWN).exists)
        for _ in range(50):
            own.settled()
            await asyncio.sleep(0.001)
        await own.aclose()

    asyncio.run(run())
    assert len(taken) == 1


def test_a_settled_request_of_a_shelf_is_what_writes(tmp_path: Path) -> None:
    """Any end of a request is one, and what is written is how things stand after it."""
    settings = Settings.model_validate({"tts_base_urls": AN_ENDPOINT.name, "builtin": False})

    async def run() -> list[Snapshot]:
        registry = Registry(settings, HttpPool(settings), Builtin())
        own = Snapshots(tmp_path, "me", lambda: report(registry))
        registry.tts.on_settled = own.settled
        health = registry.tts[AN_ENDPOINT.name].health
        now = registry.tts.clock()
        health.failed(health.begin(now), now, Failure.BROKEN, "It broke.")
        await until((tmp_path / OWN).exists)
        found = read_snapshots(tmp_path)
        await own.aclose()
        return found

    ((told,),) = [snapshot.endpoints for snapshot in asyncio.run(run())]
    assert (told.state, told.last_error, told.success_rate) == ("open", "It broke.", 0.0)


def test_time_that_passed_since_is_counted(tmp_path: Path) -> None:
    """A file of a minute ago says when an endpoint is tried again from now."""
    broken = EndpointReport(
        task="tts", name="x", origin="named", state="open", retry_in_s=90.0, last_error="Broke.", last_error_age_s=5.0
    )

    async def look() -> list[Snapshot]:
        written = json.loads((tmp_path / OWN).read_text())
        written["written_at"] -= 60
        (tmp_path / OWN).write_text(json.dumps(written))
        return read_snapshots(tmp_path)

    (read,) = during(tmp_path, look, broken)
    assert read.age_s == pytest.approx(60, abs=5)
    assert read.endpoints[0].retry_in_s == pytest.approx(30, abs=5)
    assert read.endpoints[0].last_error_age_s == pytest.approx(65, abs=5)


def test_the_file_of_a_killed_process_is_dropped_and_removed(tmp_path: Path) -> None:
    """While it lives it is read."""
    with another_process(tmp_path) as process:
        assert [snapshot.pid for snapshot in read_snapshots(tmp_path)] == [process.pid]
        process.kill()
        process.wait()
        assert read_snapshots(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["", "not json", "[]", "{}", '{"program": "x", "written_at": 0, "endpoints": [{"task": "tts"}]}', '{"endpoints": 1']
)
def test_a_file_that_is_none_of_ours_is_left_out(tmp_path: Path, text: str) -> None:
    """Another version may have written it, or a disk that was full."""

    async def look() -> list[Snapshot]:
        (tmp_path / OWN).write_text(text)
        return read_snapshots(tmp_path)

    assert during(tmp_path, look, AN_ENDPOINT) == []


def test_a_folder_that_cannot_be_written_costs_nothing(tmp_path: Path) -> None:
    """Figures are a nicety; the conversation goes on."""
    (tmp_path / "run").write_text("a file where the folder should be")

    async def run() -> None:
        own = Snapshots(tmp_path / "run", "me", list)
        own.settled()
        await asyncio.sleep(0.05)
        await own.aclose()

    asyncio.run(run())
    assert (tmp_path / "run").is_file()
