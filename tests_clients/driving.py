"""Runs a driver, which is a program around one vendor's client, and reads what it saw."""

from __future__ import annotations

import json
import os
import subprocess
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soxr

from voicemode.audio import Samples

__all__ = ["CLIPS", "ROOT", "Refused", "Seen", "clip", "driven", "ordered", "refused"]

ROOT = Path(__file__).parents[1]
CLIPS = ROOT / "tests" / "clips"

_RATE = 24_000
_DRIVERS = ROOT / "tests_clients" / "drivers"
_PYTHON = ROOT / ".venv-clients" / "bin" / "python"
_NODE_MODULES = ROOT / "tests_clients" / "node_modules"
_DEADLINE_S = 100.0
"""For a whole conversation, start of the client included."""
_VALIDATION_S = 60.0
_PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "VOICEMODE_TESTS_CHROMIUM")
_SET_UP = "Run scripts/setup_clients.sh, or leave these tests out with CLIENTS=no."


@dataclass(frozen=True, slots=True)
class Seen:
    """What a driver told, in order."""

    lines: tuple[dict[str, Any], ...]
    heard: Path
    log: str
    """What the client wrote to standard error."""

    def all(self, what: str) -> list[dict[str, Any]]:
        """Each thing of a kind."""
        return [line for line in self.lines if line["saw"] == what]

    def texts(self, what: str) -> list[str]:
        """The words of each thing of a kind, without blanks at their ends."""
        return [str(line["text"]).strip() for line in self.all(what) if str(line["text"]).strip()]

    def sound(self) -> Samples:
        """All that the person heard: 24 kHz mono."""
        with wave.open(str(self.heard)) as wav:
            return np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2").astype(np.int16)


@dataclass(frozen=True, slots=True)
class Refused:
    """An event that a vendor's types refuse."""

    by: str
    type: str
    error: str


def clip(name: str, folder: Path) -> Path:
    """A clip of human speech as a client sends it: 24 kHz."""
    with wave.open(str(CLIPS / f"{name}.wav")) as wav:
        said = np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2").astype(np.int16)
        samples = np.asarray(soxr.resample(said, wav.getframerate(), _RATE), dtype="<i2")
    path = folder / f"{name}.wav"
    with wave.open(str(path), "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(_RATE)
        wav.writeframes(samples.tobytes())
    return path


def driven(driver: str, url: str, key: str, folder: Path) -> Seen:
    """Hold the conversation with the server at ``url``; ``driver`` is a file among the drivers."""
    heard = folder / "heard.wav"
    clips = [("--first", clip("go_forward_ten_meters", folder)), ("--second", clip("seven_of_clubs", folder))]
    arguments = [str(part) for pair in [("--url", url), ("--key", key), *clips, ("--heard", heard)] for part in pair]
    return _seen(driver, arguments, heard)


def ordered(driver: str, url: str, key: str, **orders: object) -> Seen:
    """Let a driver do what ``orders`` say, which it gets as JSON. Nothing is heard."""
    given = [part for name, order in orders.items() for part in (f"--{name}", json.dumps(order))]
    return _seen(driver, ["--url", url, "--key", key, *given], Path(os.devnull))


def _seen(driver: str, arguments: Sequence[str], heard: Path) -> Seen:
    done = _run([*_interpreter(driver), str(_DRIVERS / driver), *arguments], "", _DEADLINE_S)
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith('{"saw"')]
    return Seen(tuple(lines), heard, done.stderr)


def refused(events: Sequence[dict[str, Any]]) -> list[Refused]:
    """What the types of ``openai``, ``openai-agents`` and ``@openai/agents`` hold against server events."""
    lines = "\n".join(json.dumps(event) for event in events)
    found = []
    for name in ("validate_events.py", "validate_events.mjs"):
        done = _run([*_interpreter(name), str(_DRIVERS / name)], lines, _VALIDATION_S)
        assert done.returncode == 0, done.stderr
        rows = [json.loads(line) for line in done.stdout.splitlines()]
        found += [Refused(row["by"], row["type"], row["error"]) for row in rows]
    return found


def _interpreter(program: str) -> list[str]:
    """Of its language. AssertionError where it was not set up."""
    if program.endswith(".py"):
        assert _PYTHON.exists(), f"{_PYTHON} is not there. {_SET_UP}"
        return [str(_PYTHON)]
    assert _NODE_MODULES.exists(), f"{_NODE_MODULES} is not there. {_SET_UP}"
    return ["node"]


def _run(command: list[str], given: str, seconds: float) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
    return subprocess.run(
        command, input=given, capture_output=True, text=True, timeout=seconds, env=kept, cwd=ROOT, check=False
    )
