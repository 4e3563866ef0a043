"""From nothing to a conversation: the Whisper service is installed, started, found, killed, back, and gone without a trace.

Everything is real but the weights: the packages come from the registry, the model is a fixture whose text is chosen.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CLIP = ROOT / "tests" / "clips" / "go_forward_ten_meters.wav"
SERVICES_PYTHON = ROOT / ".venv-services" / "bin" / "python"
WORDS = "the harbour is quiet tonight"
PORT = 2022
"""Of Whisper, wherever it is found without being configured."""

pytestmark = pytest.mark.timeout(400)


class Person:
    """Somebody with a home of their own who uses the command line."""

    def __init__(self, home: Path) -> None:
        self.home = home
        kept = {name: os.environ[name] for name in os.environ if name.startswith(("PIP_", "SSL_", "LANG"))}
        # Not the PATH of a developer: pip asks rustc for its version, and rustup then makes files in this home.
        self.env = {**kept, "HOME": str(home), "PATH": "/usr/bin:/bin"}

    def says(self, *arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "voicemode", *arguments]
        return subprocess.run(
            command, env=self.env, cwd=self.home, capture_output=True, text=True, timeout=timeout, check=False
        )

    def asks(self, *arguments: str, timeout: float = 60) -> Any:
        """What a command prints as JSON; it must not fail."""
        done = self.says(*arguments, "--json", timeout=timeout)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def status(self) -> dict[str, Any]:
        status = self.asks("service", "status", "whisper")
        assert isinstance(status, dict)
        return status

    def waits_for(self, state: Callable[[dict[str, Any]], bool], deadline_s: float = 30) -> dict[str, Any]:
        end = time.monotonic() + deadline_s
        while not state(status := self.status()):
            assert time.monotonic() < end, status
        return status


@pytest.fixture
def person(tmp_path: Path) -> Iterator[Person]:
    """Their services are stopped whatever becomes of the test."""
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", PORT)) == 0:
            pytest.skip(f"port {PORT} is taken on this machine")
    if not SERVICES_PYTHON.exists():
        if "CI" in os.environ:
            pytest.fail("CI must have .venv-services: scripts/setup.sh services")
        pytest.skip("no .venv-services to make the fixture with: scripts/setup.sh services")
    home = tmp_path / "home"
    home.mkdir()
    somebody = Person(home)
    yield somebody
    somebody.says("service", "uninstall", "whisper")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A fixture that hears the same words whatever is said."""
    folder = tmp_path / "whisper-fixture"
    script = (
        "import sys; from pathlib import Path\n"
        "from tests_services.fixtures.whisper_model import Line, make_whisper_fixture\n"
        f"make_whisper_fixture(Path(sys.argv[1]), lines=[Line({' ' + WORDS!r}, 0.0, 2.0)])"
    )
    subprocess.run([SERVICES_PYTHON, "-c", script, folder], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True)
    return folder


def files_of(home: Path) -> set[str]:
    return {str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()}


def test_whisper_is_installed_used_killed_back_and_removed(person: Person, model: Path) -> None:
    """By the commands a person types, without one line of configuration."""
    before = files_of(person.home)
    installed = person.says("service", "install", "whisper", "--model", str(model), "--yes", timeout=300)
    assert installed.returncode == 0, installed.stderr
    started = person.says("service", "start", "whisper", timeout=90)
    assert started.returncode == 0, started.stderr
    status = person.status()
    assert status["state"] == "running"
    assert status["healthy"] is True
    assert status["port"] == PORT

    answer = person.asks("converse", "Where are you?", "--in", str(CLIP), "--out", "reply.wav")
    assert answer["text"].strip(" .").lower() == WORDS
    assert answer["engines"]["stt"] == f"http://127.0.0.1:{PORT}/v1"

    os.kill(status["pid"], signal.SIGKILL)
    back = person.waits_for(lambda now: now["healthy"] is True and now["pid"] not in (None, status["pid"]))
    assert back["state"] == "running"

    removed = person.says("service", "uninstall", "whisper", timeout=60)
    assert removed.returncode == 0, removed.stderr
    (person.home / "reply.wav").unlink()
    for own in ("run", "turns"):  # what converse itself leaves: how endpoints are, and the course of its turns
        shutil.rmtree(person.home / ".voicemode" / own, ignore_errors=True)
    assert files_of(person.home) == before
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", PORT)) != 0
