"""Many people at once, in a process of their own: ``python -m bench.realtime_clients URL --sessions 10``.

It takes the token from VOICEMODE_BENCH_KEY and writes JSON lines: {"turns": n} as turns end, and {"rows": [...]} when everybody
has had theirs. Then all stay connected, silent, until a line comes on standard input.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import sys
import threading
from collections.abc import Sequence
from typing import Any

from bench.realtime_person import Person, SocketPerson

__all__ = ["KEY_VARIABLE", "main"]

KEY_VARIABLE = "VOICEMODE_BENCH_KEY"
_APART_S = 0.05
"""Between two who arrive."""
_TOLD_EVERY_S = 0.5


def _person(transport: str, number: int, chance: random.Random) -> Person:
    if transport == "ws":
        return SocketPerson(number, chance)
    from bench.realtime_webrtc_person import WebRtcPerson

    return WebRtcPerson(number, chance)


def _say(line: dict[str, Any]) -> None:
    print(json.dumps(line), flush=True)


async def _hold(arguments: argparse.Namespace) -> None:
    headers = {"Authorization": f"Bearer {os.environ[KEY_VARIABLE]}"}
    stay, loop = asyncio.Event(), asyncio.get_running_loop()

    def wait_for_line() -> None:
        sys.stdin.readline()
        loop.call_soon_threadsafe(stay.set)

    threading.Thread(target=wait_for_line, daemon=True).start()
    people = [_person(arguments.transport, n, random.Random(f"{arguments.seed}/{n}")) for n in range(arguments.sessions)]
    holding = []
    for person in people:
        holding.append(asyncio.create_task(person.hold(arguments.url, headers, arguments.turns, stay)))
        await asyncio.sleep(_APART_S)
    await _until_spoken(people, holding, arguments.turns)
    # Those whose connection broke are counted by the turns that are missing.
    rows = [turn.row() for person in people for turn in person.turns]
    broken = [repr(task.exception()) for task in holding if task.done() and task.exception() is not None]
    _say({"rows": rows, "broken": broken})
    await asyncio.gather(*holding, return_exceptions=True)


async def _until_spoken(people: Sequence[Person], holding: Sequence[asyncio.Task[None]], turns: int) -> None:
    told = -1
    while True:
        over = sum(turn.done_at is not None or bool(turn.problem) for person in people for turn in person.turns)
        if over != told:
            told = over
            _say({"turns": over})
        waiting = [
            person
            for person, task in zip(people, holding, strict=True)
            if not task.done() and sum(turn.done_at is not None or bool(turn.problem) for turn in person.turns) < turns
        ]
        if not waiting:
            return
        await asyncio.sleep(_TOLD_EVERY_S)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.realtime_clients", description=__doc__)
    parser.add_argument("url", help="of /v1/realtime (ws://) or of /v1/realtime/calls (http://)")
    parser.add_argument("--sessions", type=int, default=1)
    parser.add_argument("--turns", type=int, default=4, help="of each")
    parser.add_argument("--transport", choices=("ws", "webrtc"), default="ws")
    parser.add_argument("--seed", default="1")
    asyncio.run(_hold(parser.parse_args()))


if __name__ == "__main__":
    main()
