"""What keeps a service running: systemd, launchd, or, where neither is, a process of our own. Same verbs, same answers.

Everything blocks, with a deadline of its own; whoever has an event loop calls it in a thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from voicemode.supervise.service import Launch

__all__ = ["Backend", "Life", "Report"]


class Life(StrEnum):
    """What the one who keeps it running says; whether it works is asked of the service itself."""

    ABSENT = "absent"
    """It was never told about the service."""
    STOPPED = "stopped"
    RUNNING = "running"
    """There is a process."""
    RESTARTING = "restarting"
    """It ended by itself, and is started again after a pause."""
    FAILED = "failed"
    """It ended by itself, and is not started again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How a service is, as far as its backend knows."""

    life: Life
    pid: int | None = None
    """Of the service itself; None while there is no process."""
    since: float | None = None
    """When that process began, in seconds since 1970; None when that is not known."""
    restarts: int = 0
    """How often it has ended by itself since it was started."""
    last_error: str = ""
    """Why it ended the last time, with its last words, or what is odd about it now; empty when all is well."""
    enabled: bool | None = None
    """Whether it starts at login; None where that cannot be had."""


class Backend(Protocol):
    """One way to keep services running. ``name`` arguments are names of services.

    Raises ServiceError and its children (voicemode.supervise.errors), never OSError or CalledProcessError.
    """

    @property
    def kind(self) -> str:
        """Either "systemd", "launchd" or "process"; it is noted at install, and finds the same backend again."""
        ...

    def available(self) -> bool:
        """Whether it works here and now: its programs, its bus. Asked once per command, within 2 s."""
        ...

    def changes(self, launch: Launch) -> str:
        """What ``install`` would write, for people: a unified diff against what is there, empty when that is the same.

        Secrets are masked in it.
        """
        ...

    def install(self, launch: Launch, *, force: bool = False) -> Sequence[Path]:
        """Write what it needs to start the service, atomically; returns the files. Idempotent, starts nothing.

        It is called again before each start, with what the person's settings are then. Raises EditedByHandError for a file
        there that somebody else wrote or changed, unless ``force``.
        """
        ...

    def uninstall(self, name: str) -> Sequence[Path]:
        """Stop it, disable it and remove every file that ``install`` and ``enable`` made; returns them. Idempotent."""
        ...

    def files(self, name: str) -> Sequence[Path]:
        """The files of ``install`` and ``enable`` that are there now."""
        ...

    def start(self, name: str) -> None:
        """Have it run, and return when its process has begun; it need not answer yet. Idempotent."""
        ...

    def stop(self, name: str) -> None:
        """End it, and return when no process of it is left. Idempotent."""
        ...

    def restart(self, name: str) -> None:
        """``stop``, then ``start``."""
        ...

    def enable(self, name: str) -> None:
        """Have it start at login. Idempotent. Raises NoLoginStartError where that cannot be had."""
        ...

    def disable(self, name: str) -> None:
        """No longer start it at login. Idempotent; does not stop it."""
        ...

    def report(self, name: str) -> Report:
        """How it is now."""
        ...

    def logs(self, name: str, lines: int) -> list[str]:
        """The last lines it wrote, oldest first, without line ends."""
        ...

    def follow(self, name: str) -> Iterator[str]:
        """The lines it writes from now on, until the caller ends."""
        ...
