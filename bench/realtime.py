"""What the realtime server adds: ``python -m bench.realtime [--sessions 50] [--json FILE] [--plot FILE]``.

A ``voicemode serve`` of its own before engines that answer at once (``bench.free_engines``), and people in a third process who
speak recorded sentences in real time. Added latency counts from the last audible sample of the sentence to the first byte of
sound at the client, less the silence that ends a turn by agreement (500 ms). The 20 ms of a chunk are in it. Sessions at one
time are held by as many processes as there are cores; what one session waits for, and what sessions leave behind, is taken of a
server of one process.

Leaks decide the exit status; what depends on how fast and how busy the machine is, is shown beside its bar.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from bench.realtime_clients import KEY_VARIABLE
from bench.realtime_figures import Held, Latency, latency, leaks, memory_per_session
from bench.realtime_person import SILENCE_MS
from bench.realtime_server import KEY, Figures, RealtimeProcess, free_engines, realtime_server
from bench.realtime_table import tables
from bench.source import commit

__all__ = ["Outcome", "main"]

_ROOT = Path(__file__).parents[1]
_STEPS = (1, 10, 25, 50)
_BATCH = {"ws": 20, "webrtc": 4}
"""Sessions at once of those that come and go; over WebRTC they speak in real time."""
_SETTLE_S = 10.0
Tell = Callable[[int], None]


@dataclass(slots=True)
class Outcome:
    """Everything that was taken."""

    latencies: dict[str, Latency] = field(default_factory=dict)
    """By transport, one session."""
    steps: list[Latency] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    """Cores that the server used in each step."""
    memory_mb: float | None = None
    """Of each further session over WebSocket."""
    held: dict[str, list[Held]] = field(default_factory=dict)
    """After each batch of those that came and went, by transport."""
    problems: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)

    @property
    def leaks(self) -> list[str]:
        return [f"{transport}, {leak}" for transport, samples in self.held.items() for leak in leaks(samples)]


def _url(server: RealtimeProcess, transport: str) -> str:
    return server.socket_url if transport == "ws" else f"{server.url}/v1/realtime/calls"


@contextlib.contextmanager
def _process(module: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """It is ended with the block; normally it ends by itself when its standard input does."""
    command = [sys.executable, "-m", module, *arguments]
    environment = os.environ | {KEY_VARIABLE: KEY}
    process = subprocess.Popen(command, cwd=_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):  # an overloaded server takes long over farewells
            process.wait(_SETTLE_S)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _people(
    server: RealtimeProcess, transport: str, sessions: int, turns: int, tell: Tell
) -> tuple[Latency, Figures, dict[str, Any]]:
    """Let so many talk; their latency, what the server held while all were there, and all they wrote down."""
    arguments = (_url(server, transport), "--sessions", str(sessions), "--turns", str(turns), "--transport", transport)
    with _process("bench.realtime_clients", *arguments) as process:
        assert process.stdout is not None
        told: dict[str, Any] = {}
        for line in process.stdout:
            told = json.loads(line)
            if "rows" in told:
                break
            tell(told["turns"])
        if "rows" not in told:
            raise RuntimeError(f"the people of {transport} are gone: {server.log[-2000:]}")
        figures = server.figures()
    return latency(told["rows"], SILENCE_MS, sessions=sessions, expected=sessions * turns), figures, told


def _churn(server: RealtimeProcess, transport: str, count: int, tell: Tell) -> tuple[list[Held], list[str]]:
    samples: list[Held] = []
    batch = _BATCH[transport]
    problems: list[str] = []
    with _process("bench.realtime_churn", _url(server, transport)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for done in range(0, count, batch):
            process.stdin.write(f"{min(batch, count - done)}\n")
            process.stdin.flush()
            problems += json.loads(process.stdout.readline())
            figures = server.settled(samples[0].tasks if samples else None)
            samples.append(Held(figures.rss_mb, figures.fds, figures.threads, figures.tasks, figures.sessions))
            tell(min(done + batch, count))
    return samples, problems


def _measure(arguments: argparse.Namespace, progress: Progress, folder: Path) -> Outcome:
    outcome = Outcome()

    def bar(title: str, total: int) -> Tell:
        task = progress.add_task(title, total=total)
        return lambda done: progress.update(task, completed=done)

    with free_engines() as engines, realtime_server(folder, **engines, serve_max_sessions="1000") as server:
        talk = _talker(server, outcome, bar)
        for transport in arguments.transports:
            talk(transport, 1, 2)  # loads what the first session loads
            outcome.latencies[transport], _ = talk(transport, 1, arguments.turns)
        for transport, count in zip(arguments.transports, (arguments.churn, arguments.churn // 10), strict=False):
            samples, problems = _churn(server, transport, count, bar(f"{transport}: {count} come and go", count))
            outcome.held[transport] = samples
            outcome.problems += [f"{transport}, coming and going: {each}" for each in problems]
    if "ws" in arguments.transports:
        _steps(arguments, outcome, folder / "many", bar)
    return outcome


def _steps(arguments: argparse.Namespace, outcome: Outcome, folder: Path, bar: Callable[[str, int], Tell]) -> None:
    """More and more people at once."""
    folder.mkdir()
    many = {"serve_max_sessions": "1000", "serve_processes": str(arguments.processes)}
    with free_engines() as engines, realtime_server(folder, **engines, **many) as server:
        talk = _talker(server, outcome, bar)
        for _ in range(arguments.processes):
            talk("ws", arguments.processes, 2)  # loads in each what its first session loads
        for sessions in [each for each in _STEPS if each <= arguments.sessions]:
            before, began = server.settled(), time.monotonic()
            step, figures = talk("ws", sessions, arguments.step_turns)
            outcome.steps.append(step)
            outcome.cpu.append((figures.cpu_s - before.cpu_s) / (time.monotonic() - began))
            outcome.memory_mb = memory_per_session(before.pss_mb, figures.pss_mb, sessions)


def _talker(
    server: RealtimeProcess, outcome: Outcome, bar: Callable[[str, int], Tell]
) -> Callable[[str, int, int], tuple[Latency, Figures]]:
    def talk(transport: str, sessions: int, turns: int) -> tuple[Latency, Figures]:
        title = f"{transport}: {sessions} session{'s' * (sessions != 1)}"
        found, figures, told = _people(server, transport, sessions, turns, bar(title, sessions * turns))
        outcome.problems += [f"{title}: {each}" for each in told["broken"]]
        outcome.rows += [row | {"transport": transport, "sessions": sessions} for row in told["rows"]]
        return found, figures

    return talk


def _parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.realtime", description=__doc__)
    parser.add_argument("--sessions", type=int, default=50, help="the largest step of 1, 10, 25, 50 (default 50)")
    cores = os.cpu_count() or 1
    parser.add_argument("--processes", type=int, default=cores, help=f"that hold them (default {cores}: the cores here)")
    parser.add_argument("--turns", type=int, default=30, help="of one session, for the latency (default 30)")
    parser.add_argument("--step-turns", type=int, default=6, help="of each session of a step (default 6)")
    parser.add_argument("--churn", type=int, default=500, help="sessions that come and go (default 500; a tenth over WebRTC)")
    parser.add_argument("--transports", nargs="+", choices=("ws", "webrtc"), default=["ws", "webrtc"])
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was taken there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw latency against sessions there (extra 'plot')")
    return parser.parse_args(words)


def main() -> int:
    """Exit status: 0, or 1 where something was left behind or a session broke."""
    arguments = _parsed()
    load = os.getloadavg()[0]
    console = Console() if sys.stdout.isatty() else Console(width=150)
    with tempfile.TemporaryDirectory() as folder, Progress(console=console, transient=True) as progress:
        outcome = _measure(arguments, progress, Path(folder))
    for table in tables(outcome):
        console.print(table)
    console.print(f"voicemode {commit(_ROOT)}, load {load:.1f} before, {os.getloadavg()[0]:.1f} after", highlight=False)
    for problem in [*outcome.leaks, *outcome.problems]:
        console.print(f"FAILED  {problem}", highlight=False, markup=False)
    if arguments.json is not None:
        told = asdict(outcome) | {"leaks": outcome.leaks, "load": [load, os.getloadavg()[0]], "commit": commit(_ROOT)}
        arguments.json.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
    if arguments.plot is not None:
        from bench.realtime_plot import draw  # matplotlib is no dependency

        draw(arguments.plot, outcome.steps)
    return int(bool(outcome.leaks or outcome.problems))


if __name__ == "__main__":
    raise SystemExit(main())
