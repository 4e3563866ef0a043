"""Starts the stub speech server and gives it orders."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from http.client import HTTPConnection
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["SpeechStub"]

_ROOT = Path(__file__).parents[2]
_DEADLINE_S = 20.0


class SpeechStub:
    """The stub in a process of its own, from ``start`` (or ``with``) to ``stop``. Its calls block for a millisecond."""

    def __init__(self, sites: int = 2, ports: Sequence[int] = (), *, through: Sequence[str] = (), **behaviour: Any) -> None:
        """``ports`` are those of the first sites; the others take free ones. ``behaviour`` is that of all sites at first.

        ``through`` is a command that runs the stub; one in another network takes no orders from here.
        """
        self._through = through
        self._sites, self._wanted, self._behaviour = sites, ",".join(map(str, ports)), behaviour
        self._process: subprocess.Popen[str] | None = None
        self._ports: list[int] = []
        self._admin = 0

    @property
    def urls(self) -> tuple[str, ...]:
        """The base address of each site: "http://127.0.0.1:PORT/v1"."""
        return tuple(f"http://127.0.0.1:{port}/v1" for port in self._ports)

    @property
    def url(self) -> str:
        """The base address of the first site."""
        return self.urls[0]

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self) -> Self:
        self._process = subprocess.Popen(
            [
                *self._through,
                sys.executable,
                "-m",
                "tests.stubs.speech_server",
                "--sites",
                str(self._sites),
                "--ports",
                self._wanted,
                "--behaviour",
                json.dumps(self._behaviour),
            ],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        ports = json.loads(self._process.stdout.readline())
        self._ports, self._admin = ports["sites"], ports["admin"]
        return self

    def stop(self) -> None:
        """End its standard input, then wait. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def configure(self, site: int = 0, **behaviour: Any) -> None:
        """Change some of a site's Behaviour; the rest stays as it is."""
        self._ask("POST", "/configure", {"site": site, **behaviour})

    def reset(self) -> None:
        """Default behaviour everywhere, no events, no uploads."""
        self._ask("POST", "/reset", {})

    def events(self, kind: str | None = None, site: int | None = None) -> list[dict[str, Any]]:
        """What happened, in order of arrival. ``kind`` is "tts", "stt", "models" or "voices"."""
        events: list[dict[str, Any]] = json.loads(self._ask("GET", "/events"))
        return [e for e in events if kind in (None, e["kind"]) and site in (None, e["site"])]

    def uploads(self) -> list[bytes]:
        """The sound of every transcription, in order of arrival."""
        return [self._ask("GET", f"/uploads/{e['id']}") for e in self.events("stt") if "at_body" in e]

    def wait_for(self, what: Callable[[list[dict[str, Any]]], bool], deadline_s: float = 5.0) -> list[dict[str, Any]]:
        """The events once ``what`` holds of them; fails when it does not in time.

        It blocks: an event loop that is to bring them about must run it in a thread.
        """
        end = time.monotonic() + deadline_s
        while not what(events := self.events()):
            if time.monotonic() > end:
                raise AssertionError(f"not within {deadline_s} s; events: {events}")
            time.sleep(0.01)
        return events

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def _ask(self, method: str, path: str, order: dict[str, Any] | None = None) -> bytes:
        connection = HTTPConnection("127.0.0.1", self._admin, timeout=_DEADLINE_S)
        try:
            connection.request(method, path, None if order is None else json.dumps(order))
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200:
                raise ValueError(body.decode())
            return body
        finally:
            connection.close()
