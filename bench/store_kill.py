"""Kill -9 in mid-turn, a hundred times: ``python -m bench.store_kill``.

A process holds a conversation on disk, turn after turn, and says of each that it is over when it is. It is killed at a random
moment, in one of two threads of one store. Then the store is opened: every turn that was over must be there whole, what was in
flight must be marked as lost, and the file must be sound.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from voicemode.record import OWNER, Entry, Role, Standing, Surface
from voicemode.store.sqlite import SqliteRecords

__all__ = ["main", "trial"]

TRIALS = 100
_STEP_S = 0.004
"""Between two things that are put down: a turn here takes 20 ms, so most kills come in the middle of one."""
_CHILD = "--child"


@dataclass
class Outcome:
    """What was found after one kill."""

    over: int
    """Turns that were said to be over."""
    whole: int
    lost: int
    """Entries that are marked as lost."""
    in_flight: int
    """Entries that claim to be going on, though nobody lives: must be none."""
    missing: tuple[int, ...]
    """Turns that were over and are not there whole."""
    problems: tuple[str, ...]
    opened_ms: float

    def kept(self) -> bool:
        """At most the turn in flight is missing, and what is there of it is marked."""
        return not self.missing and not self.in_flight and not self.problems and self.lost <= 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 1 when a promise is broken."""
    parser = argparse.ArgumentParser(prog="python -m bench.store_kill", description=__doc__)
    parser.add_argument("-n", type=int, default=TRIALS, help="how many times (default 100)")
    parser.add_argument("--json", type=Path, help="write the figures into this file")
    parser.add_argument(_CHILD, nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args(arguments)
    if asked.child:
        asyncio.run(_talk(Path(asked.child[0]), asked.child[1]))
        return 0
    chance = random.Random(7)
    with tempfile.TemporaryDirectory() as folder:
        outcomes = [trial(Path(folder) / "base" / "history", number, chance.uniform(0.01, 0.15)) for number in range(asked.n)]
    broken = [outcome for outcome in outcomes if not outcome.kept()]
    figures = {
        "kills": len(outcomes),
        "turns_over": sum(outcome.over for outcome in outcomes),
        "turns_missing": sum(len(outcome.missing) for outcome in outcomes),
        "marked_lost": sum(outcome.lost for outcome in outcomes),
        "still_in_flight": sum(outcome.in_flight for outcome in outcomes),
        "damaged": sum(bool(outcome.problems) for outcome in outcomes),
        "opened_ms_worst": round(max(outcome.opened_ms for outcome in outcomes), 1),
        "broken": [asdict(outcome) for outcome in broken],
    }
    print(json.dumps(figures, indent=2))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2) + "\n", "utf-8")
    return int(bool(broken))


def trial(folder: Path, number: int, after_s: float) -> Outcome:
    """Let a process talk for so long, kill it, and look. The store is that of the trials before."""
    thread = f"thread {number % 2}"
    command = [sys.executable, "-m", "bench.store_kill", _CHILD, str(folder), thread]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[1])
    assert child.stdout is not None
    session = child.stdout.readline().strip()
    time.sleep(after_s)
    os.kill(child.pid, signal.SIGKILL)
    over = {int(line) for line in child.communicate(timeout=20)[0].split()}
    return asyncio.run(_look(folder, thread, session, over))


async def _talk(folder: Path, thread: str) -> None:
    """Turns until the end: begun, half said, over. The turn before is on disk when the next begins, as in any conversation."""
    records = SqliteRecords(folder)
    record = await records.open(thread, surface=Surface.API)
    print(record.session, flush=True)
    turn = 0
    while True:
        key = f"{record.session} {turn}"
        record.put(Entry(key, Role.ASSISTANT, "", Standing.IN_FLIGHT))
        for words in ("half", "half of it"):
            await asyncio.sleep(_STEP_S)
            record.put(Entry(key, Role.ASSISTANT, words, Standing.IN_FLIGHT))
        await asyncio.sleep(_STEP_S)
        record.put(Entry(key, Role.ASSISTANT, "half of it and the rest", Standing.WHOLE))
        await records.history.sessions(thread, identity=OWNER)  # waits until it is written
        print(turn, flush=True)
        turn += 1


async def _look(folder: Path, thread: str, session: str, over: set[int]) -> Outcome:
    records = SqliteRecords(folder)
    began = time.perf_counter()
    record = await records.open(thread, surface=Surface.CLI)
    entries = [entry for entry in await record.history() if entry.key.startswith(session)]
    opened_ms = 1000 * (time.perf_counter() - began)
    whole = {int(entry.key.split()[1]) for entry in entries if entry.standing is Standing.WHOLE}
    health = await records.history.check()
    await records.aclose()
    return Outcome(
        over=len(over),
        whole=len(whole),
        lost=sum(entry.standing is Standing.LOST for entry in entries),
        in_flight=sum(entry.standing is Standing.IN_FLIGHT for entry in entries),
        missing=tuple(sorted(over - whole)),
        problems=health.problems,
        opened_ms=opened_ms,
    )


if __name__ == "__main__":
    sys.exit(main())
