"""``voicemode config``: what is written counts, what is not allowed is not written, and keys are never shown."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

import pytest

from tests.cli.running import CommandLine
from voicemode.settings import Settings

KEY = "sk-do-not-show-this"


def editor(folder: Path, code: str) -> str:
    """An $EDITOR that runs Python code with the file's path in ``path``."""
    script = folder / "editor.py"
    script.write_text(f"import sys, pathlib\npath = pathlib.Path(sys.argv[1])\n{code}\n")
    return f"{sys.executable} {script}"


def test_list_shows_every_setting_with_its_source_and_meaning(command: CommandLine) -> None:
    """In the order of the settings, and with the value as a file would have it."""
    command.settings_file.parent.mkdir()
    command.settings_file.write_text("VOICEMODE_VOICES=nova, alloy\n")
    rows = command.json("config", "list", VOICEMODE_TTS_SPEED="1.5")
    assert [row["name"] for row in rows] == [f"VOICEMODE_{name.upper()}" for name in Settings.model_fields]
    by_key = {row["name"]: row for row in rows}
    assert all(row["description"] for row in rows)
    assert (by_key["VOICEMODE_TTS_SPEED"]["value"], by_key["VOICEMODE_TTS_SPEED"]["source"]) == ("1.5", "environment")
    assert by_key["VOICEMODE_VOICES"]["value"] == "nova,alloy"
    assert by_key["VOICEMODE_VOICES"]["source"] == f"{command.settings_file}:1"
    assert (by_key["VOICEMODE_BUILTIN"]["value"], by_key["VOICEMODE_BUILTIN"]["source"]) == ("true", "default")


def test_changed_lists_only_what_is_not_the_default(command: CommandLine) -> None:
    """What a person did, at a glance."""
    shown = command("config", "list", "--changed", VOICEMODE_LANGUAGE="de").stdout
    assert "VOICEMODE_LANGUAGE = de  (environment)" in shown
    assert "VOICEMODE_VOICES" not in shown


@pytest.mark.parametrize("arguments", [["list"], ["list", "--json"], ["get", "VOICEMODE_TTS_API_KEY"]])
def test_a_key_is_never_shown(command: CommandLine, arguments: list[str]) -> None:
    """Screens are shared, and terminals are recorded."""
    ended = command("config", *arguments, VOICEMODE_TTS_API_KEY=KEY)
    assert ended.returncode == 0
    assert KEY not in ended.stdout + ended.stderr
    assert "****" in ended.stdout


def test_what_is_set_is_got_until_it_is_unset(command: CommandLine) -> None:
    """Through the file, with comments and order kept."""
    command.settings_file.parent.mkdir()
    command.settings_file.write_text("# my voice\nVOICEMODE_VOICES=nova\n\nVOICEMODE_TTS_SPEED=1.2  # a little faster\n")
    assert command("config", "set", "VOICEMODE_VOICES", "onyx").returncode == 0
    assert command("config", "get", "VOICEMODE_VOICES").stdout == "onyx\n"
    lines = command.settings_file.read_text().splitlines()
    assert lines[0] == "# my voice"
    assert lines[3] == "VOICEMODE_TTS_SPEED=1.2  # a little faster"
    assert command("config", "unset", "VOICEMODE_VOICES").returncode == 0
    assert command("config", "get", "VOICEMODE_VOICES").stdout == "\n"
    assert command("config", "get", "VOICEMODE_TTS_SPEED").stdout == "1.2\n"


def test_names_may_be_written_short(command: CommandLine) -> None:
    """Nobody likes to type VOICEMODE_."""
    assert command("config", "set", "silence_threshold_ms", "1500").returncode == 0
    assert command("config", "get", "Silence_Threshold_MS").stdout == "1500\n"


def test_a_new_file_is_for_its_owner_only(command: CommandLine) -> None:
    """It may hold keys."""
    command("config", "set", "VOICEMODE_VOICES", "nova")
    assert stat.S_IMODE(command.settings_file.stat().st_mode) == 0o600


def test_a_key_comes_from_standard_input_and_is_not_repeated(command: CommandLine) -> None:
    """The shell's history and the screen never see it."""
    ended = command("config", "set", "VOICEMODE_STT_API_KEY", stdin=f"{KEY}\n")
    assert ended.returncode == 0
    assert KEY not in ended.stdout + ended.stderr
    assert KEY in command.settings_file.read_text()


