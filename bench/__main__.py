"""``python -m bench``: measure the product at a virtual sound card, and print what was promised next to it."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.room import Room
from bench.rows import ROWS, Measured, Row, measured
from bench.scenarios import SCENARIOS, Recorder
from bench.source import commit, fingerprint
from bench.table import table
from scripts.virtual_sound_card import available

__all__ = ["main"]

_ROOT = Path(__file__).parents[1]
_RESULTS = Path(__file__).parent / "results"
_PLAIN_WIDTH = 190


def main() -> int:
    """Exit status: 0, 1 with ``--check`` when a promise is broken, 69 where no sound card can be made."""
    arguments = _arguments()
    reason = available()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 69  # EX_UNAVAILABLE
    rows = [row for row in ROWS if not arguments.only or row.name in arguments.only]
    machine = _machine()
    busy = _Busy()
    recorder = asyncio.run(_measure(rows, arguments.n))
    if fingerprint(_ROOT / "voicemode") != machine["source"]:
        recorder.problems.append("the product was edited while it was measured: the rows belong to different versions")
    machine |= {"load_after": os.getloadavg()[0], "busy_percent": busy.percent(), "seconds": round(busy.seconds())}
    outcomes = [(row, measured(row, recorder.results)) for row in rows]
    _show(outcomes, recorder, machine)
    _save(outcomes, recorder, machine, arguments.json)
    broken = [row for row, outcome in outcomes if row.limit is not None and (outcome is None or outcome.kept is False)]
    return int(arguments.check and bool(broken or recorder.problems))


def _arguments() -> argparse.Namespace:
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", type=_names, default=[], metavar="ROW,...", help=f"some of: {', '.join(names)}")
    parser.add_argument("-n", type=int, default=7, help="repetitions of each scenario (default 7)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures and raw results there too")
    parser.add_argument("--check", action="store_true", help="exit with 1 when a promise is broken")
    return parser.parse_args()


def _names(text: str) -> list[str]:
    wanted = [name.strip() for name in text.split(",") if name.strip()]
    unknown = set(wanted) - {row.name for row in ROWS}
    if unknown:
        raise argparse.ArgumentTypeError(f"no such row: {', '.join(sorted(unknown))}")
    return wanted


async def _measure(rows: Sequence[Row], n: int) -> Recorder:
    wanted = [name for name in SCENARIOS if any(row.scenario == name for row in rows)]
    with Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), console=Console(stderr=True)
    ) as progress:
        task = progress.add_task("preparing the room", total=len(wanted) * n + ("start" in wanted))
        recorder = Recorder(lambda: progress.advance(task))
        async with Room.open() as room:
            for name in wanted:
                progress.update(task, description=name)
                try:
                    await SCENARIOS[name](room, recorder, name, n)
                except (OSError, RuntimeError, TimeoutError) as error:
                    recorder.problem(name, error)
            recorder.problems += [f"stdout carried no JSON-RPC: {line}" for line in room.stray_lines]
    return recorder


class _Busy:
    """How busy the whole machine was since it was made; figures from a busy machine are worth less."""

    def __init__(self) -> None:
        self._began, self._times = time.monotonic(), psutil.cpu_times()

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def percent(self) -> int:
        now = psutil.cpu_times()
        idle = now.idle + getattr(now, "iowait", 0.0) - self._times.idle - getattr(self._times, "iowait", 0.0)
        share: float = idle / max(1e-6, self.seconds() * (psutil.cpu_count() or 1))
        return round(100 * (1 - share))


def _machine() -> dict[str, Any]:
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cores": psutil.cpu_count(),
        "load_before": os.getloadavg()[0],
        "commit": commit(_ROOT),
        "source": fingerprint(_ROOT / "voicemode"),
        "utc": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def _show(outcomes: Sequence[tuple[Row, Measured | None]], recorder: Recorder, machine: dict[str, Any]) -> None:
    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_WIDTH)
    console.print(table(outcomes))
    console.print(
        f"voicemode {machine['commit']} (source {machine['source']}). "
        f"{machine['system']}, {machine['cores']} cores, Python {machine['python']}; load {machine['load_before']:.1f} before, "
        f"{machine['load_after']:.1f} after, {machine['busy_percent']} % busy over {machine['seconds']} s. "
        "Medians are judged; drop-outs, clipping and cancelling by the worst. One figure is exact to about 5 ms.",
        highlight=False,
        soft_wrap=True,
    )
    for problem in recorder.problems:
        console.print(f"FAILED  {problem}", highlight=False, markup=False, soft_wrap=True)


def _save(
    outcomes: Sequence[tuple[Row, Measured | None]], recorder: Recorder, machine: dict[str, Any], wanted: Path | None
) -> None:
    report = {
        "machine": machine,
        "rows": [_row_report(row, outcome) for row, outcome in outcomes],
        "problems": recorder.problems,
        "results": recorder.results,
    }
    text = json.dumps(report, indent=1) + "\n"
    _RESULTS.mkdir(exist_ok=True)
    for path in (_RESULTS / f"{machine['utc'].replace(':', '')}.json", wanted):
        if path is not None:
            path.write_text(text, encoding="utf-8")


def _row_report(row: Row, outcome: Measured | None) -> dict[str, Any]:
    facts = {"name": row.name, "title": row.title, "unit": row.unit, "limit": row.limit, "kept": None}
    if outcome is None:
        return facts
    figures = dataclasses.asdict(outcome)
    return facts | {
        "median": outcome.median,
        "min": min(outcome.figures),
        "max": max(outcome.figures),
        "n": len(outcome.figures),
        "reference": figures["reference"],
        "ratio": outcome.ratio,
        "over": outcome.over,
        "margin": outcome.margin,
        "kept": outcome.kept,
    }


if __name__ == "__main__":
    raise SystemExit(main())
