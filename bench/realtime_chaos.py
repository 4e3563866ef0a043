"""Conversations while engines are killed, hung and reset: ``python -m bench.realtime_chaos [-n 200] [--seed 1]``.

Half of them on a server with one engine for each task, half on one with two, of which one is struck. After each storm every
session has one more turn, which must be as if nothing had happened. What must hold: ``tests/realtime_chaos/talk.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.source import commit
from tests.realtime_chaos.conversations import Report, hold, struck_server

__all__ = ["main"]

_ROOT = Path(__file__).parents[1]


def _table(reports: dict[str, Report]) -> Table:
    table = Table(title="conversations while engines fail")
    for column in (
        "engines",
        "conversations",
        "turns",
        "strikes",
        "without words, kept",
        "answers that said why not",
        "problems",
    ):
        table.add_column(column, justify="left" if column == "engines" else "right")
    for name, report in reports.items():
        faults = Counter(strike.fault for strike in report.strikes)
        strikes = ", ".join(f"{count} {fault}" for fault, count in sorted(faults.items()))
        figures = (
            report.conversations,
            report.turns,
            strikes,
            report.failed_words,
            report.failed_answers,
            len(report.problems),
        )
        table.add_row(name, *map(str, figures))
    return table


def main() -> int:
    """Exit status 0, or 1 where anything was lost, late or dead."""
    parser = argparse.ArgumentParser(prog="python -m bench.realtime_chaos", description=__doc__)
    parser.add_argument("-n", type=int, default=200, help="conversations (default 200)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=150)
    reports: dict[str, Report] = {}
    with Progress(console=console, transient=True) as progress:
        for name, spare in (("one of each", False), ("another one of each", True)):
            task = progress.add_task(name, total=arguments.n // 2)
            with tempfile.TemporaryDirectory() as folder, struck_server(Path(folder), spare=spare) as (server, endpoints):

                def ended(done: int, task: object = task) -> None:
                    progress.update(task, completed=done)  # type: ignore[arg-type]

                reports[name] = asyncio.run(hold(server, endpoints, arguments.n // 2, seed=arguments.seed, ended=ended))
    console.print(_table(reports))
    console.print(f"voicemode {commit(_ROOT)}, seed {arguments.seed}, load {os.getloadavg()[0]:.1f}", highlight=False)
    for name, report in reports.items():
        for problem in report.problems:
            console.print(f"FAILED  {name}, {problem}", highlight=False, markup=False)
    return int(any(report.problems for report in reports.values()))


if __name__ == "__main__":
    raise SystemExit(main())
