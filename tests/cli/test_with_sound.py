"""The command line on a machine with a sound card."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.cli.running import CommandLine
from tests.stubs.client import SpeechStub

pytestmark = pytest.mark.sound

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
WORDS = "what is the weather like in paris today"
"""What the stub transcribes, whatever it hears."""


@pytest.fixture(scope="module")
def stub() -> Iterator[SpeechStub]:
    with SpeechStub(sites=1) as server:
        yield server


class Terminal:
    """The command line on a terminal, as a person sees it."""

    def __init__(self, command: CommandLine, arguments: list[str], environment: Mapping[str, str]) -> None:
        self.seen = ""
        self._screen, there = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "voicemode", *arguments],
            stdin=there,
            stdout=there,
            stderr=there,
            cwd=command.home,
            env=command.environment(TERM="xterm", **environment),
            start_new_session=True,
        )
        os.close(there)

    def wait_for(self, words: str, deadline_s: float = 30.0) -> None:
        self._look(lambda: words in self.seen, deadline_s)
        assert words in self.seen, self.seen

    def end(self, deadline_s: float = 30.0) -> int:
        """The exit status."""
        self._look(lambda: False, deadline_s)
        os.close(self._screen)
        return self.process.wait(5)

    def _look(self, enough: Callable[[], bool], deadline_s: float) -> None:
        end = time.monotonic() + deadline_s
        while not enough() and time.monotonic() < end:
            if select.select([self._screen], [], [], 0.1)[0]:
                try:
                    self.seen += os.read(self._screen, 65_536).decode(errors="replace")
                except OSError:  # the last program that had the terminal is gone
                    return


def test_the_doctor_finds_everything_and_hears_the_room(command: CommandLine, sound_env: Mapping[str, str]) -> None:
    """Status 0: the built-in engines and a sound card are enough for a conversation."""
    ended = command("doctor", "--json", **sound_env)
    states = {check["name"]: check for check in json.loads(ended.stdout)}
    assert ended.returncode == 0
    assert "delivers sound" in states["microphone"]["detail"]
    assert states["loudspeaker"]["uses"]


def test_the_doctor_knows_a_muted_microphone(command: CommandLine, sound_card: VirtualSoundCard) -> None:
    """Only zeros: it may be muted or forbidden, and the remedy says where to look."""
    with VirtualSoundCard(noise_dbfs=None) as card:
        (microphone,) = [check for check in command.json("doctor", **card.env) if check["name"] == "microphone"]
    assert microphone["state"] == "warning"
    assert "only zeros" in microphone["detail"]
    assert "Unmute" in microphone["remedy"]


def test_the_used_devices_are_marked(command: CommandLine, sound_env: Mapping[str, str]) -> None:
    """The default one, as long as nobody chose another."""
    used = [use for device in command.json("devices", **sound_env) for use in device["used_as"]]
    assert sorted(used) == ["loudspeaker", "microphone"]
    assert "microphone, loudspeaker" in command("devices", **sound_env).stdout


def test_the_meter_hears_a_person(command: CommandLine, sound_card: VirtualSoundCard, sound_env: Mapping[str, str]) -> None:
    """Louder than the room's noise of -65 dBFS."""
    terminal = Terminal(command, ["devices", "--meter", "--seconds", "4", "--json"], sound_env)
    terminal.wait_for("dBFS")
    sound_card.play_into_microphone(CLIP)
    assert terminal.end() == 0
    facts = json.loads(terminal.seen[terminal.seen.rindex("{") :])
    assert facts["peak_dbfs"] > -30
    assert facts["only_zeros"] is False
    assert facts["seconds"] == pytest.approx(4.0, abs=0.2)


def test_a_turn_is_shown_live_and_ends_with_the_words(
    command: CommandLine, sound_card: VirtualSoundCard, sound_env: Mapping[str, str], stub: SpeechStub
) -> None:
    """The person sees when it is their turn to speak."""
    stub.reset()
    urls = {"VOICEMODE_TTS_BASE_URLS": stub.url, "VOICEMODE_STT_BASE_URLS": stub.url}
    terminal = Terminal(command, ["converse", "Hello?"], {**sound_env, **urls})
    terminal.wait_for("speaking")
    terminal.wait_for("listening: speak now")
    sound_card.play_into_microphone(CLIP)
    terminal.wait_for("hearing you")
    assert terminal.end() == 0
    assert WORDS in terminal.seen


def test_ctrl_c_while_listening_frees_the_devices(
    command: CommandLine, sound_card: VirtualSoundCard, sound_env: Mapping[str, str]
) -> None:
    """Status 130, no stream is left on the card, and no recording of a turn that never ended."""
    terminal = Terminal(command, ["converse"], sound_env)
    terminal.wait_for("listening: speak now")
    assert terminal.process.pid in [client.pid for client in sound_card.recording_clients()]
    terminal.process.send_signal(signal.SIGINT)
    assert terminal.end() == 130
    assert "Traceback" not in terminal.seen
    assert terminal.process.pid not in [client.pid for client in sound_card.recording_clients()]
    assert list(command.home.glob(".voicemode/pending/*")) == []
