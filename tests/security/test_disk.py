"""By default nothing that was said is on disk, but for a recording that waits for its transcript. (SECURITY 18.)

``tests/mcp_server/test_security.py`` looks at what is left by each kind of call, and at a recording that nobody can transcribe.
"""

from __future__ import annotations

import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.conftest import Start
from tests.mcp_server.process import SERVER, ServerProcess
from tests.mcp_server.test_security import hear, wait_for_new
from tests.security.traces import files, loose, mentions
from tests.stubs.client import SpeechStub

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
MESSAGE = "Pomegranate zeppelin."
WORDS = "quicksilver marmalade"
SAID = ("pomegranate", "zeppelin", "quicksilver", "marmalade")
KNOWN = {"floor.lock", "floor.json", "pending", "run", "turns", "control"}
"""What may be there; above all no cache of speech, which is kept on disk only when asked for."""
QUICK = {"silence_threshold_ms": "400", "start_timeout_s": "4"}
CARELESS = ("sh", "-c", 'umask 0; exec "$@"', "sh", *SERVER)
"""A server whose every new file would be open to all, if it did not see to it itself."""


def recordings(server: ServerProcess) -> list[Path]:
    """Those that have their name; one that is still being written has another."""
    return sorted((server.home / ".voicemode" / "pending").glob("*.wav"))


@pytest.mark.sound
def test_a_recording_is_on_disk_for_its_owner_while_it_is_transcribed_and_then_gone(
    start: Start, stub: SpeechStub, sound_card: VirtualSoundCard
) -> None:
    """It is written before it is sent, so that it outlives a crash, and removed with its lock when the words are there."""
    stub.configure(stt_text=WORDS, stt_delay_s=2.0)
    server = start(argv=CARELESS, **QUICK)
    number = server.call("converse")
    wait_for_new(server, 0, "listening")
    sound_card.play_into_microphone(CLIP)
    deadline = time.monotonic() + 20
    while not (stub.events("stt") and recordings(server)):
        assert time.monotonic() < deadline, "never on disk while it was transcribed"
        time.sleep(0.02)
    (recording,) = recordings(server)
    assert recording.read_bytes()[:4] == b"RIFF"
    assert stat.S_IMODE(recording.stat().st_mode) == 0o600
    assert stat.S_IMODE(recording.parent.stat().st_mode) == 0o700
    assert loose(server.home) == []
    assert server.wait(number)["result"]["structuredContent"]["text"] == WORDS
    assert list((server.home / ".voicemode" / "pending").iterdir()) == []
    assert mentions(server.home, SAID) == []


@pytest.mark.sound
def test_nothing_that_was_said_stays(start: Start, stub: SpeechStub, sound_card: VirtualSoundCard, tmp_path: Path) -> None:
    """Of the message and of the answer, in the home and in the folder for temporary files; and nothing is open to others."""
    stub.configure(stt_text=WORDS, seconds_per_char=0.01)
    server = start(argv=CARELESS, env={"TMPDIR": str(tmp_path)}, **QUICK)
    for _ in range(2):  # what is repeated is worth keeping, in memory
        assert hear(server, sound_card, message=MESSAGE)["structuredContent"]["text"] == WORDS
    assert server.converse(message=MESSAGE)["structuredContent"]["status"] == "no_speech"
    for when in ("while it runs", "when it has ended"):
        assert mentions(server.home, SAID) == [], when
        assert [path for path in files(tmp_path) if path.stat().st_size] == [], when
        assert loose(server.home) == [], when
        assert {path.name for path in (server.home / ".voicemode").iterdir()} <= KNOWN, when
        server.close_stdin() if when == "while it runs" else None
        assert when != "while it runs" or server.process.wait(10) == 0


@pytest.mark.parametrize("what", ["converse", "transcribe"])
def test_the_command_line_leaves_only_the_file_that_was_asked_for(stub: SpeechStub, tmp_path: Path, what: str) -> None:
    """Which is its owner's to keep."""
    stub.configure(stt_text=WORDS, seconds_per_char=0.01)
    arguments = {
        "converse": ["converse", MESSAGE, "--in", str(CLIP), "--out", "reply.wav"],
        "transcribe": ["transcribe", str(CLIP)],
    }[what]
    urls = {f"VOICEMODE_{task}_BASE_URLS": stub.url for task in ("TTS", "STT")}
    more = {"VOICEMODE_DISCOVERY": "false", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)}
    command = [sys.executable, "-m", "voicemode", *arguments]
    done = subprocess.run(command, env={**urls, **more}, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert WORDS in done.stdout, done.stderr
    assert [line for line in mentions(tmp_path, SAID) if "reply.wav" not in line] == []
    assert not (tmp_path / ".voicemode").exists() or loose(tmp_path) == []
