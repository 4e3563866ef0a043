"""``voicemode serve`` in a process of its own, what it holds, and the services that a measurement puts behind it."""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import psutil

__all__ = ["KEY", "Figures", "RealtimeProcess", "free_engines", "free_port", "realtime_server"]

KEY = "a-token-of-the-measurements"

_ROOT = Path(__file__).parents[1]
_START_S, _STOP_S, _SETTLE_S, _POLL_S = 60.0, 15.0, 10.0, 0.05
_PORT = re.compile(r":(\d+)/")
_GAUGE = re.compile(rb"^(voicemode_sessions|voicemode_tasks|voicemode_processes) ([0-9.e+]+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a server holds at one moment, all its processes together."""

    rss_mb: float
    pss_mb: float
    """Its share of what it has in common with others counted in part; like rss where the system does not tell."""
    fds: int
    """But for the connections to engines, which are pooled and kept for a minute."""
    threads: int
    sessions: int
    tasks: int
    """Of asyncio."""
    cpu_s: float
    """Used since they began."""
    processes: int
    """That hold conversations."""


class RealtimeProcess:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, folder: Path, engine_ports: frozenset[int]) -> None:
        self.process, self.port, self._log, self._engine_ports = process, port, folder / "serve.log", engine_ports
        self.base = folder / "base"
        """Its VOICEMODE_BASE_DIR."""
        self._seen = psutil.Process(process.pid)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def socket_url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime?model=gpt-realtime"

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {KEY}"}

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text("utf-8", "replace")

    @property
    def lives(self) -> bool:
        return self.process.poll() is None

    def figures(self) -> Figures:
        """As they are now; a scrape of /metrics among it."""
        with urlopen(Request(f"{self.url}/metrics", headers=self.headers), timeout=10) as answer:
            gauges = {name.decode(): float(value) for name, value in _GAUGE.findall(answer.read())}
        processes = [self._seen, *self._seen.children(recursive=True)]
        memories = [each.memory_full_info() for each in processes]
        times = [each.cpu_times() for each in processes]
        return Figures(
            rss_mb=sum(each.rss for each in memories) / 1e6,
            pss_mb=sum(getattr(each, "pss", each.rss) for each in memories) / 1e6,
            fds=sum(each.num_fds() - self._pooled(each) for each in processes),
            threads=sum(each.num_threads() for each in processes),
            sessions=round(gauges["voicemode_sessions"]),
            tasks=round(gauges["voicemode_tasks"]),
            cpu_s=sum(each.user + each.system for each in times),
            processes=round(gauges["voicemode_processes"]),
        )

    def settled(self, tasks: int | None = None) -> Figures:
        """When nobody is there any more, or after ten seconds; ``tasks`` are those that it had when nobody was there before."""
        deadline = time.monotonic() + _SETTLE_S
        while True:
            figures = self.figures()
            over = not figures.sessions and (tasks is None or figures.tasks <= tasks)
            if over or time.monotonic() > deadline:
                return figures
            time.sleep(_POLL_S)

    def _pooled(self, process: psutil.Process) -> int:
        ends = (connection.raddr for connection in process.net_connections("tcp"))
        return sum(bool(end) and end.port in self._engine_ports for end in ends)


@contextlib.contextmanager
def realtime_server(folder: Path, **settings: str) -> Iterator[RealtimeProcess]:
    """Ready, all of its processes, while the block runs. ``settings`` are variables without VOICEMODE_, in lower case."""
    port = free_port()
    chosen = {
        "base_dir": str(folder / "base"),
        "serve_port": str(port),
        "serve_token": KEY,
        "discovery": "false",
        "builtin": "false",
        "start_services": "false",
        "turn_scorer": "prosody",
    } | settings
    own = {name: value for name, value in os.environ.items() if not name.startswith("VOICEMODE_")}
    environment = own | {f"VOICEMODE_{name.upper()}": value for name, value in chosen.items()}
    command = [sys.executable, "-m", "voicemode", "serve"]
    with (folder / "serve.log").open("wb") as out:
        process = subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=out, stderr=out)
    try:
        engine_ports = frozenset(
            int(found) for name, value in chosen.items() if name.endswith("_urls") for found in _PORT.findall(value)
        )
        server = RealtimeProcess(process, port, folder, engine_ports)
        _await(server)
        _await_processes(server, int(chosen.get("serve_processes", "1")))
        yield server
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def free_engines() -> Iterator[dict[str, str]]:
    """The settings that name them."""
    with _told_its_port([sys.executable, "-m", "bench.free_engines"]) as port:
        url = f"http://127.0.0.1:{port}/v1"
        yield {"tts_base_urls": url, "stt_base_urls": url, "chat_base_urls": url, "chat_models": "free"}


@contextlib.contextmanager
def _told_its_port(command: Sequence[str]) -> Iterator[int]:
    """A process that prints its port, and leaves when its standard input ends."""
    process = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(json.loads(process.stdout.readline()))
    finally:
        process.stdin.close()
        try:
            process.wait(_STOP_S)
        finally:
            process.kill()
            process.wait()
        process.stdout.close()


def _await(server: RealtimeProcess) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            urlopen(f"{server.url}/readyz", timeout=5).close()
        except (URLError, OSError) as error:
            if not server.lives or time.monotonic() > deadline:
                raise RuntimeError(f"it did not start ({error}): {server.log}") from None
            time.sleep(_POLL_S)
        else:
            return


def _await_processes(server: RealtimeProcess, count: int) -> None:
    deadline = time.monotonic() + _START_S
    while server.figures().processes < count:
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of its {count} processes started: {server.log}")
        time.sleep(_POLL_S)


def free_port() -> int:
    """One that nobody listens on now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
