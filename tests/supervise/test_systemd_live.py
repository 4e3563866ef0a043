"""The units and a real systemd of a user: what is installed runs, comes back when it is killed, and leaves nothing."""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.supervise import user_systemd
from voicemode.supervise.backend import Life
from voicemode.supervise.service import Launch
from voicemode.supervise.systemd import SystemdBackend

REASON = user_systemd.available()
pytestmark = pytest.mark.skipif(REASON is not None, reason=REASON or "")

NASTY = "$(touch x) `touch x` %h %n \"'\\ ; $HOME ${HOME} $$\n\tümläut"
TELL = """
import json, os, pathlib, sys, time
facts = {"argv": sys.argv[2:], "A": os.environ["A"], "token": os.environ.get("VOICEMODE_WHISPER_TOKEN"), "cwd": os.getcwd()}
facts["umask"] = os.umask(0o077)
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
facts |= {name: status[name] for name in ("NoNewPrivs", "Seccomp")}
path = pathlib.Path(sys.argv[1])
path.with_suffix(".new").write_text(json.dumps(facts))
path.with_suffix(".new").rename(path)
time.sleep(600)
"""
PYTHON = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable


@pytest.fixture
def home() -> Iterator[Path]:
    """Short, and where every user may go: pytest's own folders are for one user only."""
    with tempfile.TemporaryDirectory(prefix="vm ") as name:
        yield Path(name)


def until(holds: Callable[[], bool], within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def test_a_service_lives_under_systemd_as_the_issue_wants_it(home: Path) -> None:
    """Installed, started with values unchanged, back within five seconds of kill -9, stopped, and gone without a file."""
    base = home / "base"
    folder = base / "services" / "whisper"
    folder.mkdir(parents=True)
    told = folder / "told.json"
    launch = Launch(
        name="whisper",
        title="A stand-in for Whisper",
        command=(PYTHON, "-c", TELL, str(told), NASTY),
        environment={"A": NASTY},
        folder=folder,
        models=base / "models",
        memory_max_bytes=500_000_000,
    )
    with user_systemd.running(home) as (environment, systemctl):
        backend = SystemdBackend(environment, home=home, base_dir=base, uid=user_systemd.UID, run=systemctl)
        assert backend.available(), backend.why_not
        assert backend.report("whisper").life is Life.ABSENT
        before = {path for path in home.rglob("*") if path.is_file()}

        _install(backend, replace(launch, secrets={"VOICEMODE_WHISPER_TOKEN": NASTY}), home)
        assert backend.report("whisper").life is Life.STOPPED
        backend.start("whisper")
        assert until(told.exists, 10.0), backend.report("whisper")
        facts = json.loads(told.read_text())
        held = {"NoNewPrivs": "1", "Seccomp": "2"}
        assert facts == {"argv": [NASTY], "A": NASTY, "token": NASTY, "cwd": str(folder), "umask": 0o077, **held}

        first = backend.report("whisper")
        assert first.life is Life.RUNNING
        assert first.pid is not None
        assert first.since is not None
        assert abs(first.since - time.time()) < 60
        os.kill(first.pid, signal.SIGKILL)
        assert until(lambda: backend.report("whisper").pid not in (None, first.pid), 5.0)
        assert backend.report("whisper").restarts == 1

        backend.enable("whisper")
        assert backend.report("whisper").enabled
        assert len(backend.files("whisper")) == 3
        backend.stop("whisper")
        assert backend.report("whisper").life is Life.STOPPED
        told.unlink()

        backend.uninstall("whisper")
        assert backend.report("whisper").life is Life.ABSENT
        assert {path for path in home.rglob("*") if path.is_file()} - before == set()


def _install(backend: SystemdBackend, launch: Launch, home: Path) -> None:
    backend.install(launch)
    for path in (home, *home.rglob("*")):
        if "run" not in path.relative_to(home).parts:
            os.chown(path, user_systemd.UID, user_systemd.UID)


def test_a_wrong_setting_is_not_tried_again(home: Path) -> None:
    """Services end with status 2 then; systemd says so and leaves it."""
    folder = home / "base/services/whisper"
    folder.mkdir(parents=True)
    launch = Launch(
        name="whisper",
        title="A stand-in",
        command=(PYTHON, "-c", "raise SystemExit(2)"),
        environment={},
        folder=folder,
        models=folder,
    )
    with user_systemd.running(home) as (environment, systemctl):
        backend = SystemdBackend(environment, home=home, base_dir=home / "base", uid=user_systemd.UID, run=systemctl)
        _install(backend, launch, home)
        backend.start("whisper")
        assert until(lambda: backend.report("whisper").life is Life.FAILED, 10.0)
        report = backend.report("whisper")
        assert (report.restarts, report.last_error) == (0, "it ended with status 2")
        backend.uninstall("whisper")
