"""``voicemode converse``: one turn, through files, with real engines or a stub of real endpoints."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.running import CommandLine
from tests.stubs.client import SpeechStub

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
WORDS = "what is the weather like in paris today"
"""What the stub transcribes, whatever it hears."""


@pytest.fixture(scope="module")
def _server() -> Iterator[SpeechStub]:
    with SpeechStub(sites=1) as server:
        yield server


@pytest.fixture
def stub(_server: SpeechStub) -> SpeechStub:
    _server.reset()
    return _server


def endpoints(stub: SpeechStub) -> dict[str, str]:
    """The settings that use the stub, and nothing else."""
    return {"VOICEMODE_TTS_BASE_URLS": stub.url, "VOICEMODE_STT_BASE_URLS": stub.url, "VOICEMODE_BUILTIN": "false"}


def seconds_of(path: Path) -> float:
    with wave.open(str(path)) as file:
        return float(file.getnframes() / file.getframerate())


def test_the_built_in_engines_answer_without_a_network(command: CommandLine, tmp_path: Path) -> None:
    """The main job on a machine on which nothing was set up: a message is spoken, a human answer is understood."""
    reply = tmp_path / "reply.wav"
    ended = command("converse", "How far shall I go?", "--in", str(CLIP), "--out", str(reply))
    assert (ended.returncode, ended.stdout) == (0, "go forward ten meters\n")
    assert seconds_of(reply) > 0.5
    assert "VOICEMODE_STT_BASE_URLS" in ended.stderr, "low confidence is said, with the command that brings a better engine"


def test_the_answers_that_are_expected_become_a_grammar(command: CommandLine) -> None:
    """With options the built-in recogniser is reliable, and says so."""
    options = "go forward ten meters,go back two meters"
    result = command.json("converse", "Which?", "--in", str(CLIP), "--out", str(command.home / "r.wav"), "--options", options)
    assert (result["text"], result["confidence"]) == ("go forward ten meters", "grammar")


def test_only_the_words_go_to_standard_output(command: CommandLine, stub: SpeechStub, tmp_path: Path) -> None:
    """So that they can be piped on; the timeline is about them."""
    ended = command("converse", "Hello?", "--in", str(CLIP), "--out", str(tmp_path / "r.wav"), "--timeline", **endpoints(stub))
    assert (ended.returncode, ended.stdout) == (0, f"{WORDS}\n")
    rows = [line.split()[0] for line in ended.stderr.splitlines() if line.strip()]
    assert rows == ["speak", "listen", "end", "transcribe", "result"]


def test_the_json_says_who_did_what_and_how_long_it_took(command: CommandLine, stub: SpeechStub, tmp_path: Path) -> None:
    """The same facts as the MCP tool's result."""
    arguments = ["converse", "Hello?", "--in", str(CLIP), "--out", str(tmp_path / "r.wav")]
    result = command.json(*arguments, **endpoints(stub))
    assert (result["status"], result["text"]) == ("answered", WORDS)
    assert result["engines"] == {"tts": stub.url, "stt": stub.url, "vad": "silero", "scorer": "prosody"}
    assert (result["heard"], result["unheard"]) == ("", "")
    assert {"ttfa", "transcription", "total"} <= result["timings_ms"].keys()


@pytest.mark.parametrize("option", ["--interruptible", "--no-interruptible"])
def test_whether_one_may_interrupt_is_an_option(command: CommandLine, stub: SpeechStub, tmp_path: Path, option: str) -> None:
    """Where nothing plays aloud, as into a file, it changes nothing."""
    ended = command("converse", "Hello?", option, "--in", str(CLIP), "--out", str(tmp_path / "r.wav"), **endpoints(stub))
    assert (ended.returncode, ended.stdout) == (0, f"{WORDS}\n")


def test_a_microphone_that_is_too_loud_is_said_to_be(command: CommandLine, stub: SpeechStub, tmp_path: Path) -> None:
    """Words may be wrong then; beside them, and as a fact for scripts. An ordinary one is not said to be."""
    with wave.open(str(CLIP)) as file:
        layout, sound = file.getparams(), np.frombuffer(file.readframes(file.getnframes()), np.int16)
    loud = tmp_path / "loud.wav"
    with wave.open(str(loud), "wb") as file:
        file.setparams(layout)
        file.writeframes(np.clip(sound.astype(np.int32) * 40, -32_768, 32_767).astype("<i2").tobytes())
    for question, clipped in ((loud, True), (CLIP, False)):
        arguments = ["converse", "Hello?", "--in", str(question), "--out", str(tmp_path / "r.wav")]
        ended = command(*arguments, **endpoints(stub))
        assert (ended.stdout, "too loud" in ended.stderr) == (f"{WORDS}\n", clipped)
        assert command.json(*arguments, **endpoints(stub))["clipped"] is clipped