def test_no_value_at_all_changes_nothing(command: CommandLine) -> None:
    """A script whose secret is missing must not wipe the one that is there."""
    command("config", "set", "VOICEMODE_STT_API_KEY", KEY)
    ended = command("config", "set", "VOICEMODE_STT_API_KEY")
    assert ended.returncode == 2
    assert "no value was given" in ended.stderr
    assert KEY in command.settings_file.read_text()


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("VOICEMODE_TTS_SPEED", "9", "from 0.25 up to 4"),
        ("VOICEMODE_VAD", "magic", "silero"),
        ("VOICEMODE_BUILTIN", "perhaps", "true, false"),
        ("VOICEMODE_VOICES", "bell\x07", "control character"),
        ("VOICEMODE_VOICE", "nova", "did you mean VOICEMODE_VOICES?"),
    ],
)
def test_what_is_not_allowed_is_not_written(command: CommandLine, key: str, value: str, said: str) -> None:
    """Status 2, a sentence that says what is allowed, and the file as it was."""
    command.settings_file.parent.mkdir()
    command.settings_file.write_text("VOICEMODE_TTS_SPEED=1.2\n")
    ended = command("config", "set", key, value)
    assert ended.returncode == 2
    assert said in ended.stderr
    assert command.settings_file.read_text() == "VOICEMODE_TTS_SPEED=1.2\n"


def test_a_broken_file_can_be_mended_by_set(command: CommandLine) -> None:
    """The command that mends a setting must not need the setting to be right."""
    command.settings_file.parent.mkdir()
    command.settings_file.write_text("VOICEMODE_TTS_SPEED=fast\n")
    assert command("config", "set", "VOICEMODE_TTS_SPEED", "1.5").returncode == 0
    assert command("config", "get", "VOICEMODE_TTS_SPEED").stdout == "1.5\n"


def test_it_is_said_when_something_else_wins(command: CommandLine) -> None:
    """A person who sets a value and sees no effect learns why."""
    ended = command("config", "set", "VOICEMODE_VOICES", "nova", VOICEMODE_VOICES="onyx")
    assert "environment wins over" in ended.stderr
    assert "environment wins over" not in command("config", "set", "VOICEMODE_VOICES", "nova").stderr


def test_edit_opens_the_file_and_checks_it(command: CommandLine) -> None:
    """A new file is made for its owner only; a wrong line is told with its number."""
    good = editor(command.home, "path.write_text(path.read_text() + 'VOICEMODE_VOICES=nova\\n')")
    assert command("config", "edit", EDITOR=good).returncode == 0
    assert command("config", "get", "VOICEMODE_VOICES").stdout == "nova\n"
    assert stat.S_IMODE(command.settings_file.stat().st_mode) == 0o600
    bad = editor(command.home, "path.write_text('VOICEMODE_TTS_SPEED=fast\\n')")
    ended = command("config", "edit", EDITOR=bad)
    assert ended.returncode == 2
    assert "voicemode.env:1" in ended.stderr


def test_edit_without_an_editor_that_works_says_so(command: CommandLine) -> None:
    """One sentence, not a traceback."""
    ended = command("config", "edit", EDITOR=str(command.home / "no-such-editor"))
    assert ended.returncode == 2
    assert "EDITOR" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_path_names_the_files_in_the_order_of_their_weight(command: CommandLine) -> None:
    """The project's beats the person's."""
    assert command("config", "path").stdout == f"{command.settings_file}\n"
    project = command.home / ".voicemode.env"
    project.write_text("VOICEMODE_VOICES=nova\n")
    assert command.json("config", "path") == [
        {"path": str(command.settings_file), "exists": False},
        {"path": os.path.realpath(project), "exists": True},
    ]


def test_an_unknown_setting_in_a_file_is_a_warning(command: CommandLine) -> None:
    """The rest works, and the near name is told."""
    (command.home / ".voicemode.env").write_text("VOICEMODE_VOICE=nova\nVOICEMODE_LANGUAGE=de\n")
    ended = command("config", "list", "--changed")
    assert ended.returncode == 0
    assert "VOICEMODE_LANGUAGE = de" in ended.stdout
    assert "did you mean VOICEMODE_VOICES?" in ended.stderr


def test_the_shell_completes_the_names_of_settings(command: CommandLine) -> None:
    """As far as they are typed."""
    asking = {"_VOICEMODE_COMPLETE": "complete_bash", "COMP_WORDS": "voicemode config set VOICEMODE_TTS_M", "COMP_CWORD": "3"}
    assert command(**asking).stdout.split() == ["VOICEMODE_TTS_MODELS"]
