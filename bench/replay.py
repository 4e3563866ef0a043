"""``python -m bench.replay``: how long a thousand scripted conversations take, and whether they are always decided alike.

Each run has another seed for Python's hashes and another order of the conversations, and replays them on as many cores as there
are. Prints JSON; the exit status is 1 when two runs differ, or when the median run takes longer than was promised, the start of
its processes included. What it takes of the cores stands beside it: the clock goes on when others compute on the same machine.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from bench.scripted import Decision, conversation, digest, replay

__all__ = ["main", "run_once", "run_process"]

_ROOT = Path(__file__).parents[1]
_PROMISED_S = 5.0
"""For a thousand conversations (issue "Turn-taking", line 3 of "Done when")."""
_RUN_TIMEOUT_S = 300.0


def run_once(count: int, order: int, jobs: int = 1) -> dict[str, Any]:
    """Replay the first ``count`` conversations in the order that ``order`` shuffles them into, in so many processes."""
    seeds = list(range(count))
    random.Random(order).shuffle(seeds)
    wall, cpu = time.perf_counter(), _cpu_s()
    if jobs == 1:
        replayed = [_replay(seed) for seed in seeds]
    else:
        # Not forked: each begins as a process of its own does.
        with ProcessPoolExecutor(jobs, mp_context=multiprocessing.get_context("spawn")) as pool:
            replayed = list(pool.map(_replay, seeds, chunksize=25))
    taken = {"wall_s": time.perf_counter() - wall, "cpu_s": _cpu_s() - cpu}
    return {"digest": digest(each for each, _ in replayed), "scripted_s": sum(frames for _, frames in replayed) / 100, **taken}


def _replay(seed: int) -> tuple[tuple[Decision, ...], int]:
    """What was decided in a conversation, and its frames."""
    script = conversation(seed)
    return replay(script), sum(each.frames for turn in script.turns for each in (*turn.playback, *turn.listening))


def _cpu_s() -> float:
    """Of this process and of those that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def run_process(count: int, number: int, jobs: int = 1) -> dict[str, Any]:
    """``run_once`` in a process whose hashes are seeded with ``number``."""
    command = [sys.executable, "-m", "bench.replay", "--one", str(number), "--count", str(count), "--jobs", str(jobs)]
    environment = {**os.environ, "PYTHONHASHSEED": str(number)}
    done = subprocess.run(command, cwd=_ROOT, env=environment, capture_output=True, text=True, timeout=_RUN_TIMEOUT_S)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.replay", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="conversations (1000)")
    parser.add_argument("--runs", type=int, default=50, help="one after another (50)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes of a run (as many as cores)")
    parser.add_argument("--one", type=int, metavar="NUMBER", help="one run, in the order of that number")
    asked = parser.parse_args(arguments)
    if asked.one is not None:
        print(json.dumps(run_once(asked.count, asked.one, asked.jobs)))
        return 0
    runs = [run_process(asked.count, number, asked.jobs) for number in range(asked.runs)]
    digests = sorted({run["digest"] for run in runs})
    wall_s, cpu_s = (statistics.median(run[clock] for run in runs) for clock in ("wall_s", "cpu_s"))
    promised_s = _PROMISED_S * asked.count / 1000
    figures = {
        "conversations": asked.count,
        "runs": len(runs),
        "jobs": asked.jobs,
        "digests": digests,
        "scripted_s": runs[0]["scripted_s"],
        "wall_s": {"median": round(wall_s, 2), "worst": round(max(run["wall_s"] for run in runs), 2)},
        "cpu_s": {"median": round(cpu_s, 2)},
        "load": [round(load, 1) for load in os.getloadavg()],
        "promised_s": promised_s,
        "kept": len(digests) == 1 and wall_s < promised_s,
    }
    print(json.dumps(figures, indent=2))
    return 0 if figures["kept"] else 1


if __name__ == "__main__":
    sys.exit(main())
