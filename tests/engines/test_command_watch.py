"""What a command started does not outlive whoever wanted it, however that died."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from voicemode.engines import command_watch

WITHIN_S = 20.0
_PARENT = """
import asyncio, sys
from voicemode.engines.command_process import CommandProcess
async def main():
    family = ["/bin/sh", "-c", "sleep 300 & sleep 300"]
    started = [await CommandProcess.start("x", family, {"PATH": "/usr/bin:/bin"}, stdin=False) for _ in range(3)]
    await started[1].stop(0.0)
    started[2].release()
    print(started[0].pid, started[2].pid, flush=True)
    await asyncio.sleep(300)
asyncio.run(main())
"""


def members(group: int) -> list[psutil.Process]:
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(OSError, psutil.Error):
            if os.getpgid(each.pid) == group and each.status() != psutil.STATUS_ZOMBIE:
                found.append(each)
    return found


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as process:
        try:
            yield process
        finally:
            process.kill()


def test_it_ends_with_all_it_started_when_its_parent_is_killed() -> None:
    """But not what was let go."""
    with subprocess.Popen([sys.executable, "-c", _PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        kept, free = map(int, parent.stdout.readline().split())
        try:
            assert len(members(kept)) >= 2
            parent.kill()
            until(lambda: not members(kept))
        finally:
            parent.kill()
            for group in (kept, free):
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)


@pytest.mark.skipif(sys.platform != "linux", reason="it is found by /proc")
def test_the_watch_is_begun_again_when_it_was_killed(sleeper: subprocess.Popen[bytes]) -> None:
    """And knows what it was told before."""
    watch = command_watch._Watch()
    watch.add(sleeper.pid)
    first = watch._pipe
    assert first is not None
    shells = [each for each in psutil.process_iter(["cmdline"]) if "groups=' '" in " ".join(each.info["cmdline"] or [])]
    for each in shells:
        if Path(f"/proc/{each.pid}/fd/3").readlink() == Path(f"/proc/self/fd/{first}").readlink():
            each.kill()
    until(lambda: not _reads(first))
    watch.add(2**22 + 1)
    watch.remove(2**22 + 1)
    assert watch._pipe is not None
    os.close(watch._pipe)
    sleeper.wait(WITHIN_S)
    assert sleeper.returncode == -signal.SIGKILL


def _reads(pipe: int) -> bool:
    try:
        os.write(pipe, b"\n")
    except BrokenPipeError:
        return False
    return True


def test_what_has_ended_is_not_killed(sleeper: subprocess.Popen[bytes]) -> None:
    """Its number may be somebody else's by then."""
    with subprocess.Popen(["sleep", "300"], start_new_session=True) as other:
        watch = command_watch._Watch()
        watch.add(sleeper.pid)
        watch.add(other.pid)
        watch.remove(sleeper.pid)
        assert watch._pipe is not None
        os.close(watch._pipe)
        assert other.wait(WITHIN_S) == -signal.SIGKILL
        time.sleep(0.1)
        assert sleeper.poll() is None
