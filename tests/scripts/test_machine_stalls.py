"""A test that fails says how late the machine was."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from scripts.machine_stalls import told

ROOT = Path(__file__).parents[2]
FAILS = "import time\n\ndef test_late():\n    time.sleep(0.2)\n    assert 2 * 2 == 5\n"


def test_a_process_that_was_stopped_was_woken_late() -> None:
    """As one on a machine that stands still."""
    command = [sys.executable, "-m", "scripts.machine_stalls", "--watch"]
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
    assert told(lines, 15.0) == "This machine woke somebody 20 ms late or later 2 times, 0.07 s together, 0.04 s at most."
    assert told(lines, 30.0) == "This machine woke everybody in time."


def test_it_stands_under_what_failed(tmp_path: Path) -> None:
    """And the test still fails, for its own reason."""
    (tmp_path / "test_late.py").write_text(FAILS)
    command = [sys.executable, "-m", "pytest", "-p", "scripts.machine_stalls", "--rootdir", str(tmp_path), "-c", os.devnull]
    run = subprocess.run([*command, str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "assert (2 * 2) == 5" in run.stdout
    assert "the machine, in the last minute" in run.stdout
    assert "This machine woke" in run.stdout
