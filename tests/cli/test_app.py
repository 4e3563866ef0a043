"""The command line as a whole: help, errors, exit statuses."""

from __future__ import annotations

import re

import pytest
from typer import Typer
from typer.testing import CliRunner

from tests.cli.running import CommandLine
from voicemode.cli.app import app, run
from voicemode.cli.failure import printable


def commands(group: Typer, before: list[str]) -> list[list[str]]:
    """The words of every command of a group, and of the group itself."""
    own = [[*before, info.name or getattr(info.callback, "__name__", "")] for info in group.registered_commands]
    for below in group.registered_groups:
        assert below.typer_instance is not None
        assert below.name is not None
        own += commands(below.typer_instance, [*before, below.name])
    return [before, *own]


COMMANDS = commands(app, [])


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_help_has_examples(words: list[str]) -> None:
    """Most people read an example before they read an option."""
    shown = CliRunner(env={"COLUMNS": "120", "TERM": "dumb"}).invoke(app, [*words, "--help"])
    assert shown.exit_code == 0
    examples = shown.output.split("Examples:")[1]
    assert re.search(rf"voicemode {' '.join(words)}".strip(), examples)


def test_the_commands_are_those_of_the_manual() -> None:
    """Scripts and pages rely on these words."""
    words = {" ".join(words) for words in COMMANDS if words}
    config = {f"config {name}" for name in ("list", "get", "set", "unset", "edit", "path")}
    control = {f"control {name}" for name in ("pause", "resume", "stop", "skip", "talk", "status")}
    models = {f"models {name}" for name in ("list", "pull", "remove", "verify")}
    verbs = ("install", "uninstall", "start", "stop", "restart", "status", "enable", "disable", "logs", "health")
    service = {f"service {name}" for name in verbs}
    turn = {"turn list", "turn show"}
    history = {f"history {name}" for name in ("list", "show", "search", "export", "forget", "check")}
    groups = (
        {"config", "control", "history", "models", "service", "turn"} | config | control | history | models | service | turn
    )
    alone = {
        "call",
        "chat",
        "converse",
        "transcribe",
        "doctor",
        "devices",
        "status",
        "endpoints",
        "mcp",
        "serve",
        "token",
        "page",
    }
    assert words == alone | groups


def test_no_example_breaks_in_a_terminal_of_80_columns() -> None:
    """A broken line cannot be copied."""
    for words in COMMANDS:
        shown = CliRunner(env={"COLUMNS": "80", "TERM": "dumb"}).invoke(app, [*words, "--help"]).output
        examples = [line.strip() for line in shown.split("Examples:")[1].splitlines() if line.strip()]
        starts = ("voicemode", "claude", "codex", "git", "cat", "pass", "export", "EDITOR=", "VOICEMODE_")
        assert [line for line in examples if not line.startswith(starts)] == []


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["nonsense"], 2, "nonsense"),
        (["converse", "--nonsense"], 2, "--nonsense"),
        (["converse", "hello", "--speed", "9"], 2, "speed: 9 is out of range. Allowed: 0.25 to 4."),
        (["converse", "hello", "--patience", "endless"], 2, "patience: 'endless' is not a patience."),
        (["converse", "hello", "--out", "reply.wav"], 2, "--in FILE, or --no-wait"),
        (["config", "get", "vocies"], 2, "did you mean VOICEMODE_VOICES?"),
        (["devices", "--seconds", "3"], 2, "--meter"),
    ],
)
def test_a_wrong_call_gets_a_sentence_and_status_2(command: CommandLine, arguments: list[str], status: int, said: str) -> None:
    """On standard error, and without a traceback."""
    ended = command(*arguments)
    assert (ended.returncode, ended.stdout) == (status, "")
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_wrong_setting_names_file_and_line(command: CommandLine) -> None:
    """Whatever command meets it."""
    command.settings_file.parent.mkdir()
    command.settings_file.write_text("# mine\nVOICEMODE_TTS_SPEED=fast\n")
    for arguments in (["config", "list"], ["doctor"], ["devices"], ["converse", "hello"]):
        ended = command(*arguments)
        assert ended.returncode == 2
        assert "voicemode.env:2" in ended.stderr
        assert "fast" in ended.stderr


def test_an_error_is_json_where_json_was_asked_for(command: CommandLine) -> None:
    """A program that reads standard output learns what happened; a person reads the sentence."""
    ended = command("converse", "hello", "--speed", "9", "--json")
    assert ended.returncode == 2
    assert '"code": "bad_request"' in ended.stdout
    assert "speed" in ended.stderr


def test_run_gives_the_status_back_and_leaves_the_process_alone() -> None:
    """It is a function, so that it can be called from others."""
    assert run(["--version"]) == 0
    assert run(["nonsense"]) == 2


def test_what_is_printed_cannot_steer_a_terminal() -> None:
    """Transcripts, device names and endpoints' words come from outside."""
    assert printable("a\x1b[2Jb\nc\u202ed") == "a [2Jb c d"
