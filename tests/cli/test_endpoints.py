"""``voicemode endpoints``: the order, and the reasons for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.running import CommandLine
from tests.stubs.client import SpeechStub

ALONE = {"VOICEMODE_DISCOVERY": "false"}
"""What runs on the machine of whoever tests changes nothing."""


@pytest.fixture(scope="module")
def stub() -> Iterator[SpeechStub]:
    with SpeechStub(sites=2) as server:
        yield server


@pytest.fixture
def settings(stub: SpeechStub) -> dict[str, str]:
    """Two endpoints that speak, the first of which is not there."""
    stub.reset()
    stub.configure(0, refuse=True)
    return {"VOICEMODE_TTS_BASE_URLS": ",".join(stub.urls), **ALONE}


def test_they_come_in_the_order_in_which_they_would_be_asked(
    command: CommandLine, stub: SpeechStub, settings: dict[str, str]
) -> None:
    """As the person named them, built-in ones last, with what each does now."""
    ended = command("endpoints", **settings)
    assert ended.returncode == 0
    lines = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert lines[0] == "text-to-speech"
    assert lines[1] == f"1 {stub.urls[0]} named in the settings; connection refused: nothing listens there"
    assert lines[2].startswith(f"2 {stub.urls[1]} named in the settings; answers in")
    assert lines[3].startswith("3 builtin:espeak-ng built in, the last resort")


def test_it_explains_itself(command: CommandLine, stub: SpeechStub, settings: dict[str, str]) -> None:
    """Every reason of the decision, and what to do about what does not work."""
    shown = command("endpoints", "--explain", "--task", "tts", "--voice", "nova", **settings).stdout
    assert shown.startswith("text-to-speech, voice nova\n")
    assert "named in the settings at place 2" in shown
    assert "-> Start it, or change VOICEMODE_TTS_BASE_URLS." in shown
    assert "speech-to-text" not in shown


def test_it_speaks_json(command: CommandLine, stub: SpeechStub, settings: dict[str, str]) -> None:
    """With the reasons."""
    first, second, last = command.json("endpoints", "--task", "tts", **settings)
    assert [each["place"] for each in (first, second, last)] == [1, 2, 3]
    assert [each["usable"] for each in (first, second, last)] == [False, True, True]
    assert "named in the settings at place 1" in first["reasons"]
    assert last["origin"] == "builtin"


def test_another_language_is_not_for_the_built_in_recogniser(command: CommandLine) -> None:
    """It would refuse, so it is not what would be used."""
    (sphinx,) = command.json("endpoints", "--task", "stt", "--language", "de", **ALONE)
    assert (sphinx["usable"], sphinx["name"]) == (False, "builtin:pocketsphinx")


@pytest.mark.parametrize(("option", "value"), [("--language", "not a language"), ("--task", "singing")])
def test_a_wrong_wish_is_status_2(command: CommandLine, option: str, value: str) -> None:
    """As everywhere."""
    assert command("endpoints", option, value, **ALONE).returncode == 2
