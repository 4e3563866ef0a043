"""Where settings come from, which one wins, and what is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import SecretStr

from tests.settings_machine import Machine, write_settings
from voicemode.errors import SettingsError
from voicemode.load_config import (
    allowed_values,
    load_from_process,
    load_settings,
    project_settings_path,
)
from voicemode.settings import Settings


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    found = Machine(tmp_path)
    found.cwd.mkdir(parents=True)
    return found


def test_without_anything_the_defaults_count(machine: Machine) -> None:
    """Nothing needs to be configured, and the base folder is in the home that was given."""
    loaded = machine.load()
    assert loaded.settings == Settings(base_dir=machine.home / ".voicemode")
    assert set(loaded.sources) == set(Settings.model_fields)
    assert set(loaded.sources.values()) == {"default"}
    assert loaded.warnings == ()


def test_the_environment_wins_over_the_project_and_the_project_over_the_person(machine: Machine) -> None:
    """What is nearer to the call wins, and each value knows where it came from."""
    own = machine.own("VOICEMODE_VAD=silero\nVOICEMODE_PATIENCE=quick\n\n# mine\nVOICEMODE_VOICES=a, b\n")
    project = machine.projects("VOICEMODE_VAD=webrtcvad\nVOICEMODE_PATIENCE=patient\n")
    loaded = machine.load(VAD="auto")
    assert (loaded.settings.vad, loaded.settings.patience, loaded.settings.voices) == ("auto", "patient", ("a", "b"))
    assert loaded.sources["vad"] == "environment"
    assert loaded.sources["patience"] == f"{project}:2"
    assert loaded.sources["voices"] == f"{own}:5"
    assert loaded.sources["language"] == "default"


def test_the_nearest_project_file_counts_alone(machine: Machine) -> None:
    """A file in a folder further up is not read."""
    machine.projects("VOICEMODE_VAD=silero\n")
    near = write_settings(machine.project / "src" / ".voicemode.env", "VOICEMODE_PATIENCE=quick\n")
    loaded = machine.load()
    assert project_settings_path(machine.cwd) == near
    assert (loaded.settings.vad, loaded.settings.patience) == ("auto", "quick")


@pytest.mark.parametrize("empty", ["", " ", "''", '""', " # nothing"])
def test_an_empty_value_means_the_default(machine: Machine, empty: str) -> None:
    """Whatever was chosen before is unset."""
    machine.own("VOICEMODE_CALL_BUDGET_S=60\nVOICEMODE_TTS_MODELS=kokoro\nVOICEMODE_VAD=silero\n")
    machine.projects(f"VOICEMODE_CALL_BUDGET_S={empty}\nVOICEMODE_TTS_MODELS={empty}\nVOICEMODE_VAD={empty}\n")
    loaded = machine.load()
    assert loaded.settings.call_budget_s is None
    assert loaded.settings.tts_models == ("tts-1",)
    assert loaded.settings.vad == "auto"
    assert loaded.sources["vad"] == "default"


@pytest.mark.parametrize(
    ("field", "text", "value"),
    [
        ("builtin", "no", False),
        ("local_only", "1", True),
        ("tts_speed", "1.5", 1.5),
        ("silence_threshold_ms", "700", 700),
        ("audio_feedback", "true", "true"),
        ("voices", "nova,, alloy ,", ("nova", "alloy")),
        ("tts_api_key", "sk", SecretStr("sk")),
        ("input_device", " USB ", "USB"),
    ],
)
def test_text_becomes_typed_values(machine: Machine, field: str, text: str, value: object) -> None:
    """Numbers, switches, lists and keys are converted once, here."""
    assert getattr(machine.load(**{field.upper(): text}).settings, field) == value


INERT = ["$(touch {0})", "`touch {0}`", "${{HOME}}", "$HOME", "%PATH%", "%h", "a; touch {0}", "a && touch {0}", "!!", "~", "*"]


@pytest.mark.parametrize("quote", ["", "'", '"'])
@pytest.mark.parametrize("text", INERT)
def test_what_a_shell_would_run_is_only_text(machine: Machine, text: str, quote: str) -> None:
    """Files are parsed: nothing in them is expanded, interpolated or executed."""
    trap = machine.home / "trap"
    value = text.format(trap)
    machine.own(f"VOICEMODE_INPUT_DEVICE={quote}{value}{quote}\n")
    assert machine.load().settings.input_device == value
    assert not trap.exists()


def test_quotes_keep_hash_signs_and_quotes(machine: Machine) -> None:
    """The syntax of dotenv files: single and double quotes with backslash escapes."""
    machine.own("VOICEMODE_INPUT_DEVICE='a # \\'b\\' \"c\"' # comment\nexport VOICEMODE_OUTPUT_DEVICE=d # e\n")
    loaded = machine.load()
    assert loaded.settings.input_device == "a # 'b' \"c\""
    assert loaded.settings.output_device == "d"


@pytest.mark.parametrize("line", ["what is this", "VOICEMODE_VAD", "VOICEMODE_VAD='auto", 'VOICEMODE_VAD="a" b', "=a"])
def test_a_bad_line_stops_with_file_and_line(machine: Machine, line: str) -> None:
    """Blank lines before it do not shift the number, and its text, which may be a key, is not shown."""
    own = machine.own(f"# mine\n\n\n{line}\n")
    with pytest.raises(SettingsError) as caught:
        machine.load()
    assert caught.value.where == f"{own}:4"
    assert line not in str(caught.value)


def test_line_numbers_count_carriage_returns_once(machine: Machine) -> None:
    """Files from Windows have the same lines."""
    own = machine.own("# a\r\n\r\nVOICEMODE_VAD=silero\r\n")
    loaded = machine.load()
    assert (loaded.settings.vad, loaded.sources["vad"]) == ("silero", f"{own}:3")


@pytest.mark.parametrize(
    "raw",
    ["a\x00b", "a\x1b[2Jb", "a\x7fb", "a\x85b", "a\tb", "a\u2028b", "a\u202eb", '"a\\nVOICEMODE_LOCAL_ONLY=false"', '"a\nb"'],
)
def test_control_characters_are_refused(machine: Machine, raw: str) -> None:
    """No value can hide a second line, a terminal escape or reversed text."""
    machine.own(f"VOICEMODE_INPUT_DEVICE={raw}\n")
    with pytest.raises(SettingsError, match="control character"):
        machine.load()


@pytest.mark.parametrize("value", ["a\nb", "a\rb", "\ud800", "a\u2066b"])
def test_control_characters_are_refused_in_the_environment(machine: Machine, value: str) -> None:
    """The same from there; bytes that are no text are refused too."""
    with pytest.raises(SettingsError, match="VOICEMODE_INPUT_DEVICE"):
        machine.load(INPUT_DEVICE=value)


def test_a_control_character_in_a_comment_is_refused_with_its_line(machine: Machine) -> None:
    """A file that shows something else than it holds is not read at all."""
    own = machine.own("# a\n# \x1b[1A\n")
    with pytest.raises(SettingsError) as caught:
        machine.load()
    assert caught.value.where == f"{own}:2"


def test_unknown_keys_warn_with_the_nearest_name(machine: Machine) -> None:
    """In files and in the environment; other programs' variables are none of our business."""
    own = machine.own("VOICEMODE_VOICE=nova\nVOICMODE_VAD=auto\n")
    loaded = load_settings({"VOICEMODE_PATIENT": "x", "VOICEMODE_\x1b": "", "PATH": "/"}, machine.cwd, machine.home)
    assert loaded.warnings == (
        f"VOICMODE_VAD ({own}:2) is not a setting; did you mean VOICEMODE_VAD?",
        f"VOICEMODE_VOICE ({own}:1) is not a setting; did you mean VOICEMODE_VOICES?",
        "VOICEMODE_PATIENT (environment) is not a setting; did you mean VOICEMODE_PATIENCE?",
        "VOICEMODE_? (environment) is not a setting; did you mean VOICEMODE_VAD?",
    )


