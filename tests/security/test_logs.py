"""Logs, errors and what processes tell each other hold no transcript, no message, no key and no token. (SECURITY 19.)

``tests/mcp_server/test_security.py`` reads the log after every way in which one endpoint fails; here everything is read that
is written or answered anywhere, with a key of every kind, endpoints that repeat what they got, and one behind another.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.conftest import Start
from tests.mcp_server.process import ServerProcess
from tests.mcp_server.test_security import hear
from tests.security.traces import files, mentions
from tests.stubs.client import SpeechStub

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
MESSAGE = 'Pomegranate "zeppelin", he said.'
SAID = ("pomegranate", "zeppelin")
HEARD = ("quicksilver", "marmalade")
SECRET = "sk-planted"
KEYS = {
    **{f"VOICEMODE_{name}_API_KEY": f"{SECRET}-{name.lower()}-0123456789" for name in ("TTS", "STT", "CHAT")},
    "OPENAI_API_KEY": f"{SECRET}-elsewhere",
    "CLAUDE_MESSAGING_TOKEN": f"{SECRET}-token",
}
ECHO = 'no: {input} / {key} / {"error": "{input}", "authorization": "{key}"}'
"""What an endpoint says that repeats everything it got."""
QUICK = {
    "silence_threshold_ms": "400",
    "start_timeout_s": "4",
    "first_byte_timeout_s": "0.5",
    "stall_timeout_s": "0.5",
    "log_level": "debug",
}


def both(stub: SpeechStub, **behaviour: Any) -> None:
    for site in (0, 1):
        stub.configure(site, **behaviour)


def check(server: ServerProcess, words: tuple[str, ...]) -> None:
    """Neither the log nor a file holds one of the words or a key, and no message holds a key."""
    logged = server.stderr().lower()
    for word in (*words, SECRET):
        assert word not in logged, logged[-2000:]
    waiting = server.home / ".voicemode" / "pending"
    assert [line for line in mentions(server.home, (*words, SECRET)) if str(waiting) not in line] == []
    assert SECRET not in json.dumps([message for _, message in server.messages])


@pytest.mark.sound
def test_a_conversation_with_failing_endpoints_leaves_no_words_and_no_keys(
    start: Start, stub: SpeechStub, sound_card: VirtualSoundCard
) -> None:
    """One behind another that fails; then both; with snapshots, status and resources read in between."""
    both(stub, stt_text=" ".join(HEARD), error_text=ECHO, seconds_per_char=0.01, stall_after_s=0.1)
    equal = ", ".join(stub.urls)
    server = start(env=KEYS, tts_base_urls=equal, stt_base_urls=equal, **QUICK)
    stub.configure(0, tts_mode="500", stt_mode="400")
    answered = hear(server, sound_card, message=MESSAGE)
    assert answered["structuredContent"]["text"] == " ".join(HEARD)
    assert answered["structuredContent"]["failed"]
    snapshots = [path for path in files(server.home) if path.parent.name == "run" and path.suffix == ".json"]
    assert snapshots, "the figures of the endpoints are written for other processes"
    check(server, (*SAID, *HEARD))

    for mode in ("400", "401", "403", "422", "429", "500", "html", "json", "redirect", "stall"):
        both(stub, tts_mode=mode)
        failed = server.converse(message=MESSAGE, wait_for_response=False)
        assert failed["isError"] is True
        assert not any(word in json.dumps(failed).lower() for word in SAID), failed
    both(stub, stt_mode="500", tts_mode="ok")
    for resource in ("status", "settings", "voices"):
        server.wait(server.request("resources/read", {"uri": f"voicemode://{resource}"}))
    server.wait(server.call("voice_status"))
    check(server, (*SAID, *HEARD))
    server.close_stdin()
    server.process.wait(10)
    check(server, (*SAID, *HEARD))


def test_a_settings_file_that_cannot_be_used_is_told_without_its_secrets(tmp_path: Path) -> None:
    """Whichever line is wrong."""
    path = tmp_path / ".voicemode" / "voicemode.env"
    path.parent.mkdir(mode=0o700)
    for wrong in (
        f"VOICEMODE_STT_API_KEY={SECRET}\x07\n",
        f"VOICEMODE_STT_API_KEY {SECRET}\n",
        f"VOICEMODE_STT_BASE_URLS=http://me:{SECRET}@127.0.0.1/v1\n",
        f"VOICEMODE_STT_BASE_URLS=https://127.0.0.1/v1?key={SECRET}\n",
    ):
        path.write_text(f"VOICEMODE_TTS_API_KEY={SECRET}\n{wrong}")
        path.chmod(0o600)
        done = voicemode(tmp_path, "transcribe", str(CLIP))
        assert done.returncode != 0
        assert done.stderr.strip()
        assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["doctor"],
        ["doctor", "--json"],
        ["status"],
        ["status", "--json"],
        ["endpoints", "--explain"],
        ["config", "list"],
        ["config", "list", "--json"],
        ["transcribe", str(CLIP)],
        ["converse", MESSAGE, "--no-wait", "--out", "reply.wav"],
    ],
    ids=" ".join,
)
def test_no_command_shows_a_key_or_repeats_the_message(stub: SpeechStub, tmp_path: Path, arguments: list[str]) -> None:
    """With endpoints that refuse, and repeat what they got."""
    stub.configure(models_mode="500", tts_mode="500", stt_mode="500", error_text=ECHO)
    urls = {f"VOICEMODE_{task}_BASE_URLS": stub.url for task in ("TTS", "STT", "CHAT")}
    done = voicemode(tmp_path, *arguments, **urls, **KEYS, VOICEMODE_BUILTIN="false", VOICEMODE_LOG_LEVEL="debug")
    told = (done.stdout + done.stderr).lower()
    assert told
    for word in (*SAID, SECRET):
        assert word not in told, told[-2000:]
    assert [line for line in mentions(tmp_path, (*SAID, SECRET)) if not line.endswith("reply.wav: sound")] == []


def voicemode(home: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    base = {"HOME": str(home), "PATH": "/usr/bin:/bin", "PULSE_SERVER": "unix:/nonexistent", "COLUMNS": "300"}
    command = [sys.executable, "-m", "voicemode", *arguments]
    env = {**base, "VOICEMODE_DISCOVERY": "false", **environment}
    return subprocess.run(command, env=env, cwd=home, capture_output=True, text=True, timeout=90)
