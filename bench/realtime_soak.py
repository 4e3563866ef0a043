"""An hour of conversation in compressed time: ``python -m bench.realtime_soak [--minutes 60] [--json FILE]``.

First protocol, call and engine on fakes in virtual time, where every byte is counted; then one session of a ``voicemode serve``
of its own, which hears the hour as fast as it can: six turns a minute, sound of a room between them.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import Progress
from websockets.asyncio.client import connect

from bench.realtime_figures import Held, leaks
from bench.realtime_person import session_update
from bench.realtime_server import RealtimeProcess, free_engines, realtime_server
from bench.realtime_sounds import WIRE_RATE, appends, room, saying
from bench.source import commit
from tests.realtime_soak.hour import hold

__all__ = ["main"]

_ROOT = Path(__file__).parents[1]
_TURNS, _CYCLE_S = 6, 10.0
"""Turns of a minute, and the seconds of each."""
_ANSWER_S = 60.0
_MOST_MB_A_TURN = 0.004
"""As in ``tests/realtime_soak``."""


async def _serve(server: RealtimeProcess, minutes: int, told: Callable[[int], None]) -> list[Held]:
    """What the server holds at the end of each minute."""
    samples, chance = list[Held](), random.Random(1)
    async with connect(server.socket_url, additional_headers=server.headers, proxy=None, max_size=None) as socket:
        await socket.send(session_update())
        for minute in range(minutes):
            for _ in range(_TURNS):
                said = saying(chance).samples
                for chunk in appends(np.concatenate((said, room(_CYCLE_S - len(said) / WIRE_RATE))), 0.2):
                    await socket.send(chunk)
                async with asyncio.timeout(_ANSWER_S):
                    async for message in socket:
                        event = json.loads(message)
                        if event["type"] == "response.done":
                            break
                if event["response"]["status"] != "completed":
                    raise RuntimeError(f"minute {minute}: an answer is {event['response']['status']}")
            figures = await asyncio.to_thread(server.figures)
            samples.append(Held(figures.rss_mb, figures.fds, figures.threads, figures.tasks))
            told(minute + 1)
    return samples


def main() -> int:
    """Exit status 0, or 1 where something grew."""
    parser = argparse.ArgumentParser(prog="python -m bench.realtime_soak", description=__doc__)
    parser.add_argument("--minutes", type=int, default=60, help="of sound (default 60)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every minute there")
    arguments = parser.parse_args()
    console = Console() if sys.stdout.isatty() else Console(width=150)
    with Progress(console=console, transient=True) as progress:

        def bar(title: str) -> Callable[[int], None]:
            task = progress.add_task(title, total=arguments.minutes)
            return lambda minute: progress.update(task, completed=minute)

        with tempfile.TemporaryDirectory() as folder:
            virtual = hold(Path(folder), arguments.minutes, bar("in virtual time"))
        with (
            tempfile.TemporaryDirectory() as folder,
            free_engines() as engines,
            realtime_server(Path(folder), **engines) as server,
        ):
            served = asyncio.run(_serve(server, arguments.minutes, bar("a server")))
    first, last = virtual[0], virtual[-1]
    grown_mb, turns = last.memory_mb - first.memory_mb, last.turns - first.turns
    problems = [f"a server: {leak}" for leak in leaks(served)]
    if grown_mb > turns * _MOST_MB_A_TURN or last.tasks > first.tasks or last.recordings:
        problems.append(f"in virtual time: {first} became {last}")
    console.print(
        f"in virtual time: {last.turns} turns, {last.cut} interrupted; {grown_mb * 1000 / max(turns, 1):.2f} KB a turn"
    )
    console.print(f"a server: {served[0]} after the first minute, {served[-1]} after the last", highlight=False)
    console.print(f"voicemode {commit(_ROOT)}, load {os.getloadavg()[0]:.1f}", highlight=False)
    for problem in problems:
        console.print(f"FAILED  {problem}", highlight=False, markup=False)
    if arguments.json is not None:
        told = {"virtual": [asdict(each) for each in virtual], "served": [asdict(each) for each in served]}
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    return int(bool(problems))


if __name__ == "__main__":
    raise SystemExit(main())