def test_a_value_given_twice_warns(machine: Machine) -> None:
    """The last one counts."""
    own = machine.own("VOICEMODE_VAD=silero\nVOICEMODE_VAD=auto\n")
    loaded = machine.load()
    assert loaded.settings.vad == "auto"
    assert loaded.warnings == (f"VOICEMODE_VAD ({own}:2) replaces {own}:1",)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("TTS_SPEED", "9", "a number from 0.25 up to 4.0"),
        ("TTS_SPEED", "nan", "a number from 0.25 up to 4.0"),
        ("SILENCE_THRESHOLD_MS", "1.5", "a whole number from 100 up to 10000"),
        ("CALL_BUDGET_S", "0", "a number above 0 and up to 3600"),
        ("PATIENCE", "700", "quick, normal, patient"),
        ("BUILTIN", "maybe", "true, false"),
        ("BASE_DIR", "~root", "a folder: absolute, beginning with ~/, or relative to the file that names it"),
    ],
)
def test_a_bad_value_names_key_value_place_and_what_is_allowed(machine: Machine, field: str, value: str, allowed: str) -> None:
    """Everything a person needs to mend it is in the error."""
    own = machine.own(f"# mine\nVOICEMODE_{field}={value}\n")
    with pytest.raises(SettingsError) as caught:
        machine.load()
    error = caught.value
    assert (error.key, error.where, error.allowed) == (f"VOICEMODE_{field}", f"{own}:2", allowed)
    assert f"'{value}'" in str(error)
    with pytest.raises(SettingsError, match="environment"):
        machine.load(**{field: value})


