"""How a service is: put together from its backend, its own answer, its process, and who listens on its port."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from voicemode.supervise.backend import Life, Report
from voicemode.supervise.health import Answer, Health
from voicemode.supervise.processes import Holder, Usage

__all__ = ["Seen", "State", "Status", "state_of", "status_of"]

_START_S = 60.0
"""So long a process may take until it listens: imports from a cold disk, and a model that is loaded at start."""


class State(StrEnum):
    """The one word."""

    NOT_INSTALLED = "not installed"
    STOPPED = "stopped"
    STARTING = "starting"
    """Its process is young and does not listen yet."""
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    """Its process is there, and it does not answer as it should."""
    CRASHED = "crashed"
    """It ended by itself; ``last_error`` says why, and whether it is started again."""


_RUNS: Mapping[Answer, State] = {
    Answer.WELL: State.RUNNING,
    Answer.ILL: State.UNHEALTHY,
    Answer.STRANGER: State.UNHEALTHY,
    Answer.LATE: State.UNHEALTHY,
    Answer.NOBODY: State.UNHEALTHY,
}
_STATES: Mapping[Life, Mapping[Answer, State]] = {
    Life.ABSENT: dict.fromkeys(Answer, State.NOT_INSTALLED),
    Life.STOPPED: dict.fromkeys(Answer, State.STOPPED),
    Life.RESTARTING: dict.fromkeys(Answer, State.CRASHED),
    Life.FAILED: dict.fromkeys(Answer, State.CRASHED),
    Life.RUNNING: _RUNS,
}


def state_of(life: Life, answer: Answer, age_s: float | None) -> State:
    """The table, with one exception: who is young and does not listen yet is starting."""
    if life is Life.RUNNING and answer in (Answer.NOBODY, Answer.LATE) and age_s is not None and age_s < _START_S:
        return State.STARTING
    return _STATES[life][answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What was looked at."""

    report: Report
    health: Health
    usage: Usage | None
    holder: Holder | None
    """Who listens on its port, if that is somebody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What people and programs are told."""

    service: str
    title: str
    state: State
    healthy: bool
    version: str
    """Of the running service, else of what is installed; empty when neither is known."""
    model: str
    port: int
    pid: int | None
    cpu_percent: float | None
    memory_bytes: int | None
    uptime_s: float | None
    restarts: int
    last_error: str
    enabled: bool | None
    """Whether it starts at login; None where that cannot be had."""
    backend: str
    """What keeps it running: "systemd", "launchd" or "process"."""
    port_holder: str
    """Another program that listens on its port; empty when nobody else does."""
    remark: str
    """What a person should know or do besides; empty when nothing."""

    def as_json(self) -> dict[str, Any]:
        """For programs; the state with "_" for blanks."""
        return asdict(self) | {"state": self.state.value.replace(" ", "_")}


def status_of(
    service: str,
    title: str,
    port: int,
    seen: Seen,
    *,
    version: str,
    model: str,
    backend: str,
    remark: str = "",
    now: float = 0.0,
) -> Status:
    """Put it together. ``now`` is in seconds since 1970; 0: of this machine's clock."""
    report, health, usage = seen.report, seen.health, seen.usage
    began = usage.began if usage is not None else report.since
    age_s = max(0.0, (now or time.time()) - began) if began is not None else None
    state = state_of(report.life, health.answer, age_s)
    ours = report.life is Life.RUNNING
    problem = health.problem if state is State.UNHEALTHY else ""
    if state is State.UNHEALTHY and not problem:
        problem = f"its process runs and does not listen on port {port}"
    return Status(
        service=service,
        title=title,
        state=state,
        healthy=state is State.RUNNING,
        version=str(health.facts.get("version") or version) if ours else version,
        model=str(health.facts.get("model") or model) if ours else model,
        port=port,
        pid=report.pid,
        cpu_percent=usage.cpu_percent if usage is not None else None,
        memory_bytes=usage.memory_bytes if usage is not None else None,
        uptime_s=age_s if ours else None,
        restarts=report.restarts,
        last_error="; ".join(filter(None, (problem, report.last_error))),
        enabled=report.enabled,
        backend=backend,
        port_holder=str(seen.holder) if seen.holder is not None else "",
        remark=remark,
    )
