"""``python -m voicemode.supervise.process_main FOLDER``: keep one service running, away from any terminal.

A small process of its own (16 MB, asleep while nothing happens) that starts what ``FOLDER/launch.json`` says, writes its output
into bounded logs, and starts it again when it ends by itself. SIGTERM ends both. What it knows is in ``FOLDER/state.json``.
"""

from __future__ import annotations

import os
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from voicemode.supervise.logs import RotatedLog
from voicemode.supervise.private import read_json, write_json
from voicemode.supervise.processes import ProcessId, end_group
from voicemode.supervise.restarts import Restarts

__all__ = ["LAUNCH", "STATE", "STOP_GRACE_S", "Keeper", "main"]

LAUNCH = "launch.json"
"""What to start: command, environment (with secrets, so 0600), log. Written by ``process``."""
STATE = "state.json"
"""The PID file, and more: which process keeps the service, which one is the service, and how it fares."""
STOP_GRACE_S = 5.0
"""Seconds a service may take to end by itself; ours take 2 at most."""
_LINE_BYTES = 64 * 1024
_LAST_LINES = 3
"""How much of a service's last words is told."""
_STOP = "stop"


class Keeper:
    """Runs one service until it is told to stop, or until starting it again is of no use."""

    def __init__(self, folder: Path, launch: Mapping[str, Any]) -> None:
        self._folder, self._launch = folder, launch
        self._log = RotatedLog(Path(launch["log"]))
        self._events: queue.SimpleQueue[int | str] = queue.SimpleQueue()
        """Either _STOP or the status with which the service ended."""
        self._words: deque[str] = deque(maxlen=_LAST_LINES)
        self._restarts = Restarts()
        self._error = ""
        self._me = ProcessId.of(os.getpid())

    def stop(self) -> None:
        """End the service, then ``run``. May be called in a signal handler."""
        self._events.put(_STOP)

    def run(self) -> int:
        """Keep it running; the exit status: 0 when it was stopped, 1 when it was given up."""
        while True:
            began = time.monotonic()
            try:
                child = self._start()
            except OSError as error:
                return self._give_up(f"it cannot be started: {error.strerror} ({error.filename})")
            event = self._events.get()
            if isinstance(event, str):
                self._end(child)
                self._note("stopped")
                return 0
            self._error = _why(event, self._words)
            pause_s = self._restarts.pause_after(event, time.monotonic() - began, random.random())  # noqa: S311  (no secret)
            if pause_s is None:
                return self._give_up(self._error)
            self._note("restarting")
            if self._told_to_stop(pause_s):
                self._note("stopped")
                return 0

    def _start(self) -> subprocess.Popen[bytes]:
        self._words.clear()
        child = subprocess.Popen(  # noqa: S603  (the command that install wrote)
            self._launch["command"],
            env=self._launch["environment"],
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # its children are found by its group
        )
        assert child.stdout is not None  # noqa: S101 - narrows the type: it is a pipe
        reading = threading.Thread(target=self._read, args=(child.stdout,), daemon=True)
        reading.start()
        threading.Thread(target=self._wait, args=(child, reading), daemon=True).start()
        self._note("running", ProcessId.of(child.pid))
        return child

    def _read(self, pipe: BinaryIO) -> None:
        with pipe:
            for line in iter(lambda: pipe.readline(_LINE_BYTES), b""):
                text = line.decode(errors="replace").strip()
                if text:
                    self._words.append(text)
                try:
                    self._log.write(line)
                except OSError:
                    continue  # the disk is full: better a service without a log than none

    def _wait(self, child: subprocess.Popen[bytes], reading: threading.Thread) -> None:
        status = child.wait()
        end_group(child.pid)  # a child that outlived it would hold its port
        reading.join(1.0)  # its last words say why
        self._events.put(status)

    def _end(self, child: subprocess.Popen[bytes]) -> None:
        child.terminate()
        deadline = time.monotonic() + STOP_GRACE_S
        while True:
            try:
                event = self._events.get(timeout=max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                child.kill()
                deadline = time.monotonic() + STOP_GRACE_S
                continue
            if not isinstance(event, str):
                return

    def _told_to_stop(self, pause_s: float) -> bool:
        try:
            self._events.get(timeout=pause_s)
        except queue.Empty:
            return False
        return True

    def _give_up(self, why: str) -> int:
        self._error = why
        self._note("failed")
        return 1

    def _note(self, life: str, child: ProcessId | None = None) -> None:
        state: dict[str, Any] = {
            "life": life,
            "supervisor": self._me.as_json() if self._me is not None else None,
            "child": child.as_json() if child is not None else None,
            "restarts": self._restarts.count,
            "last_error": self._error,
            "noted_at": time.time(),
        }
        try:
            write_json(self._folder / STATE, state)
        except OSError:
            return  # the disk is full, or the folder was removed: what matters is that the service runs


def _why(status: int, words: deque[str]) -> str:
    """How it ended, and its last words."""
    try:
        how = f"it was ended by {signal.Signals(-status).name}" if status < 0 else f"it ended with status {status}"
    except ValueError:
        how = f"it was ended by signal {-status}"
    return f"{how}: {' | '.join(words)}" if words else how


def _leave_terminal() -> bool:
    """Become a process of nobody's session; whether this is the one that goes on."""
    if not hasattr(os, "fork"):
        return True
    if os.fork():
        return False
    os.setsid()
    return True


def main(arguments: list[str] | None = None) -> int:
    """The exit status; that of the process that was started is 0 at once."""
    folder = Path((sys.argv[1:] if arguments is None else arguments)[0])
    if not _leave_terminal():
        return 0
    keeper = Keeper(folder, read_json(folder / LAUNCH))
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: keeper.stop())
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
    return keeper.run()


if __name__ == "__main__":
    sys.exit(main())
