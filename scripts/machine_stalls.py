"""How late does this machine wake who sleeps? Machines that others use stop for moments, and tear sound or miss deadlines.

As a plugin of pytest (``-p scripts.machine_stalls``) it tells under each test that failed how late the machine was meanwhile.
As a command, ``python -m scripts.machine_stalls --calm-within 300``, it returns once the machine was punctual for five seconds.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator, Sequence

import pytest

__all__ = ["calm_within", "late_wakes", "summary"]

_SLEEP_S = 0.005
_LATE_S = 0.02
"""A virtual sound card is refilled every 10 ms, and bears two that are missed."""
_CALM_S = 5.0
_MEANWHILE_S = 60.0
"""A conversation that several tests look at lasts up to a minute."""

_WATCHER = pytest.StashKey["_Watcher"]()


class _Watcher:
    """A process of its own: a test that computes keeps the threads of this one waiting. It ends with this one."""

    def __init__(self) -> None:
        self._lines = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process that writes to it
        command = [sys.executable, "-m", "scripts.machine_stalls", "--watch-for", str(os.getpid())]
        # Of its own session, so that Ctrl-C is for the tests.
        self._process = subprocess.Popen(command, stdout=self._lines, stderr=subprocess.DEVNULL, start_new_session=True)

    def summary(self, since: float) -> str:
        if self._process.poll() is not None:
            return f"Nobody watched this machine: the watcher ended with {self._process.returncode}."
        file = self._lines.fileno()
        return summary(os.pread(file, os.fstat(file).st_size, 0).decode().splitlines(), since)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._lines.close()


def late_wakes(seconds: float) -> Iterator[tuple[float, float]]:
    """Sleep again and again for so long; where it took 20 ms too long: when (``time.monotonic``), and by how many seconds."""
    now = time.monotonic()
    end = now + seconds
    while now < end:
        before = now
        time.sleep(_SLEEP_S)
        now = time.monotonic()
        if now - before - _SLEEP_S >= _LATE_S:
            yield now, now - before - _SLEEP_S


def calm_within(seconds: float) -> float | None:
    """Wait for five punctual seconds; how long that took, and None where there were none in so many seconds."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        if next(late_wakes(_CALM_S), None) is None:
            return time.monotonic() - began
    return None


def summary(lines: Sequence[str], since: float) -> str:
    """The sentence about a watcher's lines from an instant on."""
    late = [by for at, by in (map(float, line.split()) for line in lines) if at >= since]
    if not late:
        return "This machine woke everybody in time."
    how_much = f"{sum(late):.2f} s together, {max(late):.2f} s at most"
    return f"This machine woke somebody 20 ms late or later {len(late)} times, {how_much}."


def pytest_configure(config: pytest.Config) -> None:
    """Begin to watch."""
    if config.getoption("numprocesses", default=None):  # of pytest-xdist, whose workers have none: they watch
        return
    watcher = config.stash[_WATCHER] = _Watcher()
    config.add_cleanup(watcher.close)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Say it under what failed."""
    report = yield
    if report.failed:
        said = item.config.stash[_WATCHER].summary(time.monotonic() - _MEANWHILE_S)
        report.sections.append(("the machine, in the last minute", said))
    return report


def _watch(owner: int) -> None:
    """Until that parent is gone."""
    while os.getppid() == owner:
        for at, by in late_wakes(1.0):
            print(at, by, flush=True)


def main() -> int:
    """Exit status 0, also where the machine did not become calm: that is told, and no error."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calm-within", type=float, metavar="S", default=300.0, help="at most so long (default 300)")
    parser.add_argument("--watch-for", type=int, metavar="PID", help="print each late wake while this is the parent process")
    arguments = parser.parse_args()
    if arguments.watch_for is not None:
        _watch(arguments.watch_for)
        return 0
    took = calm_within(arguments.calm_within)
    print(f"machine: not calm within {arguments.calm_within:.0f} s" if took is None else f"machine: calm after {took:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
