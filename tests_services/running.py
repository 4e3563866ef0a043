"""Services in processes of their own, as people run them."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2

__all__ = ["CLIP", "SERVICES", "Running", "running"]

SERVICES = Path(__file__).parent.parent / "services"
CLIP = Path(__file__).parent.parent / "tests" / "clips" / "go_forward_ten_meters.wav"
"""A person says "go forward ten meters" in 2.8 s; 16 kHz 16-bit mono."""

_START_S = 30


class Running:
    """One service. ``log`` is what it has written so far."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.process, self.port, self._log = process, port, log

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self._log.read_text()

    def health(self) -> dict[str, object]:
        """What it tells of itself."""
        found: dict[str, object] = httpx2.get(f"{self.url}/health", timeout=10).json()
        return found

    def idle(self, within_s: float = 10) -> bool:
        """Whether it has nothing left to do in time."""
        deadline = time.monotonic() + within_s
        while self.health()["jobs"]:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def open_files(self) -> int:
        """Descriptors of the process."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def resident_kb(self) -> int:
        """Memory of the process."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS"))


@contextlib.contextmanager
def running(module: str, folder: Path, arguments: Sequence[str], *, env: dict[str, str] | None = None) -> Iterator[Running]:
    """``python -m module`` on a free port, up when the block begins and gone when it ends. ``folder`` takes its log."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = folder / f"{module}-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", module, "--port", str(port), *arguments],
            env={**_bare(), "PYTHONPATH": str(SERVICES), "VOICEMODE_BASE_DIR": str(folder), **(env or {})},
            stdout=out,
            stderr=out,
        )
    service = Running(process, port, log)
    try:
        _await(service)
        yield service
    finally:
        process.terminate()
        try:
            process.wait(10)
        finally:
            process.kill()


def _bare() -> dict[str, str]:
    """The environment without a person's own settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith("VOICEMODE_")}


def _await(service: Running) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            service.health()
        except httpx2.HTTPError:
            if service.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"it did not start: {service.log}") from None
            time.sleep(0.05)
        else:
            return
