"""``voicemode service``, as a person types it."""

from __future__ import annotations

import pytest

from tests.cli.running import CommandLine
from tests.supervise.stub import free_port

VERBS = ("install", "uninstall", "start", "stop", "restart", "status", "enable", "disable", "logs", "health")


def test_a_plan_is_shown_and_nothing_done(command: CommandLine) -> None:
    """Its steps, how big and how long; the folder of the person is as before."""
    ended = command("service", "install", "whisper", "--dry-run")
    assert ended.returncode == 0
    assert "packages, each checked against its hash" in ended.stdout
    assert "This takes about" in ended.stdout
    assert "to download" in ended.stdout
    assert list(command.home.iterdir()) == []


def test_what_this_version_lacks_is_said(command: CommandLine) -> None:
    """With what would be done; it fails, and makes nothing."""
    ended = command("service", "install", "livekit", "--yes")
    assert ended.returncode == 1
    assert "cannot be installed" in ended.stdout
    assert "not part of this version" in ended.stderr
    assert list(command.home.iterdir()) == []


@pytest.mark.parametrize("verb", ["start", "stop", "restart", "enable", "logs"])
def test_what_is_not_installed_is_said_with_the_way_out(command: CommandLine, verb: str) -> None:
    """One sentence, status 1, no file."""
    ended = command("service", verb, "whisper")
    assert ended.returncode == 1
    assert "voicemode service install whisper" in ended.stderr
    assert list(command.home.iterdir()) == []


@pytest.mark.parametrize("verb", VERBS)
def test_a_name_that_is_none_is_status_2(command: CommandLine, verb: str) -> None:
    """With the nearest one."""
    ended = command("service", verb, "kokro")
    assert ended.returncode == 2
    assert "did you mean 'kokoro'" in ended.stderr


def test_every_state_is_told_to_programs(command: CommandLine) -> None:
    """All services, with the port of the person's settings."""
    found = command.json("service", "status", VOICEMODE_WHISPER_PORT="2099")
    assert {each["service"]: each["state"] for each in found} == dict.fromkeys(
        ("whisper", "kokoro", "livekit", "voicemode"), "not_installed"
    )
    assert found[0]["port"] == 2099


def test_health_of_nobody_is_status_1(command: CommandLine) -> None:
    """Nothing listens there."""
    ended = command("service", "health", "whisper", VOICEMODE_WHISPER_PORT="9")
    assert ended.returncode == 1
    assert "nothing listens" in ended.stdout


def test_settings_of_services_are_kept_like_others(command: CommandLine) -> None:
    """Set, shown, masked and removed; a misspelt one is refused."""
    assert command("config", "set", "whisper_port", "2099").returncode == 0
    command("config", "set", "VOICEMODE_WHISPER_TOKEN", "sesame")
    assert command("config", "get", "VOICEMODE_WHISPER_PORT").stdout == "2099\n"
    listed = command("config", "list", "--changed").stdout
    assert "VOICEMODE_WHISPER_TOKEN = ********" in listed
    assert "sesame" not in listed
    assert command.json("service", "status", "whisper")["port"] == 2099
    command("config", "unset", "whisper_port")
    assert command.json("service", "status", "whisper")["port"] == 2022
    assert "did you mean VOICEMODE_WHISPER_PORT" in command("config", "set", "whisper_prt", "1").stderr


def test_a_projects_file_sets_nothing_of_a_service(command: CommandLine) -> None:
    """It may have been cloned from anyone, and the service is everybody's on this machine; the person is told."""
    (command.home / ".voicemode.env").write_text("VOICEMODE_WHISPER_PORT=2099\nVOICEMODE_WHISPER_HOST=0.0.0.0\n")
    assert command.json("service", "status", "whisper")["port"] == 2022
    warned = command("config", "list", "--changed").stderr
    assert "VOICEMODE_WHISPER_HOST" in warned
    assert "is not heeded" in warned


def test_the_realtime_server_is_kept_running_as_the_other_services(command: CommandLine) -> None:
    """Installed, started, asked, stopped and removed; its token is its owner's and stays."""
    port = str(free_port())
    settings = {"VOICEMODE_SERVE_PORT": port, "VOICEMODE_DISCOVERY": "false"}
    try:
        assert command("service", "install", "voicemode", "--yes", **settings).returncode == 0
        started = command.json("service", "start", "voicemode", **settings)
        assert (started["state"], started["port"]) == ("running", int(port))
        assert command("service", "health", "voicemode", **settings).returncode == 0
        assert command("service", "stop", "voicemode", **settings).returncode == 0
    finally:
        command("service", "uninstall", "voicemode", **settings)
    left = [path.name for path in command.home.rglob("*") if path.is_file()]
    assert left == ["token"]
