"""``voicemode doctor`` and ``voicemode devices`` on a machine without sound devices."""

from __future__ import annotations

from tests.cli.running import CommandLine


def test_the_doctor_says_what_is_missing_and_what_to_do(command: CommandLine) -> None:
    """Status 1, each failure with its remedy, in one look."""
    ended = command("doctor")
    assert ended.returncode == 1
    assert "FAIL  microphone" in ended.stdout
    assert "FAIL  loudspeaker" in ended.stdout
    assert "-> Connect one" in ended.stdout
    assert "A conversation is not possible yet: 2 checks failed." in ended.stdout
    assert "\x1b" not in ended.stdout, "colours are for terminals"


def test_the_doctor_speaks_json(command: CommandLine) -> None:
    """Every check has a name, a state and a remedy, in the order of need."""
    checks = command.json("doctor")
    assert [check["name"] for check in checks] == [
        *("settings", "PortAudio", "microphone", "loudspeaker", "speech detector", "turn scorer", "interrupting"),
        *("text-to-speech", "speech-to-text", "floor", "recordings"),
    ]
    assert {check["state"] for check in checks} <= {"ok", "warning", "failed"}
    assert all(check["remedy"] for check in checks if check["state"] == "failed")


def test_the_doctor_leaves_nothing_behind(command: CommandLine) -> None:
    """Looking changes nothing."""
    command("doctor")
    assert not (command.home / ".voicemode").exists()


def test_without_devices_the_list_says_so(command: CommandLine) -> None:
    """Status 1 and both sentences; the JSON is an empty list."""
    ended = command("devices")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "There is no microphone" in ended.stderr
    assert "There is no loudspeaker" in ended.stderr
    assert command.json("devices") == []


def test_without_a_microphone_there_is_no_meter(command: CommandLine) -> None:
    """The same sentence as everywhere."""
    ended = command("devices", "--meter", "--seconds", "1")
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "There is no microphone" in ended.stderr
