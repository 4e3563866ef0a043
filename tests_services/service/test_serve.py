"""What may be set, from where, and what is refused."""

from __future__ import annotations

import math
from dataclasses import fields
from pathlib import Path

import pytest
from voicemode_service.serve import MIN_TOKEN, parse
from voicemode_service.settings import ServiceSettings

DEFAULTS = ServiceSettings(name="stub", port=2022)
TOKEN = "t" * MIN_TOKEN


def refused(capsys: pytest.CaptureFixture[str], arguments: list[str], environ: dict[str, str] | None = None) -> str:
    """What is said to a person whose settings are not taken."""
    with pytest.raises(SystemExit) as stopped:
        parse(DEFAULTS, arguments, environ or {})
    assert stopped.value.code == 2
    return capsys.readouterr().err


def test_by_default_only_this_machine_is_served() -> None:
    """And without a token: no program of this machine needs one."""
    settings = parse(DEFAULTS, [], {})
    assert (settings.host, settings.port, settings.token, settings.allow_remote) == ("127.0.0.1", 2022, None, False)


def test_the_command_line_goes_before_variables_and_those_before_defaults() -> None:
    """Each setting on its own."""
    settings = parse(DEFAULTS, ["--port", "3"], {"VOICEMODE_STUB_PORT": "4", "VOICEMODE_STUB_WORKERS": "5"})
    assert (settings.port, settings.workers, settings.queue) == (3, 5, DEFAULTS.queue)


def test_every_setting_is_a_variable_and_an_option_but_the_token(capsys: pytest.CaptureFixture[str]) -> None:
    """A token on the command line could be read by everybody who lists processes."""
    with pytest.raises(SystemExit):
        parse(DEFAULTS, ["--help"], {})
    shown = capsys.readouterr().out
    for field in fields(ServiceSettings):
        flag = f"--{field.name.replace('_', '-')}"
        assert (flag in shown) == (field.name not in ("name", "token")), flag
    assert parse(DEFAULTS, [], {"VOICEMODE_STUB_TOKEN": TOKEN}).token == TOKEN
    assert "unrecognized" in refused(capsys, ["--token", TOKEN])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "my-laptop.lan"])
@pytest.mark.parametrize(
    ("arguments", "token"), [([], None), (["--allow-remote"], None), ([], TOKEN), (["--allow-remote"], "short")]
)
def test_others_are_served_only_with_a_good_token_and_a_flag(
    capsys: pytest.CaptureFixture[str], host: str, arguments: list[str], token: str | None
) -> None:
    """Half of it is not enough, and a token that can be guessed is none."""
    environ = {} if token is None else {"VOICEMODE_STUB_TOKEN": token}
    assert "VOICEMODE_STUB_TOKEN" in refused(capsys, ["--host", host, *arguments], environ)
    assert parse(DEFAULTS, ["--host", host, "--allow-remote"], {"VOICEMODE_STUB_TOKEN": TOKEN}).host == host


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_neither(host: str) -> None:
    """Nobody else can reach it."""
    assert parse(DEFAULTS, ["--host", host], {}).host == host


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "2022.5"),
        ("WORKERS", "0"),
        ("QUEUE", "0"),
        ("MAX_UPLOAD_MB", "lots"),
        ("MAX_AUDIO_S", "nan"),
        ("IDLE_S", "-1"),
        ("DEVICE", "tpu"),
        ("LOG_LEVEL", "loud"),
        ("PRELOAD", "perhaps"),
        ("HOST", "127.0.0.1\n"),
        ("MODEL", "tiny\x1b[2J"),
    ],
)
def test_a_bad_value_stops_the_start(capsys: pytest.CaptureFixture[str], name: str, value: str) -> None:
    """Naming the setting, in one line that prints nothing dangerous."""
    said = refused(capsys, [], {f"VOICEMODE_STUB_{name}": value})
    assert f"--{name.lower().replace('_', '-')}" in said
    assert said.splitlines()[-1].isprintable()


@pytest.mark.parametrize(
    ("value", "seconds"), [("never", None), ("none", None), ("", None), ("0", 0.0), ("90.5", 90.5), ("inf", math.inf)]
)
def test_an_idle_time_may_be_none(value: str, seconds: float | None) -> None:
    """Then the model stays."""
    assert parse(DEFAULTS, ["--idle-s", value], {}).idle_s == seconds


@pytest.mark.parametrize(
    ("value", "on"), [("true", True), ("1", True), ("YES", True), ("off", False), ("0", False), ("", False)]
)
def test_switches_are_read_as_people_write_them(value: str, on: bool) -> None:
    """From a variable; on the command line they are --preload and --no-preload."""
    assert parse(DEFAULTS, [], {"VOICEMODE_STUB_PRELOAD": value}).preload is on
    assert parse(DEFAULTS, ["--no-preload"], {"VOICEMODE_STUB_PRELOAD": value}).preload is False


def test_a_misspelt_variable_is_named_with_the_nearest_that_exists(capsys: pytest.CaptureFixture[str]) -> None:
    """It is no reason to stop, and its value is not shown."""
    parse(DEFAULTS, [], {"VOICEMODE_STUB_TOKN": "secret", "VOICEMODE_OTHER": "x"})
    assert capsys.readouterr().err == "VOICEMODE_STUB_TOKN is no setting of this service; VOICEMODE_STUB_TOKEN is\n"


def test_paths_begin_at_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A tilde in a unit file is nobody's shell's business."""
    monkeypatch.setenv("HOME", str(tmp_path))
    assert parse(DEFAULTS, ["--models-dir", "~/models"], {}).models_dir == tmp_path / "models"


def test_the_token_is_not_shown() -> None:
    """Settings are logged and end up in bug reports."""
    assert TOKEN not in repr(parse(DEFAULTS, [], {"VOICEMODE_STUB_TOKEN": TOKEN}))
