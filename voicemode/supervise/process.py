"""The backend for machines with neither systemd nor launchd: containers, WSL. A supervising process of ours per service."""

from __future__ import annotations

import contextlib
import difflib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from voicemode.engines.child_env import child_environment
from voicemode.supervise.backend import Life, Report
from voicemode.supervise.errors import NoLoginStartError, NotInstalledError, NotStartedError
from voicemode.supervise.layout import Layout
from voicemode.supervise.logs import follow, tail
from voicemode.supervise.private import make_folder, read_json, write_json
from voicemode.supervise.process_main import LAUNCH, STATE, STOP_GRACE_S
from voicemode.supervise.processes import ProcessId, booted_at, end
from voicemode.supervise.service import Launch, is_secret_name

__all__ = ["ProcessBackend"]

_BEGIN_S = 10.0
"""Seconds an interpreter may take to start on a busy machine; 0.1 is usual."""
_NOTED_S = 2.0
"""Seconds in which a supervisor has noted that its service ended, and why: for a second it waits for the last words."""
_POLL_S = 0.02
_MASK = "********"
_SUPERVISOR_LOG = "supervisor.log"


class ProcessBackend:
    """Implements Backend. One supervisor per service: callers hold the service's lock while they start or stop it."""

    kind = "process"

    def __init__(self, base_dir: Path, environ: Mapping[str, str]) -> None:
        """``environ`` is this process's own; the supervisor sees the allowed part of it."""
        self._base_dir, self._environ = base_dir, environ

    def available(self) -> bool:
        """Everywhere."""
        return True

    def changes(self, launch: Launch) -> str:
        path = self._folder(launch.name) / LAUNCH
        before, after = read_json(path), _launch(launch)
        if before == after:
            return ""
        old, new = (json.dumps(_masked(value), indent=2).splitlines() if value else [] for value in (before, after))
        return "\n".join(difflib.unified_diff(old, new, str(path), str(path), lineterm="")) or f"{path}: a secret changes"

    def install(self, launch: Launch, *, force: bool = False) -> Sequence[Path]:  # noqa: ARG002 - nobody edits this file
        path = self._folder(launch.name) / LAUNCH
        make_folder(path.parent)
        write_json(path, _launch(launch))
        return [path]

    def uninstall(self, name: str) -> Sequence[Path]:
        self.stop(name)
        there = self.files(name)
        for path in there:
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            (self._folder(name) / "logs").rmdir()
        return there

    def files(self, name: str) -> Sequence[Path]:
        folder = self._folder(name)
        own = [folder / LAUNCH, folder / STATE]
        return [path for path in (*own, *sorted((folder / "logs").glob("*.log*"))) if path.exists()]

    def start(self, name: str) -> None:
        folder = self._folder(name)
        if not (folder / LAUNCH).exists():
            raise NotInstalledError(name)
        if self.report(name).life in (Life.RUNNING, Life.RESTARTING) and self._supervisor(name) is not None:
            return
        self.stop(name)  # a service whose supervisor was killed has nobody who would start it again
        (folder / STATE).unlink(missing_ok=True)
        make_folder(folder / "logs")
        self._spawn(folder)
        if not _until(lambda: bool(read_json(folder / STATE)), _BEGIN_S):
            said = " ".join(tail(folder / "logs" / _SUPERVISOR_LOG, 3))
            raise NotStartedError(name, f"its supervisor did not begin within {_BEGIN_S:.0f} s{f': {said}' if said else ''}")

    def stop(self, name: str) -> None:
        supervisor, child = self._supervisor(name), self._child(name)
        gone = end(supervisor, STOP_GRACE_S + 1.0)
        # Read again: it may have started the service anew a moment ago.
        gone = all(end(process, STOP_GRACE_S) for process in (child, self._child(name))) and gone
        if not gone:
            raise NotStartedError(name, "it cannot be stopped: its process does not go away")
        path = self._folder(name) / STATE
        state = read_json(path)
        if state.get("life") in (Life.RUNNING, Life.RESTARTING):
            write_json(path, state | {"life": Life.STOPPED.value, "child": None})

    def restart(self, name: str) -> None:
        self.stop(name)
        self.start(name)

    def enable(self, name: str) -> None:
        raise NoLoginStartError(
            name,
            "this machine has neither systemd for users nor launchd, so nothing starts programs at login",
            f"Add 'voicemode service start {name}' to what this machine runs at its start: a container's entry point, "
            "a crontab's @reboot, or the profile of your shell.",
        )

    def disable(self, name: str) -> None:
        """Nothing to do: it never starts at login."""

    def report(self, name: str) -> Report:
        if not (self._folder(name) / LAUNCH).exists():
            return Report(life=Life.ABSENT)
        state, supervisor, child = self._noted(name)
        restarts, error = _number(state.get("restarts")), str(state.get("last_error", ""))
        if child is not None:
            orphaned = (
                "" if supervisor else "its supervisor is gone, so nobody starts it again if it ends; 'restart' mends that"
            )
            life = Life.RUNNING
            return Report(life=life, pid=child.pid, since=child.began, restarts=restarts, last_error=orphaned or error)
        if supervisor is not None:
            return Report(life=Life.RESTARTING, restarts=restarts, last_error=error)
        match state.get("life"):
            case "failed":
                return Report(life=Life.FAILED, restarts=restarts, last_error=error)
            case "running" | "restarting" if float(state.get("noted_at", 0)) > booted_at():
                return Report(life=Life.FAILED, restarts=restarts, last_error="it and its supervisor were killed")
            case _:
                return Report(life=Life.STOPPED)

    def logs(self, name: str, lines: int) -> list[str]:
        return tail(self._log(name), lines)

    def follow(self, name: str) -> Iterator[str]:
        return follow(self._log(name))

    def _folder(self, name: str) -> Path:
        return Layout(self._base_dir, name).folder

    def _log(self, name: str) -> Path:
        return self._folder(name) / "logs" / f"{name}.log"

    def _noted(self, name: str) -> tuple[Mapping[str, Any], ProcessId | None, ProcessId | None]:
        """What is known of it, who watches it and who it is; where it ended a moment ago, once the end has been noted."""
        deadline = time.monotonic() + _NOTED_S
        while True:
            state = read_json(self._folder(name) / STATE)
            supervisor, child = _living(state.get("supervisor")), _living(state.get("child"))
            ended_unnoted = supervisor is not None and child is None and state.get("life") == Life.RUNNING
            if not ended_unnoted or time.monotonic() > deadline:
                return state, supervisor, child
            time.sleep(_POLL_S)

    def _supervisor(self, name: str) -> ProcessId | None:
        return _living(read_json(self._folder(name) / STATE).get("supervisor"))

    def _child(self, name: str) -> ProcessId | None:
        return _living(read_json(self._folder(name) / STATE).get("child"))

    def _spawn(self, folder: Path) -> None:
        """Start the supervisor; it leaves this process's session, so what is started here ends at once."""
        descriptor = os.open(folder / "logs" / _SUPERVISOR_LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as log:
            started = subprocess.Popen(  # noqa: S603  (this interpreter, our module, our folder)
                # -P: without it "-m" puts the working directory, which may be anyone's project, before the library
                [sys.executable, "-P", "-X", "utf8", "-m", "voicemode.supervise.process_main", str(folder)],
                env=child_environment(self._environ),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if hasattr(os, "fork"):  # elsewhere it stays the same process
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(_BEGIN_S)


def _launch(launch: Launch) -> dict[str, Any]:
    environment = {**launch.environment, **launch.secrets}
    return {"command": list(launch.command), "environment": environment, "log": str(launch.log)}


def _masked(value: Mapping[str, Any]) -> dict[str, Any]:
    environment = value.get("environment")
    if not isinstance(environment, dict):
        return dict(value)
    return {**value, "environment": {key: _MASK if is_secret_name(key) else text for key, text in environment.items()}}


def _living(value: object) -> ProcessId | None:
    process = ProcessId.from_json(value)
    return process if process is not None and process.alive else None


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _until(holds: Callable[[], bool], deadline_s: float) -> bool:
    began = time.monotonic()
    while not holds():
        if time.monotonic() - began > deadline_s:
            return False
        time.sleep(_POLL_S)
    return True
