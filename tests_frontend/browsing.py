"""Runs a driver, which is a browser at the page, and reads what it saw."""

from __future__ import annotations

import json
import os
import re
import subprocess
import time
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from voicemode.audio import Samples
from voicemode.http.page import FOLDER

__all__ = ["ROOT", "Seen", "driven", "link_in", "microphone"]

ROOT = Path(__file__).parents[1]
_CLIPS = ROOT / "tests" / "clips"
_DRIVERS = ROOT / "tests_frontend" / "drivers"
_NODE_MODULES = ROOT / "tests_clients" / "node_modules"
_DEADLINE_S = 150.0
_PASSED_ON = (
    *("PATH", "HOME", "LANG", "TMPDIR", "VOICEMODE_TESTS_CHROMIUM", "VOICEMODE_TESTS_FIREFOX"),
    *("PULSE_SERVER", "PULSE_RUNTIME_PATH", "PULSE_SINK", "PULSE_SOURCE"),
)
_LINK = re.compile(r"http://\S+/#key=\S+")
_RATE = 16_000
"""Of the clips."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a driver told, in order."""

    lines: tuple[dict[str, Any], ...]
    heard: Path
    log: str
    """What it wrote to standard error."""

    def all(self, what: str) -> list[dict[str, Any]]:
        """Each thing of a kind."""
        return [line for line in self.lines if line["saw"] == what]

    def one(self, what: str) -> dict[str, Any]:
        """The one thing of a kind."""
        (line,) = self.all(what)
        return line

    def sound(self) -> tuple[Samples, int]:
        """All that the page played, and its rate."""
        with wave.open(str(self.heard)) as wav:
            return np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2").astype(np.int16), wav.getframerate()


def link_in(log: Path) -> str:
    """The link that ``voicemode serve`` prints."""
    deadline = time.monotonic() + 10
    while (found := _LINK.search(log.read_text())) is None:
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[0]


def microphone(path: Path, said: Sequence[tuple[float, str]]) -> Path:
    """A file that says clips, each after so many seconds of silence, and is silent long enough afterwards."""
    parts = []
    for pause_s, name in [*said, (60.0, "")]:
        parts.append(np.zeros(round(pause_s * _RATE), np.int16))
        if name:
            with wave.open(str(_CLIPS / f"{name}.wav")) as wav:
                assert wav.getframerate() == _RATE
                parts.append(np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2").astype(np.int16))
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(_RATE)
        wav.writeframes(np.concatenate(parts).astype("<i2").tobytes())
    return path


def driven(driver: str, folder: Path, *, within_s: float = _DEADLINE_S, **arguments: object) -> Seen:
    """Run one; ``driver`` is a file among the drivers."""
    assert (FOLDER / "index.html").exists(), "The page is not built. Run make page."
    assert _NODE_MODULES.exists(), f"{_NODE_MODULES} is not there. Run scripts/setup_clients.sh."
    given = {"heard": folder / "heard.wav", **arguments}
    command = ["node", str(_DRIVERS / driver), *(str(part) for name, value in given.items() for part in (f"--{name}", value))]
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    done = subprocess.run(command, capture_output=True, text=True, timeout=within_s, env=kept, cwd=ROOT, check=False)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"saw"')]
    return Seen(tuple(lines), folder / "heard.wav", done.stderr)
