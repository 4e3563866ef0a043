"""A test that fails says how late the machine was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from scripts.machine_stalls import calm_within, summary

ROOT = Path(__file__).parents[2]
PYTEST = [sys.executable, "-m", "pytest", "-p", "scripts.machine_stalls", "-c", os.devnull]
FAILS = """
import time, psutil

def test_late():
    (watcher,) = psutil.Process().children()
    for _ in range(5):  # it may not have begun at first
        time.sleep(0.5)
        watcher.suspend()
        time.sleep(0.3)
        watcher.resume()
    time.sleep(0.3)
    assert 2 * 2 == 5
"""


def test_a_process_that_was_stopped_was_woken_late() -> None:
    """As one on a machine that stands still."""
    command = [sys.executable, "-m", "scripts.machine_stalls", "--watch-for", str(os.getpid())]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as watcher:
        try:
            assert watcher.stdout is not None
            by = 0.0
            deadline = time.monotonic() + 20
            while by < 0.15:  # its start is not to be seen from here
                assert time.monotonic() < deadline
                os.kill(watcher.pid, signal.SIGSTOP)
                time.sleep(0.3)
                os.kill(watcher.pid, signal.SIGCONT)
                time.sleep(0.3)
                os.set_blocking(watcher.stdout.fileno(), False)
                for line in watcher.stdout:
                    by = max(by, float(line.split()[1]))
        finally:
            watcher.kill()


def test_only_what_was_late_since_then_is_told() -> None:
    """With how often, how long together, and the worst."""
    lines = ["10.0 0.50", "20.0 0.03", "21.0 0.04"]
    assert summary(lines, 15.0) == "This machine woke somebody 20 ms late or later 2 times, 0.07 s together, 0.04 s at most."
    assert summary(lines, 30.0) == "This machine woke everybody in time."


def test_what_watches_it_is_told_under_what_failed(tmp_path: Path) -> None:
    """With how late the machine was (the test stops the watcher for a moment); the test fails for its own reason."""
    (tmp_path / "test_late.py").write_text(FAILS)
    run = subprocess.run(
        [*PYTEST, "--rootdir", str(tmp_path), str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert run.returncode == 1
    assert "assert (2 * 2) == 5" in run.stdout
    assert "the machine, in the last minute" in run.stdout
    assert "20 ms late or later" in run.stdout


def test_a_killed_run_leaves_no_watcher(tmp_path: Path) -> None:
    """SIGKILL cannot be caught: it notices that its owner is gone."""
    (tmp_path / "test_long.py").write_text("import time\n\ndef test_long():\n    time.sleep(60)\n")
    with subprocess.Popen([*PYTEST, "--rootdir", str(tmp_path), str(tmp_path)], cwd=ROOT, stdout=subprocess.DEVNULL) as owner:
        deadline = time.monotonic() + 30
        while not (watchers := psutil.Process(owner.pid).children()):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        owner.kill()
    gone, alive = psutil.wait_procs(watchers, timeout=10)
    assert len(gone) == 1
    assert not alive


def test_a_machine_that_has_no_time_to_become_calm_is_not_waited_for() -> None:
    """None, as where there are none of the five seconds that it takes."""
    assert calm_within(0.0) is None
