"""``voicemode status``: every endpoint, how it is now, and how it has served the voicemode processes that run."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from voicemode.cli.endpoints import facts
from voicemode.cli.failure import printable
from voicemode.cli.output import about, print_json, result
from voicemode.core.failover import Task
from voicemode.errors import RequestError
from voicemode.load_config import LoadedSettings, load_from_process
from voicemode.runtime.endpoint_report import TASKS, EndpointReport
from voicemode.runtime.snapshots import Snapshot, read_snapshots
from voicemode.runtime.survey import Seen

if TYPE_CHECKING:  # the sound stack takes time to load, which --help and completion must not wait for
    from voicemode.assemble import Voice

__all__ = ["EXAMPLES", "State", "panel", "status"]

EXAMPLES = """\
Examples:
  voicemode status
  voicemode status --watch          until Ctrl-C
  voicemode status --json
"""

_SHOW_EVERY_S = 1.0
"""As often as the processes write."""
_LOOK_EVERY_S = 5.0
"""Looking is a request to every endpoint."""


@dataclass(frozen=True, slots=True)
class State:
    """What there is to show."""

    seen: Sequence[Seen]
    """The endpoints of this command's settings, looked at a moment ago."""
    processes: Sequence[Snapshot]


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Keep looking until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show every endpoint: whether it answers, and how it has served the voicemode processes that run.

    With nothing running it shows what would be used.
    """
    loaded = load_from_process(os.environ)
    if watch and as_json:
        raise RequestError("--watch", "it is for eyes", "--json alone, as often as you like")
    if watch:
        asyncio.run(_watch(loaded, result()))
        return
    with about().status("looking at every endpoint"):
        state = asyncio.run(_once(loaded))
    if as_json:
        print_json(_facts(state))
    else:
        result().print(panel(state))


async def _once(loaded: LoadedSettings) -> State:
    voice = _build(loaded)
    try:
        return State(await voice.survey(), _processes(loaded))
    finally:
        await voice.aclose()


async def _watch(loaded: LoadedSettings, screen: Console) -> None:
    voice = _build(loaded)
    seen, looked_at = await voice.survey(), time.monotonic()
    try:
        with Live(panel(State(seen, _processes(loaded))), console=screen, auto_refresh=False) as live:
            while True:
                await asyncio.sleep(_SHOW_EVERY_S)
                if time.monotonic() - looked_at >= _LOOK_EVERY_S:
                    seen, looked_at = await voice.survey(), time.monotonic()
                live.update(panel(State(seen, _processes(loaded))), refresh=True)
                if not screen.is_terminal:
                    screen.print(live.get_renderable())
    finally:
        await voice.aclose()


def _build(loaded: LoadedSettings) -> Voice:
    # Here and not above: see TYPE_CHECKING.
    from voicemode.assemble import build_voice

    return build_voice(loaded, os.environ, "voicemode status")


def _processes(loaded: LoadedSettings) -> list[Snapshot]:
    return read_snapshots(loaded.settings.base_dir / "run")


def _facts(state: State) -> dict[str, Any]:
    processes = [
        {
            "pid": process.pid,
            "program": process.program,
            "age_s": process.age_s,
            "endpoints": [endpoint.as_json() for endpoint in process.endpoints],
        }
        for process in state.processes
    ]
    return {"endpoints": [facts(each) for each in state.seen], "processes": processes}


# -- for eyes


def panel(state: State) -> Group:
    """All of it, in at least 80 columns."""
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(overflow="fold", ratio=1)
    for _ in range(4):
        table.add_column(justify="right", no_wrap=True)
    for task, words in TASKS.items():
        _fill(table, task, words, state)
    table.expand = True
    remarks = [Text(f"! {printable(remark)}", style="yellow") for remark in dict.fromkeys(_remarks(state))]
    return Group(
        table, Text(), *remarks, *([Text()] if remarks else []), Text(_used(state)), Text(_sources(state), style="dim")
    )


def _fill(table: Table, task: Task, words: str, state: State) -> None:
    seen = [each for each in state.seen if each.report.task == task]
    elsewhere = {
        endpoint.name: endpoint
        for process in state.processes
        for endpoint in process.endpoints
        if endpoint.task == task and all(endpoint.name != each.report.name for each in seen)
    }
    if not seen and not elsewhere:
        return
    if table.row_count:
        table.add_row()
    table.add_row(words, "state", "served", "first byte", "total", style="bold")
    for each in seen:
        place = "-" if each.place is None else str(each.place)
        table.add_row(f"{place} {printable(each.report.name)}", _now(each))
        _fill_processes(table, each.report, state)
    for endpoint in elsewhere.values():
        table.add_row(f"- {printable(endpoint.name)}", Text("elsewhere", style="dim"))
        _fill_processes(table, endpoint, state)


def _now(seen: Seen) -> Text:
    if seen.usable:
        return Text("works", style="green")
    return Text("not asked" if seen.look.works else "down", style="yellow")


def _fill_processes(table: Table, wanted: EndpointReport, state: State) -> None:
    """A row for each process that has sent requests to the endpoint, or leaves it alone."""
    for process in state.processes:
        for each in process.endpoints:
            if (each.task, each.name) == (wanted.task, wanted.name) and (each.requests or each.in_flight or each.last_error):
                table.add_row(
                    f"    {printable(process.program)}",
                    _breaker(each),
                    _served(each),
                    _pair(each.first_byte_median_ms, each.first_byte_p95_ms),
                    _pair(each.total_median_ms, each.total_p95_ms),
                )


def _breaker(endpoint: EndpointReport) -> Text:
    if endpoint.state == "closed":
        return Text("closed", style="green")
    due = f" {endpoint.retry_in_s:.0f} s" if endpoint.retry_in_s else ""
    return Text(f"{endpoint.state}{due}"[:14], style="yellow")


def _served(endpoint: EndpointReport) -> str:
    busy = f" +{endpoint.in_flight}" if endpoint.in_flight else ""
    return "" if endpoint.success_rate is None else f"{endpoint.success_rate:.0%} of {endpoint.requests}{busy}"


def _pair(median_ms: int | None, p95_ms: int | None) -> str:
    return "" if median_ms is None or p95_ms is None else f"{_time(median_ms)}/{_time(p95_ms)}"


def _time(ms: int) -> str:
    return str(ms) if ms < 10_000 else f"{ms / 1000:.0f}s"


def _remarks(state: State) -> Iterator[str]:
    """What is wrong, a line each; of one address only once."""
    for each in state.seen:
        if not each.look.works:
            yield f"{each.report.name}: {each.look.words}. {each.look.remedy}".strip()
        elif each.place is None:
            yield f"{each.report.name}: {'; '.join(each.reasons)}."
    for process in state.processes:
        for endpoint in process.endpoints:
            if endpoint.last_error:
                ago = f"{endpoint.last_error_age_s or 0:.0f} s ago"
                yield f"{process.program}, {ago}: {endpoint.last_error}"


def _used(state: State) -> str:
    uses = []
    for task, words in TASKS.items():
        first = next((each.report.name for each in state.seen if each.report.task == task and each.usable), None)
        if first is not None or task != "chat":
            uses.append(f"{words}: {printable(first) if first else 'nothing'}")
    return f"A turn would use {'; '.join(uses)}."


def _sources(state: State) -> str:
    if not state.processes:
        return "No running voicemode process has had a request yet, so there are no figures."
    told = ", ".join(f"{printable(each.program)} {each.age_s:.0f} s ago" for each in state.processes)
    return f"Figures are of {told}: the last 64 requests each; times in ms, median/p95; +n are under way."
