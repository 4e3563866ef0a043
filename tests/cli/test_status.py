"""``voicemode status``: what there is, what would be used, and what the running processes have seen."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from tests.cli.running import CommandLine
from tests.runtime.another_process import another_process
from tests.stubs.client import SpeechStub
from voicemode.runtime.endpoint_report import EndpointReport

ALONE = {"VOICEMODE_DISCOVERY": "false"}
"""What runs on the machine of whoever tests changes nothing."""


@pytest.fixture(scope="module")
def stub() -> Iterator[SpeechStub]:
    with SpeechStub(sites=1) as server:
        yield server


def seen_by_another(url: str) -> EndpointReport:
    return EndpointReport(
        task="tts",
        name=url,
        origin="named",
        state="open",
        retry_in_s=500.0,
        requests=42,
        success_rate=0.976,
        first_byte_median_ms=120,
        first_byte_p95_ms=1310,
        total_median_ms=900,
        total_p95_ms=12_345,
        last_error=f"{url}: gets too many requests (HTTP 429).",
        last_error_age_s=12.0,
    )


def test_with_nothing_running_it_shows_what_would_be_used(command: CommandLine) -> None:
    """Somebody has just installed it."""
    ended = command("status", **ALONE)
    assert ended.returncode == 0
    assert "A turn would use text-to-speech: builtin:espeak-ng; speech-to-text: builtin:pocketsphinx." in ended.stdout
    assert "No running voicemode process has had a request yet" in ended.stdout
    assert "\x1b" not in ended.stdout, "colours are for terminals"
    assert not (command.home / ".voicemode").exists(), "looking changes nothing"


def test_the_figures_of_a_running_process_are_shown_with_its_name(command: CommandLine, stub: SpeechStub) -> None:
    """Under the endpoint they are of, which this command has looked at itself."""
    stub.reset()
    run = command.home / ".voicemode" / "run"
    with another_process(run, seen_by_another(stub.url), program="claude-code (pid 4711)"):
        shown = command("status", COLUMNS="80", VOICEMODE_TTS_BASE_URLS=stub.url, **ALONE).stdout
    assert re.search(rf"1 {stub.url} +works", shown)
    row = next(line for line in shown.splitlines() if line.strip().startswith("claude-code"))
    assert re.search(r"open (500|4\d\d) s +98% of 42 +120/1310 +900/12s", row)
    assert "! claude-code (pid 4711), 1" in shown
    assert "gets too many requests (HTTP 429)" in " ".join(shown.split())
    assert max(map(len, shown.splitlines())) <= 80


def test_a_process_that_is_gone_is_not_shown(command: CommandLine, stub: SpeechStub) -> None:
    """Its file is no news."""
    run = command.home / ".voicemode" / "run"
    with another_process(run, seen_by_another(stub.url), program="claude-code (pid 4711)") as process:
        process.kill()
        process.wait()
        shown = command("status", **ALONE).stdout
    assert "claude-code" not in shown


def test_an_endpoint_that_only_another_process_knows_is_shown_too(command: CommandLine) -> None:
    """Its project has other settings."""
    with another_process(command.home / ".voicemode" / "run", seen_by_another("http://127.0.0.1:9/v1")):
        shown = command("status", **ALONE).stdout
    assert re.search(r"- http://127.0.0.1:9/v1 +elsewhere", shown)


def test_it_speaks_json(command: CommandLine, stub: SpeechStub) -> None:
    """The same for programs: endpoints in their order with the look at them, processes with what they report."""
    stub.reset()
    stub.configure(0, models_mode="503")
    with another_process(command.home / ".voicemode" / "run", seen_by_another(stub.url)):
        facts = command.json("status", VOICEMODE_TTS_BASE_URLS=stub.url, **ALONE)
    first = facts["endpoints"][0]
    assert (first["task"], first["name"], first["place"], first["usable"]) == ("tts", stub.url, 1, False)
    assert "503" in first["look"]["words"]
    (process,) = facts["processes"]
    assert process["program"] == "another"
    assert process["endpoints"][0]["first_byte_p95_ms"] == 1310


def test_no_key_is_in_any_of_it(command: CommandLine, stub: SpeechStub) -> None:
    """Not in the table, not in JSON, not in the reasons, also where the endpoint refuses it."""
    stub.reset()
    stub.configure(0, key="another")
    keys = {f"VOICEMODE_{name}_API_KEY": "sk-planted" for name in ("TTS", "STT", "OPENAI")}
    settings = {"VOICEMODE_TTS_BASE_URLS": stub.url, "HTTPS_PROXY": "http://127.0.0.1:9", **keys, **ALONE}
    for arguments in (["status"], ["status", "--json"], ["endpoints", "--explain"], ["endpoints", "--json"]):
        ended = command(*arguments, **settings)
        assert "refuses the key" in ended.stdout
        assert "https://api.openai.com/v1" in ended.stdout
        assert "sk-planted" not in ended.stdout + ended.stderr


def test_watching_is_for_eyes(command: CommandLine) -> None:
    """Programs ask as often as they like."""
    ended = command("status", "--watch", "--json", **ALONE)
    assert (ended.returncode, json.loads(ended.stdout)["code"]) == (2, "bad_request")


def test_watching_ends_with_ctrl_c(command: CommandLine) -> None:
    """The table is there, then more than once, and the terminal is left as it was."""
    terminal, side = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "voicemode", "status", "--watch"],
        stdin=side,
        stdout=side,
        stderr=side,
        cwd=command.home,
        env=command.environment(COLUMNS="80", TERM="xterm", **ALONE),
        start_new_session=True,
    )
    os.close(side)
    shown = b""
    try:
        deadline = time.monotonic() + 60
        while shown.count(b"A turn would use") < 2 and time.monotonic() < deadline:
            shown += os.read(terminal, 65536)
        process.send_signal(signal.SIGINT)
        while True:
            try:
                shown += os.read(terminal, 65536)
            except OSError:  # the other end is closed
                break
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.wait()
        os.close(terminal)
    assert b"builtin:espeak-ng" in shown
    assert b"\x1b[?25h" in shown, "the cursor is back"
    assert b"Traceback" not in shown
