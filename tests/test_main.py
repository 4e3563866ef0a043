"""The command ``voicemode``: a server for programs, a command line for people."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

import voicemode

_LIST_MODULES = """
import sys
sys.argv = ["voicemode", *sys.argv[1:]]
from voicemode.__main__ import main
status = main()
print(status, *sorted(name for name in sys.modules if "." not in name), file=sys.stderr)
"""


def environment(home: Path) -> dict[str, str]:
    """A person's machine on which nothing was set up."""
    return {"HOME": str(home), "PATH": os.environ["PATH"], "PULSE_SERVER": "unix:/nonexistent", "COLUMNS": "100"}


def start(home: Path, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """Run the command as a program does, with a pipe for standard input."""
    command = [sys.executable, "-m", "voicemode", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, env=environment(home), cwd=home, timeout=60)


@pytest.mark.parametrize("arguments", [[], ["mcp"]])
def test_a_server_loads_neither_the_command_line_nor_the_sound_stack(tmp_path: Path, arguments: list[str]) -> None:
    """Every open editor window waits for it. (rich is not among these: the MCP SDK loads it by itself.)"""
    ended = subprocess.run(
        [sys.executable, "-c", _LIST_MODULES, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        env=environment(tmp_path),
        cwd=tmp_path,
        timeout=60,
    )
    status, *modules = ended.stderr.split()
    assert status == "0"
    assert "mcp" in modules
    assert {"typer", "numpy", "sounddevice", "soxr", "av"} & set(modules) == set()


def test_a_program_that_starts_it_without_arguments_talks_mcp(tmp_path: Path) -> None:
    """Standard output carries the protocol and nothing else."""
    ask = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}},
    }
    ended = start(tmp_path, stdin=json.dumps(ask) + "\n")
    (answer,) = [json.loads(line) for line in ended.stdout.splitlines()]
    assert answer["result"]["serverInfo"]["name"] == "voicemode"


def test_a_person_who_starts_it_without_arguments_gets_the_help(tmp_path: Path) -> None:
    """On a terminal there is no MCP client to talk with."""
    here, there = pty.openpty()
    try:
        command = [sys.executable, "-m", "voicemode"]
        ended = subprocess.run(
            command, stdin=there, capture_output=True, text=True, env=environment(tmp_path), cwd=tmp_path, timeout=60
        )
    finally:
        os.close(here)
        os.close(there)
    assert "Usage:" in ended.stdout + ended.stderr
    assert "doctor" in ended.stdout + ended.stderr


def test_the_version_is_told(tmp_path: Path) -> None:
    """One line for people and bug reports."""
    ended = start(tmp_path, "--version")
    assert (ended.returncode, ended.stdout) == (0, f"voicemode {voicemode.__version__}\n")


def test_a_wrong_setting_stops_the_server_with_one_sentence(tmp_path: Path) -> None:
    """The sentence goes to standard error, where clients show it; nothing goes onto the wire."""
    (tmp_path / ".voicemode.env").write_text("VOICEMODE_TTS_SPEED=9\n")
    ended = start(tmp_path, "mcp")
    assert (ended.returncode, ended.stdout) == (2, "")
    (line,) = ended.stderr.splitlines()
    assert "VOICEMODE_TTS_SPEED" in line
    assert ".voicemode.env:1" in line


def test_a_shell_that_completes_is_no_mcp_client(tmp_path: Path) -> None:
    """Some shells ask with a pipe for standard input and without arguments."""
    asking = {"_VOICEMODE_COMPLETE": "complete_bash", "COMP_WORDS": "voicemode con", "COMP_CWORD": "1"}
    ended = subprocess.run(
        [sys.executable, "-m", "voicemode"],
        input="",
        capture_output=True,
        text=True,
        env={**environment(tmp_path), **asking},
        cwd=tmp_path,
        timeout=60,
    )
    assert ended.stdout.split() == ["converse", "control", "config"]
