"""Processes of this machine: which one it is, what it takes, who listens on a port.

A number alone names nobody: it is given to another process later.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

__all__ = ["Holder", "ProcessId", "Usage", "booted_at", "end", "end_group", "listener", "related", "usage"]

_SAME_S = 1.5
"""Between two readings of when a process began: the kernel's clock of its boot is corrected now and then."""
_KILL_S = 2.0
"""Seconds a killed process may take to be gone."""
_POLL_S = 0.01
_CPU_INTERVAL_S = 0.1
"""Over which processor time is looked at: ten ticks of Linux' clock."""


@dataclass(frozen=True, slots=True)
class ProcessId:
    """One process, told from a later one with the same number."""

    pid: int
    began: float
    """Seconds since 1970."""

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """The process that has this number now; None when there is none, or it has ended and waits to be reaped."""
        try:
            process = psutil.Process(pid)
            return None if process.status() == psutil.STATUS_ZOMBIE else cls(pid, process.create_time())
        except (psutil.Error, ValueError, OverflowError):
            return None

    @classmethod
    def from_json(cls, value: object) -> ProcessId | None:
        """What ``as_json`` gave; None for anything else."""
        match value:
            case {"pid": int(pid), "began": int() | float() as began}:
                return cls(pid, float(began))
            case _:
                return None

    def as_json(self) -> Mapping[str, Any]:
        return {"pid": self.pid, "began": self.began}

    @property
    def alive(self) -> bool:
        now = ProcessId.of(self.pid)
        return now is not None and abs(now.began - self.began) < _SAME_S


def end(process: ProcessId | None, grace_s: float) -> bool:
    """Ask it to end, kill it after ``grace_s`` seconds, with its children; whether it is gone. Another one is left alone."""
    if process is None or not process.alive:
        return True
    family = [process]
    with contextlib.suppress(psutil.Error):
        handle = psutil.Process(process.pid)
        children = [ProcessId.of(child.pid) for child in handle.children(recursive=True)]
        family += [child for child in children if child is not None]
        handle.terminate()
    _gone([process], grace_s)
    for left in family:
        if left.alive:
            with contextlib.suppress(psutil.Error):
                psutil.Process(left.pid).kill()
    return _gone(family, _KILL_S)


def _gone(processes: Sequence[ProcessId], limit_s: float) -> bool:
    """Wait until none is left. psutil's own wait takes one for alive that has ended and that nobody reaps, as in containers."""
    until = time.monotonic() + limit_s
    while any(process.alive for process in processes):
        if time.monotonic() > until:
            return False
        time.sleep(_POLL_S)
    return True


def end_group(leader: int) -> None:
    """Kill what is left of the group of a process that has ended."""
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def booted_at() -> float:
    """When this machine was started, in seconds since 1970."""
    return float(psutil.boot_time())


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process and its children take."""

    cpu_percent: float
    """Of one processor, over the last tenth of a second."""
    memory_bytes: int
    """Resident."""
    began: float
    """Seconds since 1970."""


def usage(pid: int) -> Usage | None:
    """What it takes now; None when it is gone or another user's. Takes a tenth of a second."""
    try:
        process = psutil.Process(pid)
        cpu = process.cpu_percent(_CPU_INTERVAL_S)
        family = [process, *process.children(recursive=True)]
        return Usage(cpu, sum(each.memory_info().rss for each in family), process.create_time())
    except psutil.Error:
        return None


def related(pid: int, ancestor: int) -> bool:
    """Whether it is that process, or a descendant of it."""
    if pid == ancestor:
        return True
    try:
        return any(parent.pid == ancestor for parent in psutil.Process(pid).parents())
    except psutil.Error:
        return False


@dataclass(frozen=True, slots=True)
class Holder:
    """Who listens on a port."""

    pid: int | None
    """None when it is another user's, so that the operating system does not tell."""
    program: str

    def __str__(self) -> str:
        return f"{self.program} (pid {self.pid})" if self.pid is not None else self.program


def listener(port: int) -> Holder | None:
    """Who listens on this TCP port of this machine; None when nobody is seen to."""
    for pid in _listening(port):
        if pid is None:
            return Holder(None, "a program of another user")
        with contextlib.suppress(psutil.Error):
            return Holder(pid, psutil.Process(pid).name())
        return Holder(pid, "a program")
    return None


def _listening(port: int) -> list[int | None]:
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:  # macOS shows the connections of one's own processes only, one by one
        return [process.pid for process in psutil.process_iter() if _listens(process, port)]
    return [each.pid for each in connections if each.status == psutil.CONN_LISTEN and each.laddr.port == port]


def _listens(process: Any, port: int) -> bool:
    try:
        connections = process.net_connections(kind="tcp")
    except (psutil.Error, OSError):
        return False
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)
