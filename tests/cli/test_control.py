"""``voicemode control``: from a key to the conversation, quickly, and with a word when there is none."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli.running import CommandLine
from voicemode.cli import hotkey
from voicemode.cli.hotkey import press
from voicemode.load_config import load_settings
from voicemode.wire.control import ControlAction, ControlAnswer

_CONVERSATION = """
import asyncio, sys
from pathlib import Path
from voicemode.runtime.control import ControlServer
from voicemode.wire.control import ControlAction, ControlAnswer, ControlState

class Conversation:
    async def control(self, action):
        done = action is not ControlAction.RESUME
        return ControlAnswer(done, ControlState.SPEAKING, str(action) if done else "nothing is \\x1b[31mpaused")

async def main():
    await ControlServer(Path(sys.argv[1]), Conversation()).start()
    print("open", flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


@pytest.fixture
def command() -> Iterator[CommandLine]:
    """The command line, with a home whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="vm") as home:
        yield CommandLine(Path(home))


@contextmanager
def talking(base_dir: Path) -> Iterator[int]:
    """A conversation that goes on; gives its process."""
    with subprocess.Popen([sys.executable, "-c", _CONVERSATION, base_dir], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            yield process.pid
        finally:
            process.kill()


def test_each_command_asks_for_its_action(command: CommandLine) -> None:
    """And tells the state and what was done; the exit status says whether it was."""
    with talking(command.home / ".voicemode") as pid:
        for arguments in ("pause", "stop", "skip", "status", "talk", "talk --start", "talk --end"):
            ended = command("control", *arguments.split())
            action = arguments.replace(" --", "_")
            assert (ended.stdout, ended.stderr, ended.returncode) == (f"speaking: {action}\n", "", 0)
        told = {"status": "ok", "state": "speaking", "detail": "talk_end", "pid": pid}
        assert command.json("control", "talk", "--end") == told
        refused = command("control", "resume")
        assert (refused.stdout, refused.returncode) == ("speaking: nothing is  [31mpaused\n", 1)


def test_where_nobody_talks_that_is_said(command: CommandLine) -> None:
    """With an exit status for scripts; to ask for the state is no mistake."""
    ended = command("control", "pause")
    assert (ended.stdout, ended.returncode) == ("", 1)
    assert ended.stderr == "voicemode: Nobody is talking. Try it while an agent speaks or listens.\n"
    assert command.json("control", "pause")["code"] == "nobody_talking"
    assert command.json("control", "status") == {"status": "ok", "state": "idle", "detail": "", "pid": None}
    assert not (command.home / ".voicemode").exists()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("louder", "No such command 'louder'"),
        ("pause now", "unexpected extra argument"),
        ("pause --start", "No such option"),
        ("talk --start --end", "goes down or up"),
        ("talk_start", "No such command"),
    ],
)
def test_mistakes_are_told_as_everywhere(command: CommandLine, arguments: str, told: str) -> None:
    """By the whole command line, with status 2."""
    ended = command("control", *arguments.split())
    assert ended.returncode == 2
    assert told in " ".join(ended.stderr.split())


@pytest.mark.parametrize("arguments", ["--help", "talk --help"])
def test_help_shows_what_there_is(command: CommandLine, arguments: str) -> None:
    """As for every command."""
    ended = command("control", *arguments.split())
    assert ended.returncode == 0
    assert "Usage: voicemode control" in ended.stdout


def test_a_key_loads_nothing_that_takes_time(command: CommandLine) -> None:
    """Neither the command line, nor the settings, nor the MCP SDK, nor asyncio: what is pressed acts at once."""
    script = "import sys; sys.argv[1:] = ['control', 'pause']; from voicemode.__main__ import main; main(); "
    script += "print(*sorted(name.partition('.')[0] for name in sys.modules))"
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=command.home, env=command.environment(), timeout=60
    )
    loaded = set(ended.stdout.split())
    assert "voicemode" in loaded
    assert loaded.isdisjoint({"typer", "rich", "pydantic", "mcp", "asyncio", "numpy", "dotenv", "ctypes", "ssl"})


@pytest.mark.parametrize("where", ["default", "environment", "own file", "project"])
def test_the_folder_is_the_one_of_the_settings(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though they are loaded only when something may say another one than the default."""
    home, project = tmp_path / "home", tmp_path / "project"
    for folder in (home / ".voicemode", project / "deep"):
        folder.mkdir(parents=True)
    environ = {"VOICEMODE_BASE_DIR": str(tmp_path / "said")} if where == "environment" else {}
    (home / ".voicemode" / "voicemode.env").write_text(
        "VOICEMODE_BASE_DIR=own\n" if where == "own file" else "VOICEMODE_VAD=auto\n"
    )
    (project / ".voicemode.env").write_text("VOICEMODE_BASE_DIR=theirs\n" if where == "project" else "")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(project / "deep")
    asked: list[Path] = []

    def note(base_dir: Path, _action: ControlAction) -> tuple[None, ControlAnswer]:
        asked.append(base_dir)
        return None, ControlAnswer(ok=True)

    monkeypatch.setattr(hotkey, "control", note)
    assert press(["pause"], environ) == 0
    assert asked == [load_settings(environ, Path.cwd(), home).settings.base_dir]


def test_what_a_key_cannot_mean_is_left_to_the_command_line() -> None:
    """So that help and mistakes read the same everywhere."""
    for arguments in ([], ["--help"], ["pause", "--help"], ["talk", "--start", "--end"], ["talk_end"], ["stop", "--end"]):
        assert press(arguments, {}) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_settings_that_cannot_be_read_are_told(command: CommandLine) -> None:
    """Rather than asking in a folder that may be the wrong one."""
    command.settings_file.parent.mkdir()
    command.settings_file.touch(mode=0)
    assert command("control", "pause").returncode == 2
