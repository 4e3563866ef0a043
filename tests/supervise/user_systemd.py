"""A real systemd of a user, where none was booted: in a mount namespace and a cgroup of its own, for as long as a test lasts.

It refuses to run where the machine was not booted with systemd, which it tells from a folder in /run; so it gets another /run.
Needs root, for that and to be another user.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.supervise.unit_syntax import MANAGER
from voicemode.supervise.command import Done, runner

__all__ = ["UID", "available", "running"]

UID = 65534
_GROUPS = (Path("/sys/fs/cgroup/unified"), Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup"))
_BEGIN = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/systemd/system
for group in "$@"; do
    [ "$group" = -- ] && break
    echo $$ >"$group/cgroup.procs"
done
while [ "$1" != -- ]; do shift; done
shift
exec "$@"
"""
_BEGIN_S = 15.0


def available() -> str | None:
    """Why it cannot be had here; None when it can."""
    if MANAGER is None:
        return "systemd is not installed"
    if os.geteuid() != 0:
        return "only root can start the systemd of another user"
    if any(shutil.which(tool) is None for tool in ("unshare", "nsenter", "setpriv")):
        return "util-linux is not installed"
    if not _roots():
        return "there is no cgroup that can be written"
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False).returncode != 0:
        return "no mount namespace can be made"
    return None


@contextlib.contextmanager
def running(home: Path) -> Iterator[tuple[Mapping[str, str], Systemctl]]:
    """The environment of the user, and what runs a program as that user. ``home`` becomes theirs."""
    assert MANAGER is not None
    home.chmod(0o755)
    runtime = home / "run"
    runtime.mkdir(mode=0o700)
    for path in (home, *home.rglob("*")):
        os.chown(path, UID, UID)
    groups = [root / f"voicemode-test-{os.getpid()}" for root in _roots()]
    environment = {"HOME": str(home), "XDG_RUNTIME_DIR": str(runtime), "PATH": "/usr/bin:/bin"}
    manager = None
    try:
        for group in groups:
            group.mkdir()
            for path in (group, *group.iterdir()):
                os.chown(path, UID, UID)
        command = [*_as_user(), MANAGER, "--user", "--log-target=console", "--log-level=warning"]
        manager = subprocess.Popen(
            ["unshare", "--mount", "sh", "-c", _BEGIN, "sh", *map(str, groups), "--", *command],
            env=environment,
            stdin=subprocess.DEVNULL,
        )
        systemctl = Systemctl(manager.pid, environment)
        deadline = time.monotonic() + _BEGIN_S
        while not systemctl(["systemctl", "--user", "is-system-running"], 2.0).out.startswith(("running", "degraded")):
            assert manager.poll() is None, "systemd ended"
            assert time.monotonic() < deadline, "systemd does not answer"
            time.sleep(0.05)
        yield environment, systemctl
    finally:
        if manager is not None:
            manager.terminate()
            manager.wait(10.0)
        for group in groups:
            _remove(group)


class Systemctl:
    """Runs programs as the user, where their systemd is."""

    def __init__(self, manager: int, environment: Mapping[str, str]) -> None:
        self._prefix = ["nsenter", f"--target={manager}", "--mount", "--", *_as_user()]
        self._run = runner(environment)

    def __call__(self, argv: Sequence[str], timeout_s: float) -> Done:
        """As a Run."""
        return self._run([*self._prefix, *argv], timeout_s)


def _as_user() -> list[str]:
    return ["setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups", "--"]


def _roots() -> list[Path]:
    """One per hierarchy that systemd uses: the unified one, and beside an older one its own."""
    found = [root for root in _GROUPS[:2] if (root / "cgroup.procs").exists()]
    found = found or [root for root in _GROUPS[2:] if (root / "cgroup.procs").exists()]
    return found if all(os.access(root, os.W_OK) for root in found) else []


def _remove(group: Path) -> None:
    deadline = time.monotonic() + 5.0
    for folder in sorted((path for path in group.rglob("*") if path.is_dir()), reverse=True):
        with contextlib.suppress(OSError):
            folder.rmdir()
    while group.exists() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            group.rmdir()
        time.sleep(0.02)