def test_a_secret_is_in_no_error_and_no_repr(machine: Machine) -> None:
    """Neither a refused key nor an accepted one can be read from what is printed or chained."""
    with pytest.raises(SettingsError) as caught:
        machine.load(TTS_API_KEY="hunter2\x00")
    assert "hunter2" not in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        machine.load(TTS_SPEED="9", TTS_API_KEY="hunter2")
    assert caught.value.__context__ is None
    assert "hunter2" not in repr(machine.load(TTS_API_KEY="hunter2"))


@pytest.mark.skipif(os.name != "posix", reason="Windows has no such modes")
def test_a_key_that_others_can_read_warns(machine: Machine) -> None:
    """Only when the file holds one."""
    own = machine.own("VOICEMODE_VAD=auto\n")
    own.chmod(0o644)
    assert machine.load().warnings == ()
    own.write_text("VOICEMODE_STT_API_KEY=sk\n")
    assert machine.load().warnings == (f"{own} holds a key and others can read it: chmod 600 {own}",)


def test_the_key_of_a_cloud_is_not_used_under_local_only_and_that_is_said(machine: Machine) -> None:
    """It stays in the settings, and nothing asks for it."""
    own = machine.own("VOICEMODE_OPENAI_API_KEY=sk\n")
    loaded = machine.load(LOCAL_ONLY="true")
    expected = f"VOICEMODE_OPENAI_API_KEY ({own}:1) is not used, since VOICEMODE_LOCAL_ONLY (environment) is on"
    assert loaded.warnings == (expected,)


@pytest.mark.parametrize(
    ("text", "place"),
    [("~", "home"), ("~/x", "home/x"), ("/abs/x", "/abs/x"), ("x/y", "home/.voicemode/x/y"), ("./x", "home/.voicemode/x")],
)
def test_paths_are_made_absolute(machine: Machine, text: str, place: str) -> None:
    """The tilde is the home that was passed, and a relative path belongs to its file."""
    machine.own(f"VOICEMODE_BASE_DIR={text}\n")
    expected = Path(place) if place.startswith("/") else machine.home / Path(place).relative_to("home")
    assert machine.load().settings.base_dir == expected


def test_a_relative_path_in_the_environment_belongs_to_the_working_directory(machine: Machine) -> None:
    """As everywhere else on a command line."""
    assert machine.load(BASE_DIR="x").settings.base_dir == machine.cwd / "x"


def test_a_file_that_is_no_text_is_named_with_its_line(machine: Machine) -> None:
    """An editor's wrong encoding is found at its place."""
    own = machine.own("")
    own.write_bytes(b"# a\nVOICEMODE_INPUT_DEVICE=\xff\n")
    with pytest.raises(SettingsError) as caught:
        machine.load()
    assert caught.value.where == f"{own}:2"


def test_a_byte_order_mark_is_no_part_of_a_name(machine: Machine) -> None:
    """Windows editors write one."""
    machine.own("\ufeffVOICEMODE_VAD=silero\n")
    assert machine.load().settings.vad == "silero"


def test_a_huge_file_is_not_read(machine: Machine) -> None:
    """Whatever it is, it holds no settings."""
    own = machine.own("#" * (1 << 20) + "\n")
    with pytest.raises(SettingsError, match="1 MiB") as caught:
        machine.load()
    assert caught.value.where == str(own)


def test_a_folder_with_the_files_name_is_passed_over(machine: Machine) -> None:
    """Only files are read."""
    (machine.project / ".voicemode.env").mkdir()
    assert project_settings_path(machine.cwd) is None


def test_a_working_directory_that_was_removed_is_no_project(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent may be running in a folder that is gone."""
    machine.own("VOICEMODE_VAD=silero\n")
    gone = machine.home / "gone"
    gone.mkdir()
    monkeypatch.setenv("HOME", str(machine.home))
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert load_from_process({}).settings.vad == "silero"


@pytest.mark.parametrize("field", Settings.model_fields)
def test_every_setting_says_what_is_allowed(field: str) -> None:
    """A new kind of setting needs words here too."""
    assert allowed_values(field)


@pytest.mark.parametrize(
    ("environ", "told"), [({"OPENAI_API_KEY": "sk-planted"}, True), ({"OPENAI_API_KEY": " "}, False), ({}, False)]
)
def test_a_key_of_other_programs_is_noticed_and_not_kept(tmp_path: Path, environ: dict[str, str], told: bool) -> None:
    """Only that it is there; to use it would take a consent that nobody gave."""
    loaded = load_settings(environ, tmp_path, tmp_path)
    assert loaded.openai_key_elsewhere is told
    assert loaded.settings.openai_api_key is None
    assert "sk-planted" not in repr(loaded)
