"""Bad input of every kind: an error with a code that names what and where, and the next call works."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.cli.running import CommandLine
from tests.mcp_server.conftest import Start
from tests.mcp_server.plugin import DEAF
from tests.mcp_server.process import ServerProcess
from tests.stubs.client import SpeechStub
from voicemode.wire.wav import decode_wav, encode_wav

CLIP = Path(__file__).parents[1] / "clips" / "ten_of_clubs.wav"
MEGABYTE = "All work and no play. " * 47_662


@pytest.fixture(scope="module")
def deaf() -> Iterator[ServerProcess]:
    """A server that needs no sound card to refuse arguments."""
    with ServerProcess(DEAF) as server:
        server.initialize()
        yield server


@pytest.fixture(scope="module")
def speaking(stub_process: SpeechStub, sound_card: VirtualSoundCard) -> Iterator[ServerProcess]:
    """A server on the virtual sound card that has nothing but the stub; one for all that go wrong."""
    urls = {"VOICEMODE_TTS_BASE_URLS": stub_process.url, "VOICEMODE_STT_BASE_URLS": stub_process.url}
    with ServerProcess({**sound_card.env, **urls, "VOICEMODE_BUILTIN": "false"}) as server:
        server.initialize()
        yield server


def failure(result: dict[str, Any]) -> tuple[str, str]:
    """Code and sentence of a result that must be an error; the sentence is in the structure as well."""
    assert result["isError"] is True, result
    sentence = result["content"][0]["text"]
    assert sentence.startswith(result["structuredContent"]["error"])
    return result["structuredContent"]["code"], sentence


class TestArguments:
    """What is wrong with a call is said by the name of the argument, before anything is opened or asked."""

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"message": "Hello", "speed": 0}, "speed: 0 is out of range. Allowed: 0.25 to 4"),
            ({"message": "Hello", "speed": 9}, "speed: 9 is out of range"),
            ({"message": "Hello", "speed": float("nan")}, "speed: nan is out of range"),
            ({"message": MEGABYTE}, "message: 1,048,564 characters are too many"),
            ({"message": "Hello\x07"}, "message: control character U+0007 at position 5"),
            ({"message": "\x1b[31mred"}, "message: control character U+001B at position 0"),
            ({"message": "nul\x00"}, "message: control character U+0000 at position 3"),
            ({"turns": [{"message": "One?"}, {"message": "Two\x9b?"}]}, "turns[1].message: control character U+009B"),
            ({"turns": []}, "turns: 0 questions. Allowed: 1 to 20"),
            ({"turns": [{"message": "Again?"}] * 21}, "turns: 21 questions"),
            ({"message": "Hello", "turns": [{"message": "One?"}]}, "turns: give either message or turns"),
            ({"message": "Hello", "language": "Klingon; rm"}, "language: 'Klingon; rm' is not a language tag"),
            ({"message": "Hello", "patience": "endless"}, "patience: "),
            ({"message": "Hello", "patience": -1}, "patience: "),
            ({"message": "Hello", "listen_duration_max": 0}, "listen_duration_max: 0 s is out of range"),
            ({"message": "Hello", "listen_duration_max": 1e300}, "listen_duration_max: "),
            ({"message": " ", "wait_for_response": False}, "message: it is empty"),
            ({"resume": "talk-00000000"}, "resume: there is no conversation 'talk-00000000'"),
            ({"resume": "utt-20260101-000000-abcdef"}, "resume: there is no recording 'utt-2"),
            ({"resume": "utt-/../../../../etc/passwd"}, "resume: there is no recording"),
            ({"resume": "/etc/passwd\x00.wav"}, "resume: there is no conversation"),
        ],
        ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
    )
    def test_a_wrong_argument_is_named(self, deaf: ServerProcess, arguments: dict[str, Any], named: str) -> None:
        """With what is allowed instead; the same server answers the next call."""
        code, sentence = failure(deaf.converse(**arguments))
        assert code == "bad_request"
        assert sentence.startswith(named)
        assert len(sentence) < 300

    def test_a_megabyte_is_refused_at_once(self, deaf: ServerProcess) -> None:
        """Nothing is made speakable of what is never spoken."""
        deaf.converse(message="Hello")  # builds what the first call builds
        began = time.monotonic()
        assert failure(deaf.converse(message=MEGABYTE))[0] == "bad_request"
        assert time.monotonic() - began < 1

    @pytest.mark.parametrize(
        ("arguments", "named"),
        [
            ({"message": 5}, "message: input should be a valid string."),
            ({"message": "Hello", "speed": "fast"}, "speed: input should be a valid number"),
            ({"turns": "Hello"}, "turns: input should be a valid list."),
            ({"turns": [{"message": "One?"}, {}]}, "turns[1].message: it is missing."),
            ({"message": "Hello", "patience": []}, "patience: "),
            (
                {"message": "Hello", "wait_for_respone": False},
                "wait_for_respone: there is no such argument; did you mean 'wait_",
            ),
            ({"turns": [{"message": "One?", "option": ["a"]}]}, "turns[0].option: there is no such argument"),
        ],
        ids=lambda value: value.partition(":")[0] if isinstance(value, str) else "",
    )
    def test_an_argument_of_another_type_is_named(self, deaf: ServerProcess, arguments: dict[str, Any], named: str) -> None:
        """Without the value, which may be the message, and in our words."""
        code, sentence = failure(deaf.converse(**arguments))
        assert code == "bad_request"
        assert sentence.startswith(named)
        assert "pydantic" not in sentence
        assert "Hello" not in sentence
        assert deaf.wait(deaf.call("voice_status"))["result"]["isError"] is False


@pytest.mark.sound
class TestEngines:
    """Voices and endpoints that do not do what is asked of them."""

    def test_an_unknown_voice_is_an_error_that_says_which_there_are(self, start: Start) -> None:
        """No other voice speaks in its place without a word; the next call speaks."""
        server = start(builtin="true", tts_base_urls="")
        code, sentence = failure(server.converse(message="Hello", voice="Gandalf", wait_for_response=False))
        assert code == "bad_request"
        assert "'Gandalf'" in sentence
        assert "en-us" in sentence
        assert server.converse(message="Hi", voice="en-us", wait_for_response=False)["structuredContent"]["status"] == "spoken"

    @pytest.mark.parametrize(
        ("behaviour", "problem"),
        [
            ({"refuse": True}, "connection refused"),
            ({"tts_mode": "html"}, "a web page instead of sound"),
            ({"tts_mode": "500"}, "HTTP 500"),
            ({"tts_mode": "garbage", "deliver": "mp3"}, "sound"),
            ({"tts_mode": "empty"}, "without any sound"),
            ({"tts_mode": "json"}, "application/json"),
        ],
        ids=["unreachable", "html", "500", "not sound", "empty", "json"],
    )
    def test_an_endpoint_that_cannot_speak_is_named(
        self, speaking: ServerProcess, stub: SpeechStub, behaviour: dict[str, Any], problem: str
    ) -> None:
        """With its address and its reason; when it is mended, the same server speaks."""
        stub.configure(**behaviour)
        code, sentence = failure(speaking.converse(message="Can you hear me?", wait_for_response=False))
        assert code == "speech_failed"
        assert "text-to-speech" in sentence
        assert stub.url.removesuffix("/v1") in sentence
        assert problem in sentence
        stub.reset()
        assert speaking.converse(message="Yes.", wait_for_response=False)["structuredContent"]["status"] == "spoken"

    @pytest.mark.parametrize("container", ["pcm", "wav", "mp3"])
    def test_an_endpoint_that_stops_in_mid_sentence_is_named(
        self, speaking: ServerProcess, stub: SpeechStub, container: str
    ) -> None:
        """Truncated sound is no shorter message."""
        stub.configure(tts_mode="truncated", deliver=container, streamed_wav=False)
        code, sentence = failure(speaking.converse(message="Can you hear me?", wait_for_response=False))
        assert code == "speech_failed"
        assert stub.url.removesuffix("/v1") in sentence
        assert "broke off" in sentence
        stub.reset()
        assert speaking.converse(message="Yes.", wait_for_response=False)["structuredContent"]["status"] == "spoken"

    @pytest.mark.parametrize(
        ("behaviour", "problem"),
        [
            ({"refuse": True}, "connection refused"),
            ({"stt_mode": "html"}, "a web page"),
            ({"stt_mode": "500"}, "HTTP 500"),
            ({"stt_mode": "garbage"}, "JSON"),
            ({"stt_mode": "truncated"}, "broke off"),
        ],
        ids=["unreachable", "html", "500", "not JSON", "truncated"],
    )
    def test_an_endpoint_that_cannot_transcribe_is_named(
        self, speaking: ServerProcess, stub: SpeechStub, behaviour: dict[str, Any], problem: str
    ) -> None:
        """What was recorded stays until it is mended."""
        recording = wait_on_disk(speaking)
        stub.configure(**behaviour)
        code, sentence = failure(speaking.converse(resume=recording.stem))
        assert code == "speech_failed"
        assert "speech-to-text" in sentence
        assert stub.url.removesuffix("/v1") in sentence
        assert problem in sentence
        stub.reset()
        assert speaking.converse(resume=recording.stem)["structuredContent"]["status"] == "answered"

    def test_an_endpoint_that_refuses_the_key_is_not_asked_again_until_the_settings_change(
        self, start: Start, stub: SpeechStub
    ) -> None:
        """The error says both, and what to do, also when nobody was asked any more."""
        server = start()
        stub.configure(key="another")
        recording = wait_on_disk(server)
        for ask in ({"message": "Can you hear me?", "wait_for_response": False}, {"resume": recording.stem}):
            for _ in range(2):
                code, sentence = failure(server.converse(**ask))
                assert code == "speech_failed"
                assert "HTTP 401" in sentence
                assert "voicemode config set" in sentence
        assert "not asked until the settings change" in sentence
        assert len(stub.events("tts")) == len(stub.events("stt")) == 1
        assert recording.exists()

    def test_two_calls_at_once_are_one_conversation_after_the_other(self, start: Start) -> None:
        """The impatient one is told who is talking, and can call again."""
        server = start(floor_wait_s="0.3")
        first = server.call("converse", message="One of us is talking for a while.", wait_for_response=False)
        server.wait_for_state("speaking")
        code, sentence = failure(server.converse(message="So am I.", wait_for_response=False))
        assert code == "floor_taken"
        assert f"test (pid {server.process.pid}) since" in sentence
        assert server.wait(first)["result"]["structuredContent"]["status"] == "spoken"
        assert server.converse(message="Now I am.", wait_for_response=False)["structuredContent"]["status"] == "spoken"


def wait_on_disk(server: ServerProcess) -> Path:
    """An utterance that has no transcript yet, as a turn leaves it."""
    folder = server.home / ".voicemode" / "pending"
    folder.mkdir(parents=True, exist_ok=True)
    recording = folder / "utt-20260101-000000-abcdef.wav"
    recording.write_bytes(CLIP.read_bytes())
    return recording


class TestFiles:
    """Recordings and settings."""

    @pytest.mark.parametrize("kind", ["text", "header", "empty", "none"])
    def test_a_wav_that_is_not_one_is_named(self, tmp_path: Path, kind: str) -> None:
        """By ``voicemode converse --in``, with exit status 1 and one sentence that has a code."""
        whole = encode_wav(decode_wav(CLIP.read_bytes()))
        contents = {"text": b"What did you expect?", "header": whole[:44], "empty": b""}
        file = tmp_path / "question.wav"
        if kind in contents:
            file.write_bytes(contents[kind])
        done = CommandLine(tmp_path)("converse", "--in", str(file), "--json")
        assert done.returncode == 1
        told = json.loads(done.stdout)
        assert told["code"] == "bad_media"
        assert told["error"].startswith(str(file))
        assert told["error"] in done.stderr
        assert "Traceback" not in done.stderr

    def test_a_waiting_recording_that_is_no_sound_is_an_error(self) -> None:
        """Somebody may have put anything there."""
        with ServerProcess(DEAF) as server:
            server.initialize()
            recording = wait_on_disk(server)
            recording.write_bytes(b"What did you expect?")
            assert failure(server.converse(resume=recording.stem))[0] == "bad_media"
            assert server.wait(server.call("voice_status"))["result"]["isError"] is False


class TestSettings:
    """A server with settings that cannot be meant does not start."""

    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("VOICEMODE_PATIENCE=quick\nthis is no setting\n", ":2"),
            ("VOICEMODE_PATIENCE=quick\x1b[31m\n", ":1"),
            ("\nVOICEMODE_TTS_SPEED=9\n", "VOICEMODE_TTS_SPEED"),
            ("VOICEMODE_STT_BASE_URLS=$(touch pwned)`touch pwned`\x00\n", ":1"),
        ],
        ids=["no assignment", "control character", "out of range", "NUL"],
    )
    def test_a_bad_line_stops_with_its_file_and_number(self, tmp_path: Path, text: str, sentence: str) -> None:
        """Exit status 2, one line on standard error that steers no terminal, nothing on standard output."""
        file = tmp_path / ".voicemode" / "voicemode.env"
        file.parent.mkdir()
        file.write_text(text, encoding="utf-8")
        with ServerProcess({**DEAF, "HOME": str(tmp_path)}) as server:
            assert server.process.wait(20) == 2
        said = server.stderr()
        assert f"{file}" in said
        assert sentence in said
        assert said.startswith("voicemode: ")
        assert said.count("\n") == 1
        assert said[:-1].isprintable()
        assert server.noise == []

    @pytest.mark.parametrize("value", ["quick\n", "\x1b]0;owned\x07", "nor\u2028mal", "nor\u202emal"])
    def test_a_control_character_in_the_environment_stops_with_the_name(self, value: str) -> None:
        """Whatever kind of control it takes."""
        with ServerProcess({**DEAF, "VOICEMODE_PATIENCE": value}) as server:
            assert server.process.wait(20) == 2
        said = server.stderr()
        assert "VOICEMODE_PATIENCE (environment): it holds a control character" in said
        assert said[:-1].isprintable()
        assert server.noise == []

    def test_an_unknown_key_is_a_warning_with_the_near_name(self) -> None:
        """A newer version's setting must not keep an older one from serving."""
        with ServerProcess({**DEAF, "VOICEMODE_PATIENC": "quick"}) as server:
            server.initialize()
            assert "VOICEMODE_PATIENC (environment) is not a setting; did you mean VOICEMODE_PATIENCE?" in server.stderr()
            result = server.wait(server.call("voice_status"))["result"]
        assert "VOICEMODE_PATIENC" in result["content"][0]["text"]
