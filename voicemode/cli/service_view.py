"""How plans and states of services look on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.filesize import decimal
from rich.text import Text

from voicemode.cli.failure import printable

if TYPE_CHECKING:  # psutil takes time to load, which --help and completion must not wait for
    from voicemode.supervise.plan import Plan
    from voicemode.supervise.status import Status

__all__ = ["plan_lines", "status_lines"]

_STYLES = {"running": "green", "starting": "yellow", "unhealthy": "red", "crashed": "red"}
_SECONDS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def plan_lines(plan: Plan) -> Text:
    """What would be done, how big and how long."""
    if plan.missing:
        would = "\n".join(f"  - {step.words}" for step in plan.steps)
        return Text(f"{plan.service} cannot be installed: {plan.missing}.\nOnce it is, this would be done:\n{would}")
    if not plan.steps:
        return Text(f"{plan.service} is installed in {plan.folder}; there is nothing to do.")
    lines = [f"To install {plan.title}:"]
    for step in plan.steps:
        size = f", {decimal(step.download_bytes)} to download" if step.download_bytes else ""
        lines.append(f"  - {step.words}{size}")
    disk = f", {decimal(plan.disk_bytes)} on disk" if plan.disk_bytes else ""
    lines.append(f"This takes {plan.duration} (on a line of 50 Mbit/s){disk}. 'uninstall' removes all of it.")
    if plan.changes:
        lines.append(f"How it is started:\n{plan.changes}")
    return Text("\n".join(printable(line) for text in lines for line in text.splitlines()))


def status_lines(status: Status) -> Text:
    """One line with the state, and one for each thing worth saying."""
    text = Text(status.service, style="bold")
    text.append(f"  {status.state}", style=_STYLES.get(status.state, ""))
    text.append(f"  {status.title}, port {status.port}", style="dim")
    facts = [
        f"version {status.version}" if status.version else "",
        f"model {status.model}" if status.model else "",
        f"pid {status.pid}" if status.pid is not None else "",
        f"up {duration(status.uptime_s)}" if status.uptime_s is not None else "",
        f"CPU {status.cpu_percent:.0f} %" if status.cpu_percent is not None else "",
        f"memory {decimal(status.memory_bytes)}" if status.memory_bytes is not None else "",
        f"restarted {status.restarts} times" if status.restarts else "",
        {True: "starts at login", False: "does not start at login", None: ""}[status.enabled],
        f"kept by {status.backend}" if status.backend else "",
    ]
    lines = [", ".join(filter(None, facts))]
    lines += [f"last error: {status.last_error}"] if status.last_error else []
    lines += [f"port {status.port} is taken by {status.port_holder}"] if status.port_holder else []
    lines += [status.remark] if status.remark else []
    for line in filter(None, lines):
        text.append(f"\n  {printable(line)}", style="")
    return text


def duration(seconds: float) -> str:
    """In the two largest units that fit: "2 h 5 min"."""
    rest, parts = int(seconds), []
    for length, unit in _SECONDS:
        count, rest = divmod(rest, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
