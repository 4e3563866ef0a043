"""Settings that change while the server runs: the next call heeds them, and nothing that is under way is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.conftest import Start
from tests.mcp_server.process import ServerProcess
from tests.stubs.client import SpeechStub

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
FROM_FILE: dict[str, str | None] = {"tts_base_urls": None, "stt_base_urls": None}
"""Not in the environment, so that the file says it."""

pytestmark = pytest.mark.sound


def write(home: Path, **settings: str) -> Path:
    """The person's settings file, put in the place of the one before as 'voicemode config set' does it."""
    path = home / ".voicemode" / "voicemode.env"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_suffix(".new")
    new.write_text("".join(f"VOICEMODE_{name.upper()}={value}\n" for name, value in settings.items()))
    new.chmod(0o600)
    return new.replace(path)


def say(server: ServerProcess) -> dict[str, Any]:
    return server.converse(message="Hello.", wait_for_response=False)


def test_a_key_that_was_missing_is_used_by_the_next_call(start: Start, stub: SpeechStub) -> None:
    """401 leaves an endpoint alone until settings change; no restart, and no wait."""
    stub.configure(key="sk-right", seconds_per_char=0.01)
    server = start(**FROM_FILE)
    write(server.home, tts_base_urls=stub.url)
    assert say(server)["isError"] is True
    asked = len(stub.events("tts"))
    assert say(server)["isError"] is True
    assert len(stub.events("tts")) == asked, "it is not asked again with the same settings"
    write(server.home, tts_base_urls=stub.url, tts_api_key="sk-wrong")
    assert say(server)["isError"] is True
    write(server.home, tts_base_urls=stub.url, tts_api_key="sk-right")
    assert say(server)["structuredContent"]["status"] == "spoken"
    assert stub.events("tts")[-1]["authorization"] == "Bearer sk-right"


def test_another_endpoint_and_another_voice_are_used_by_the_next_call(start: Start, stub: SpeechStub) -> None:
    """Addresses, and what a call takes from the settings."""
    stub.configure(seconds_per_char=0.01)
    stub.configure(site=1, seconds_per_char=0.01)
    server = start(**FROM_FILE)
    write(server.home, tts_base_urls=stub.urls[0], voices="nova")
    assert say(server)["isError"] is False
    write(server.home, tts_base_urls=stub.urls[1], voices="echo", tts_speed="1.5")
    assert say(server)["isError"] is False
    told = [(event["site"], event["body"]["voice"], event["body"].get("speed", 1.0)) for event in stub.events("tts")]
    assert told == [(0, "nova", 1.0), (1, "echo", 1.5)]


def test_local_only_counts_at_once(start: Start, stub: SpeechStub) -> None:
    """What was allowed a moment ago is refused, and the settings that contradict each other are not put in force."""
    stub.configure(seconds_per_char=0.01)
    server = start(**FROM_FILE, connect_timeout_s="0.3")
    write(server.home, tts_base_urls=f"{stub.url},http://198.51.100.7/v1")
    assert say(server)["isError"] is False
    write(server.home, tts_base_urls=stub.url, local_only="true")
    assert say(server)["isError"] is False
    stub.configure(tts_mode="500")
    result = say(server)
    assert result["isError"] is True
    assert "198.51.100.7" not in result["content"][0]["text"]


def test_a_broken_file_leaves_what_was_in_force_and_is_told(start: Start, stub: SpeechStub) -> None:
    """By the result of the call, and by voice_status."""
    stub.configure(seconds_per_char=0.01)
    server = start(**FROM_FILE)
    write(server.home, tts_base_urls=stub.url)
    assert say(server)["isError"] is False
    path = write(server.home, tts_base_urls=stub.url, patience="endless")
    result = say(server)
    assert result["structuredContent"]["status"] == "spoken"
    assert f"VOICEMODE_PATIENCE ({path}:2)" in result["content"][-1]["text"]
    assert f"VOICEMODE_PATIENCE ({path}:2)" in result["structuredContent"]["warning"]
    status = server.wait(server.call("voice_status"))["result"]
    assert f"VOICEMODE_PATIENCE ({path}:2)" in status["content"][0]["text"]
    write(server.home, tts_base_urls=stub.url)
    assert "warning" not in say(server)["structuredContent"]


def test_a_server_that_began_with_a_wrong_address_is_mended_by_the_file(start: Start, stub: SpeechStub, tmp_path: Path) -> None:
    """Each error names what the file says at that moment."""
    stub.configure(seconds_per_char=0.01)
    write(tmp_path, tts_base_urls="ftp://127.0.0.1/v1")
    server = start(env={"HOME": str(tmp_path)}, **FROM_FILE)
    assert "'ftp'" in say(server)["content"][0]["text"]
    write(tmp_path, tts_base_urls="gopher://127.0.0.1/v1")
    assert "'gopher'" in say(server)["content"][0]["text"]
    write(tmp_path, tts_base_urls=stub.url)
    assert say(server)["isError"] is False


def test_a_parked_conversation_survives(start: Start, stub: SpeechStub, sound_card: VirtualSoundCard) -> None:
    """It goes on with what it began with, and what was said is not lost."""
    stub.configure(seconds_per_char=0.01, stt_text="quicksilver marmalade")
    server = start(**FROM_FILE, call_budget_s="1.5", silence_threshold_ms="400", start_timeout_s="20")
    write(server.home, tts_base_urls=stub.url, stt_base_urls=stub.url)
    parked = server.converse(message="Hello.")["structuredContent"]
    assert parked["status"] == "still_listening"
    write(server.home, tts_base_urls=stub.url, stt_base_urls=stub.url, start_timeout_s="3", voices="echo")
    number = server.call("converse", resume=parked["resume"])
    sound_card.play_into_microphone(CLIP)
    result = server.wait(number)["result"]["structuredContent"]
    while result["status"] == "still_listening":
        result = server.converse(resume=result["resume"])["structuredContent"]
    assert (result["status"], result["text"]) == ("answered", "quicksilver marmalade")
