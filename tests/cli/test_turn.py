"""``voicemode turn``: the last turns, listed and drawn."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.cli.running import CommandLine
from tests.sample_turn import sample_turn
from voicemode.core.timeline_json import as_json, decode
from voicemode.runtime.timelines import Timelines, find_turn

PNG = b"\x89PNG\r\n\x1a\n"


def turns(command: CommandLine) -> Path:
    return command.home / ".voicemode" / "turns"


@pytest.fixture
def kept(command: CommandLine) -> str:
    """The id of a turn that was kept with its words."""

    async def keep() -> None:
        timelines = Timelines(turns(command), "claude-code (pid 1)", "full")
        timelines.keep(sample_turn())
        await timelines.aclose()

    asyncio.run(keep())
    return find_turn(turns(command), "last").id


def test_it_lists_what_is_kept(command: CommandLine, kept: str) -> None:
    """The newest first, with how long the answer took; a damaged file is listed as one."""
    (turns(command) / "turn-20000101-000000-000-0000.json").write_text("{")
    ended = command("turn", "list")
    assert ended.returncode == 0
    first, second = ended.stdout.splitlines()
    assert first.split() == [kept, "6.8", "s", "answered", "answered", "after", "650", "ms"]
    assert "damaged" in second
    rows = command.json("turn", "list")
    assert [row["id"] for row in rows] == [kept, "20000101-000000-000-0000"]
    assert (rows[0]["response_ms"], rows[0]["said"], rows[0]["problem"]) == (650, '"quicksilver marmalade"', "")


def test_nothing_kept_is_no_error(command: CommandLine) -> None:
    """It says what decides that."""
    ended = command("turn", "list")
    assert (ended.returncode, ended.stdout) == (0, "")
    assert "VOICEMODE_TURN_TIMELINES" in ended.stderr
    assert command.json("turn", "list") == []


@pytest.mark.parametrize("named", [[], ["last"], None])
def test_it_draws_a_turn_in_80_columns_without_colours(command: CommandLine, kept: str, named: list[str] | None) -> None:
    """The newest unless one is named; colours are for terminals."""
    ended = command("turn", "show", *([kept] if named is None else named), COLUMNS="80")
    assert ended.returncode == 0
    lines = ended.stdout.splitlines()
    assert lines[0] == f"turn {kept}: answered, by silence, 6.75 s"
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in ended.stdout


def test_as_json_it_is_the_file(command: CommandLine, kept: str) -> None:
    """For programs, whatever the terminal's encoding."""
    path = turns(command) / f"turn-{kept}.json"
    path.write_text(path.read_text(encoding="utf-8").replace("marmalade", "Marmelade für"), encoding="utf-8")
    ended = command("turn", "show", "--json", PYTHONIOENCODING="ascii")
    timeline = decode(ended.stdout)
    assert (timeline.id, timeline.text) == (kept, "quicksilver Marmelade für")
    assert command.json("turn", "show", kept) == as_json(timeline)


def test_it_draws_a_picture(command: CommandLine, kept: str) -> None:
    """Into the file that was named; what is in the way of it is told."""
    path = command.home / "turn.png"
    ended = command("turn", "show", "--png", str(path))
    assert (ended.returncode, ended.stdout) == (0, "")
    assert str(path) in ended.stderr
    assert path.read_bytes().startswith(PNG)
    refused = command("turn", "show", "--png", str(command.home / "nowhere" / "turn.png"))
    assert refused.returncode == 2
    assert "cannot be written: No such file or directory" in refused.stderr


def test_without_matplotlib_it_says_how_to_get_it(command: CommandLine, kept: str, tmp_path: Path) -> None:
    """The base package has no picture library."""
    hidden = tmp_path / "hidden" / "matplotlib"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text("raise ImportError('no matplotlib here')")
    ended = command("turn", "show", "--png", "turn.png", PYTHONPATH=str(hidden.parent))
    assert ended.returncode == 1
    assert "pip install 'voicemode[plot]'" in ended.stderr
    assert not (command.home / "turn.png").exists()


@pytest.mark.parametrize(
    ("wanted", "status", "said"),
    [("nobody", 2, "no turn is called 'nobody'"), ("0000", 1, "damaged"), ("0001", 1, "another release of voicemode")],
)
def test_what_cannot_be_shown_is_told(command: CommandLine, kept: str, wanted: str, status: int, said: str) -> None:
    """One sentence, and a status that says whose fault it was."""
    (turns(command) / "turn-20000101-000000-000-0000.json").write_text("{")
    (turns(command) / "turn-20000101-000000-000-0001.json").write_text('{"version": 99}')
    ended = command("turn", "show", wanted)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_turn_that_was_written_by_somebody_else_cannot_steer_the_terminal(command: CommandLine, kept: str) -> None:
    """Whatever text the file holds, it is shown without control characters."""
    path = turns(command) / f"turn-{kept}.json"
    path.write_text(path.read_text().replace("quicksilver", "\\u001b[2Jquick").replace("espeak-ng", "\\u001b[2J"))
    for arguments in (["turn", "show"], ["turn", "list"], ["turn", "show", "--json"]):
        assert "\x1b" not in command(*arguments).stdout


def test_matplotlib_is_loaded_for_pictures_only() -> None:
    """It takes half a second and 60 MB."""
    from subprocess import run

    code = "import sys, voicemode.cli.app; print('matplotlib' in sys.modules)"
    assert run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout == "False\n"
