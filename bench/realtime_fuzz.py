"""Frames of a fuzzer: ``python -m bench.realtime_fuzz [--frames 100000] [--socket-frames 10000] [--seed 1]``.

First a session without I/O, in pieces of 5000 frames, half of them where the server plays; then a server of its own over
WebSockets. What is sent: ``tests/realtime_fuzz/frames.py``.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from bench.realtime_server import free_engines, realtime_server
from bench.source import commit
from tests.realtime_fuzz.in_process import fuzz
from tests.realtime_fuzz.over_sockets import barrage
from voicemode.wire.realtime import Playout

__all__ = ["main"]

_ROOT = Path(__file__).parents[1]
_PIECE = 5_000


def _in_process(count: int, seed: int, progress: Progress) -> tuple[float, list[str]]:
    """The most megabytes that a piece grew, and what went wrong."""
    bar = progress.add_task("without I/O", total=count)
    most_mb, problems = 0.0, []
    for at in range(0, count, _PIECE):
        playout = (Playout.CLIENT, Playout.SERVER)[at // _PIECE % 2]
        outcome = fuzz(min(_PIECE, count - at), seed + at, playout)
        most_mb = max(most_mb, outcome.grown_mb)
        problems += [f"seed {seed + at}: no answer to {frame}" for frame in outcome.unanswered]
        problems += [] if outcome.still_answers else [f"seed {seed + at}: the session answers nothing any more"]
        progress.update(bar, completed=at + outcome.frames)
    return most_mb, problems


def main() -> int:
    """Exit status 0, or 1 where anything went unanswered or was left behind; what a session raises is raised."""
    parser = argparse.ArgumentParser(prog="python -m bench.realtime_fuzz", description=__doc__)
    parser.add_argument("--frames", type=int, default=100_000, help="without I/O (default 100000)")
    parser.add_argument("--socket-frames", type=int, default=10_000, help="over WebSockets (default 10000)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=150)
    with Progress(console=console, transient=True) as progress, tempfile.TemporaryDirectory() as folder:
        most_mb, problems = _in_process(arguments.frames, arguments.seed, progress)
        bar = progress.add_task("over WebSockets", total=arguments.socket_frames)
        with free_engines() as engines, realtime_server(Path(folder), **engines) as server:
            before = server.figures()

            def sent(count: int) -> None:
                progress.update(bar, completed=count)

            over = asyncio.run(barrage(server, arguments.socket_frames, arguments.seed, sent))
            after = server.settled()
            problems += over.problems
            problems += [f"{after.sessions} sessions are left"] if after.sessions else []
    console.print(
        f"{arguments.frames} frames without I/O: a session grew by {most_mb:.1f} MB at most. {over.sent} over WebSockets: "
        f"{before.rss_mb:.0f} MB before, {after.rss_mb:.0f} MB after, {over.refused} sockets refused as too much.",
        highlight=False,
    )
    console.print(f"voicemode {commit(_ROOT)}, seed {arguments.seed}, load {os.getloadavg()[0]:.1f}", highlight=False)
    for problem in problems:
        console.print(f"FAILED  {problem}", highlight=False, markup=False)
    return int(bool(problems))


if __name__ == "__main__":
    raise SystemExit(main())