def test_no_wait_only_speaks(command: CommandLine, stub: SpeechStub, tmp_path: Path) -> None:
    """Nothing is heard and nothing is printed."""
    reply = tmp_path / "reply.wav"
    ended = command("converse", "Done.", "--no-wait", "--out", str(reply), **endpoints(stub))
    assert (ended.returncode, ended.stdout) == (0, "")
    assert seconds_of(reply) > 0.1
    assert stub.events("stt") == []


def test_the_message_can_come_from_standard_input(command: CommandLine, stub: SpeechStub, tmp_path: Path) -> None:
    """Other programs have something to say too."""
    command("converse", "-", "--no-wait", "--out", str(tmp_path / "r.wav"), stdin="From a pipe.\n", **endpoints(stub))
    (event,) = stub.events("tts")
    assert "From a pipe." in json.dumps(event)


def test_without_sound_devices_it_says_what_is_missing(command: CommandLine, stub: SpeechStub) -> None:
    """A message that nobody can have heard is no success."""
    ended = command("converse", "Hello?", "--no-wait", **endpoints(stub))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "There is no loudspeaker" in ended.stderr


def test_a_silent_question_is_status_1(command: CommandLine, stub: SpeechStub, tmp_path: Path) -> None:
    """Nobody spoke: a script can tell it from an answer."""
    silence = tmp_path / "silence.wav"
    with wave.open(str(silence), "wb") as file:
        file.setparams((1, 2, 16_000, 0, "NONE", ""))
        file.writeframes(bytes([1, 0, 0, 0] * 16_000))
    ended = command("converse", "", "--in", str(silence), "--out", str(tmp_path / "r.wav"), **endpoints(stub))
    assert (ended.returncode, ended.stdout) == (1, "")
    assert "Nobody spoke" in ended.stderr


@pytest.mark.parametrize("content", [b"", b"not a WAV file at all", b"RIFF\x00\x00\x00\x00WAVE"])
def test_a_question_that_is_no_sound_is_an_error(
    command: CommandLine, stub: SpeechStub, tmp_path: Path, content: bytes
) -> None:
    """One sentence that names the file."""
    broken = tmp_path / "broken.wav"
    broken.write_bytes(content)
    ended = command("converse", "Hello?", "--in", str(broken), "--out", str(tmp_path / "r.wav"), **endpoints(stub))
    assert ended.returncode in (1, 2)
    assert "broken.wav" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_question_that_does_not_exist_is_an_error(command: CommandLine, stub: SpeechStub, tmp_path: Path) -> None:
    """It is found out before anything is spoken."""
    ended = command("converse", "Hello?", "--in", "nowhere.wav", "--out", str(tmp_path / "r.wav"), **endpoints(stub))
    assert ended.returncode in (1, 2)
    assert "nowhere.wav" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_what_was_said_survives_an_interruption(command: CommandLine, stub: SpeechStub, number: signal.Signals) -> None:
    """Ctrl-C while an endpoint hangs ends with status 130; the recording stays, is listed, and is transcribed later."""
    stub.configure(stt_mode="hang")
    arguments = ["converse", "Hello?", "--in", str(CLIP), "--out", str(command.home / "r.wav")]
    process = subprocess.Popen(
        [sys.executable, "-m", "voicemode", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=command.home,
        env=command.environment(**endpoints(stub)),
    )
    stub.wait_for(lambda events: any(event["kind"] == "stt" for event in events), 30)
    pending = command.home / ".voicemode" / "pending"
    deadline = time.monotonic() + 10
    while not list(pending.glob("utt-*.wav")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.3)  # the turn is over when the file is; from then on it waits for the words
    process.send_signal(number)
    said, about = process.communicate(timeout=20)
    assert (process.returncode, said) == (130, "")
    assert "Traceback" not in about

    (recording,) = pending.glob("utt-*.wav")
    stub.reset()
    checks = command.json("doctor", **endpoints(stub))
    assert any(recording.stem in check["detail"] for check in checks)
    resumed = command("converse", "--resume", recording.stem, **endpoints(stub))
    assert (resumed.returncode, resumed.stdout) == (0, f"{WORDS}\n")
    assert list(pending.glob("utt-*.wav")) == []


def test_an_endpoint_that_fails_leaves_the_recording_and_says_how_to_go_on(command: CommandLine, stub: SpeechStub) -> None:
    """Nothing the person said is lost."""
    stub.configure(stt_mode="500")
    arguments = ["converse", "Hello?", "--in", str(CLIP), "--out", str(command.home / "r.wav")]
    ended = command(*arguments, **endpoints(stub))
    (recording,) = (command.home / ".voicemode" / "pending").glob("utt-*.wav")
    assert ended.returncode == 1
    assert "500" in ended.stderr
    assert recording.stem in ended.stderr
