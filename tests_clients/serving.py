"""``voicemode serve`` in a process of its own, as people run it, before stubs of what costs weights or money.

The voice is the speech stub's; what hears and what answers is ``endpoint_stub``.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

from tests.stubs.client import SpeechStub
from tests_clients.driving import ROOT

__all__ = ["KEY", "Served", "endpoint_stub", "served"]

KEY = "a-token-of-the-tests-of-clients"

_FASTER_THAN_SPEECH = 2.0
"""At which the voice is made, so that an answer is still under way when the person talks into it."""
_START_S = 30.0
_STOP_S = 15.0
_POLL_S = 0.05


class Served:
    """A running server."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, endpoint: str, log: Path) -> None:
        self.process, self.port, self._endpoint, self._log = process, port, endpoint, log

    @property
    def log(self) -> str:
        """What it has written so far."""
        return self._log.read_text()

    def chats(self) -> list[dict[str, Any]]:
        """The bodies that the chat endpoint was asked with, oldest first."""
        with urlopen(f"{self._endpoint}/chats", timeout=5) as answer:
            bodies: list[dict[str, Any]] = json.load(answer)
        return bodies


@contextlib.contextmanager
def served(folder: Path, **settings: str) -> Iterator[Served]:
    """Ready when the block begins and gone when it ends. ``settings`` are variables without VOICEMODE_, in lower case."""
    with SpeechStub(sites=1) as speech, endpoint_stub() as endpoint:
        speech.configure(voice="numbers", rate_x=_FASTER_THAN_SPEECH)
        chosen = {
            "base_dir": str(folder / "base"),
            "serve_port": str(_free_port()),
            "serve_token": KEY,
            "discovery": "false",
            "tts_base_urls": speech.url,
            "stt_base_urls": f"{endpoint}/v1",
            "chat_base_urls": f"{endpoint}/v1",
            "chat_models": "stub-chat",
        } | settings
        with _process(folder / "serve.log", chosen) as process:
            server = Served(process, int(chosen["serve_port"]), endpoint, folder / "serve.log")
            _await(server)
            yield server


@contextlib.contextmanager
def _process(log: Path, settings: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    own = {name: value for name, value in os.environ.items() if not name.startswith("VOICEMODE_")}
    environment = own | {f"VOICEMODE_{name.upper()}": value for name, value in settings.items()}
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "voicemode", "serve"], cwd=ROOT, env=environment, stdout=out, stderr=out
        )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        finally:
            process.kill()


@contextlib.contextmanager
def endpoint_stub() -> Iterator[str]:
    """Its address."""
    command = [sys.executable, "-m", "tests_clients.endpoint_stub"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.stdin.close()
        try:
            process.wait(_STOP_S)
        finally:
            process.kill()
        process.stdout.close()


def _await(server: Served) -> None:
    deadline = time.monotonic() + _START_S
    while True:
        try:
            urlopen(f"http://127.0.0.1:{server.port}/readyz", timeout=5).close()
        except (URLError, OSError):
            if server.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"it did not start: {server.log}") from None
            time.sleep(_POLL_S)
        else:
            return


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        assert isinstance(port, int)
        return port
