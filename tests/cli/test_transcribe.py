"""``voicemode transcribe``: files of any kind, and recordings that wait."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from tests.cli.running import CommandLine
from tests.stubs.client import SpeechStub
from voicemode.audio import AudioChunk, Samples
from voicemode.runtime.journal import Journal
from voicemode.wire.wav import decode_wav, encode_wav

CLIPS = Path(__file__).parents[1] / "clips"
CLIP = CLIPS / "go_forward_ten_meters.wav"
SPEECH = decode_wav(CLIP.read_bytes())
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
    return {"VOICEMODE_STT_BASE_URLS": stub.url, "VOICEMODE_BUILTIN": "false", "VOICEMODE_DISCOVERY": "false"}


def write(path: Path, *parts: Samples) -> Path:
    path.write_bytes(encode_wav(AudioChunk(np.concatenate(parts), 16_000)))
    return path


def quiet(seconds: float) -> Samples:
    return np.random.default_rng(1).integers(-3, 4, round(seconds * 16_000)).astype(np.int16)


def remarks(path: Path, count: int) -> Path:
    """A person says something so often, with pauses."""
    return write(path, *(part for _ in range(count) for part in (SPEECH.samples, quiet(2.0))))


def wait(command: CommandLine, *handles: str) -> Path:
    """Recordings that wait for their words."""
    folder = command.home / ".voicemode" / "pending"
    journal = Journal(folder)
    for handle in handles:
        journal.keep(journal.path_of(handle), SPEECH)
        journal.release(journal.path_of(handle))
    return folder


class TestFiles:
    """FILE... in four formats."""

    def test_the_built_in_engine_transcribes_a_file_without_a_network(self, command: CommandLine) -> None:
        """On a machine on which nothing was set up; and it says that there are better ones."""
        ended = command("transcribe", str(CLIP), VOICEMODE_DISCOVERY="false")
        assert (ended.returncode, ended.stdout) == (0, "go forward ten meters\n")
        assert "VOICEMODE_STT_BASE_URLS" in ended.stderr

    def test_json_has_times_and_who_did_it(self, command: CommandLine, stub: SpeechStub, tmp_path: Path) -> None:
        """One segment per remark, in order, within the file."""
        facts = command.json("transcribe", str(remarks(tmp_path / "two.wav", 2)), **endpoints(stub))
        assert facts["complete"] is True
        assert facts["text"] == f"{WORDS} {WORDS}"
        assert [each["engine"] for each in facts["segments"]] == [stub.url] * 2
        times = [each[edge] for each in facts["segments"] for edge in ("start", "end")]
        assert times == sorted(times)
        assert times[-1] <= facts["seconds"]

    @pytest.mark.parametrize(("kind", "arrow"), [("srt", "1\n00:00:0"), ("vtt", "WEBVTT\n\n00:00:0")])
    def test_subtitles_go_where_they_are_sent(
        self, command: CommandLine, stub: SpeechStub, tmp_path: Path, kind: str, arrow: str
    ) -> None:
        """With cues in the order of the sound."""
        file = tmp_path / f"out.{kind}"
        arguments = ["transcribe", str(remarks(tmp_path / "two.wav", 2)), "--format", kind, "--output", str(file)]
        ended = command(*arguments, **endpoints(stub))
        assert (ended.returncode, ended.stdout) == (0, "")
        assert file.read_text().startswith(arrow)
        assert file.read_text().count(WORDS) == 2

    def test_standard_input_is_a_file_too(self, command: CommandLine, stub: SpeechStub) -> None:
        """Through a pipe, which cannot seek."""
        ended = subprocess.run(
            [sys.executable, "-m", "voicemode", "transcribe", "-"],
            input=CLIP.read_bytes(),
            capture_output=True,
            cwd=command.home,
            env=command.environment(**endpoints(stub)),
            timeout=60,
        )
        assert (ended.returncode, ended.stdout.decode()) == (0, f"{WORDS}\n")

    def test_several_files_into_a_folder(self, command: CommandLine, stub: SpeechStub, tmp_path: Path) -> None:
        """Each gets a file of its own; one that is no sound does not stop the others, and is told."""
        folder = tmp_path / "out"
        folder.mkdir()
        broken = tmp_path / "letter.wav"
        broken.write_text("no sound")
        arguments = ["transcribe", str(CLIP), str(broken), str(CLIPS / "seven_of_clubs.wav"), "--output", str(folder)]
        ended = command(*arguments, **endpoints(stub))
        assert ended.returncode == 1
        assert sorted(path.name for path in folder.iterdir()) == [f"{CLIP.name}.txt", "seven_of_clubs.wav.txt"]
        assert "letter.wav" in ended.stderr

    @pytest.mark.parametrize("content", [b"", b"no sound at all", b"RIFF\0\0\0\0WAVE"])
    def test_a_file_that_is_no_sound_is_an_error(self, command: CommandLine, tmp_path: Path, content: bytes) -> None:
        """One sentence that names it; an output that was there stays as it was."""
        (tmp_path / "a.wav").write_bytes(content)
        (tmp_path / "a.txt").write_text("before")
        ended = command("transcribe", str(tmp_path / "a.wav"), "--output", str(tmp_path / "a.txt"))
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "a.wav" in ended.stderr
        assert "Traceback" not in ended.stderr
        assert (tmp_path / "a.txt").read_text() == "before"

    def test_silence_is_no_error(self, command: CommandLine, tmp_path: Path) -> None:
        """There is nothing to say, and that is said on standard error."""
        ended = command("transcribe", str(write(tmp_path / "s.wav", quiet(3.0))))
        assert (ended.returncode, ended.stdout) == (0, "")
        assert "nobody speaks" in ended.stderr

    def test_when_no_endpoint_works_it_fails_with_every_reason(
        self, command: CommandLine, stub: SpeechStub, tmp_path: Path
    ) -> None:
        """What is missing is marked where it is missing, in the words as well as in the exit status."""
        stub.configure(stt_mode="500")
        ended = command("transcribe", str(remarks(tmp_path / "two.wav", 2)), **endpoints(stub))
        assert ended.returncode == 1
        assert ended.stdout.startswith("[not transcribed")
        assert stub.url in ended.stderr
        assert "500" in ended.stderr
        assert command.json("transcribe", str(tmp_path / "two.wav"), **endpoints(stub))["complete"] is False

    def test_an_interruption_keeps_what_was_done(self, command: CommandLine, stub: SpeechStub, tmp_path: Path) -> None:
        """Ctrl-C ends with 130; the words so far are in the file, and where they end is marked."""
        process = subprocess.Popen(
            [sys.executable, "-m", "voicemode", "transcribe", str(remarks(tmp_path / "x.wav", 40)), "--output", "out.txt"],
            stderr=subprocess.PIPE,
            text=True,
            cwd=command.home,
            env=command.environment(**endpoints(stub)),
        )
        stub.wait_for(lambda events: any(event["kind"] == "stt" and "at_done" in event for event in events), 30)
        stub.configure(stt_mode="hang")
        time.sleep(0.5)  # whatever was on its way has arrived; the next one hangs
        process.send_signal(signal.SIGINT)
        _, about = process.communicate(timeout=20)
        assert process.returncode == 130
        assert "Traceback" not in about
        lines = (command.home / "out.txt").read_text().splitlines()
        assert lines[0] == WORDS
        assert lines[-1].startswith("[not transcribed from")

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ([], "--pending"),
            (["a.wav", "--format", "doc"], "text, json, srt, vtt"),
            (["a.wav", "--format", "srt", "--json"], "contradicts --json"),
            (["a.wav", "b.wav", "--format", "srt"], "--output FOLDER"),
            (["a.wav", "b.wav", "--output", "nowhere"], "not a folder"),
            (["--pending", "a.wav"], "no files"),
            (["a.wav", "--language", "x!"], "language"),
        ],
    )
    def test_a_wrong_call_says_what_is_right(self, command: CommandLine, arguments: list[str], said: str) -> None:
        """Status 2, and nothing on standard output but an error that was asked for as JSON."""
        ended = command("transcribe", *arguments)
        assert ended.returncode == 2
        assert said in ended.stderr
        assert "Traceback" not in ended.stderr


class TestPending:
    """--pending: recordings that no endpoint could transcribe at the time."""

    def test_every_waiting_recording_is_printed_oldest_first_and_removed(self, command: CommandLine, stub: SpeechStub) -> None:
        """With its name and when it was spoken."""
        folder = wait(command, "utt-20260102-030405-bb", "utt-20260101-000000-aa")
        ended = command("transcribe", "--pending", **endpoints(stub))
        assert ended.returncode == 0
        assert ended.stdout.splitlines() == [
            f"utt-20260101-000000-aa (2026-01-01 00:00:00): {WORDS}",
            f"utt-20260102-030405-bb (2026-01-02 03:04:05): {WORDS}",
        ]
        assert list(folder.iterdir()) == []

    def test_what_fails_is_listed_and_stays(self, command: CommandLine, stub: SpeechStub) -> None:
        """Status 1, and the reasons."""
        folder = wait(command, "utt-20260101-000000-aa")
        stub.configure(stt_mode="500")
        ended = command("transcribe", "--pending", **endpoints(stub))
        assert (ended.returncode, ended.stdout) == (1, "")
        assert "utt-20260101-000000-aa still waits" in ended.stderr
        assert stub.url in ended.stderr
        assert [path.name for path in folder.iterdir()] == ["utt-20260101-000000-aa.wav"]

    def test_json_lists_what_was_done_and_what_is_left(self, command: CommandLine, stub: SpeechStub) -> None:
        """A file that is no sound is left as it is."""
        folder = wait(command, "utt-20260101-000000-aa", "utt-20260102-000000-bb")
        (folder / "utt-20260102-000000-bb.wav").write_bytes(b"no sound")
        facts = command.json("transcribe", "--pending", **endpoints(stub))
        (done,) = facts["transcribed"]
        assert (done["handle"], done["recorded_at"], done["text"]) == ("utt-20260101-000000-aa", "2026-01-01 00:00:00", WORDS)
        assert [(left["handle"], left["code"]) for left in facts["left"]] == [("utt-20260102-000000-bb", "bad_media")]
        assert [path.name for path in folder.iterdir()] == ["utt-20260102-000000-bb.wav"]

    def test_what_another_process_works_on_is_left_to_it(self, command: CommandLine, stub: SpeechStub) -> None:
        """A conversation in another window is still waiting for these words."""
        folder = wait(command, "utt-20260101-000000-aa")
        other = Journal(folder)
        assert other.claim(folder / "utt-20260101-000000-aa.wav")
        ended = command("transcribe", "--pending", **endpoints(stub))
        assert (ended.returncode, ended.stdout) == (1, "")
        assert stub.events("stt") == []
        other.release(folder / "utt-20260101-000000-aa.wav")

    def test_with_nothing_waiting_it_says_so(self, command: CommandLine) -> None:
        """And that is no failure."""
        ended = command("transcribe", "--pending")
        assert (ended.returncode, ended.stdout) == (0, "")
        assert "No recording waits" in ended.stderr

    def test_what_was_said_survives_a_kill_while_the_request_is_in_flight(self, command: CommandLine, stub: SpeechStub) -> None:
        """SIGKILL: the whole utterance is on disk, readable by its owner only, and becomes text."""
        stub.configure(stt_mode="hang")
        arguments = ["converse", "", "--in", str(CLIP), "--out", str(command.home / "r.wav")]
        settings = endpoints(stub) | {"VOICEMODE_TTS_BASE_URLS": stub.url}
        with subprocess.Popen(
            [sys.executable, "-m", "voicemode", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=command.home,
            env=command.environment(**settings),
        ) as process:
            stub.wait_for(lambda events: any("at_body" in event for event in events if event["kind"] == "stt"), 30)
            folder = command.home / ".voicemode" / "pending"
            (recording,) = folder.glob("utt-*.wav")
            assert recording.stat().st_mode & 0o777 == 0o600
            process.kill()
        stub.reset()
        facts = command.json("transcribe", "--pending", **endpoints(stub))
        assert [done["handle"] for done in facts["transcribed"]] == [recording.stem]
        assert facts["transcribed"][0]["seconds"] > 1.0
        assert json.dumps(facts["left"]) == "[]"
        assert list(folder.glob("utt-*")) == []
