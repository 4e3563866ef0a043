"""The tool ``settings``: an agent may change how a conversation goes, not where speech goes, and never sees keys."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.mcp_server.process import ServerProcess
from voicemode.settings import Settings
from voicemode.tools.settings import CHANGEABLE

KEY = "sk-do-not-show-this"


@pytest.fixture(scope="module")
def server() -> Iterator[ServerProcess]:
    """A server with a key and a chosen language."""
    environment = {"VOICEMODE_TOOLS": "settings", "VOICEMODE_STT_API_KEY": KEY, "VOICEMODE_LANGUAGE": "de"}
    with ServerProcess(environment) as process:
        process.initialize()
        yield process


def call(server: ServerProcess, action: str, **arguments: str) -> dict[str, Any]:
    result: dict[str, Any] = server.wait(server.call("settings", action=action, **arguments))["result"]
    return result


def said(result: dict[str, Any]) -> str:
    text: str = result["content"][0]["text"]
    return text


def test_what_is_set_counts_at_once_and_is_in_the_persons_file(server: ServerProcess) -> None:
    """An empty value returns to the default."""
    assert "VOICEMODE_TTS_SPEED = 1.25" in said(call(server, "set", name="tts_speed", value="1.25"))
    assert "VOICEMODE_TTS_SPEED=1.25" in (server.home / ".voicemode" / "voicemode.env").read_text()
    got = call(server, "get", name="VOICEMODE_TTS_SPEED")["structuredContent"]["settings"][0]
    assert (got["name"], got["value"]) == ("VOICEMODE_TTS_SPEED", "1.25")
    assert "1.0 (default)" in said(call(server, "set", name="tts_speed", value=""))


def test_explain_says_meaning_limits_and_whose_it_is(server: ServerProcess) -> None:
    """Enough to answer a person's question."""
    told = said(call(server, "explain", name="tts_speed"))
    assert all(words in told for words in ("Speaking rate", "from 0.25 up to 4", "1.0", "You may set it"))
    assert "The person sets it" in said(call(server, "explain", name="tts_base_urls"))


@pytest.mark.parametrize("field", sorted(set(Settings.model_fields) - CHANGEABLE))
def test_what_could_send_or_keep_speech_is_left_to_the_person(server: ServerProcess, field: str) -> None:
    """And everything else that is not on the list: the refusal names the command."""
    before = sorted(server.home.rglob("*"))
    for value in ("https://evil.example/v1", "", "false"):
        result = call(server, "set", name=field, value=value)
        assert result["isError"] is True
        assert f"voicemode config set VOICEMODE_{field.upper()}" in said(result)
    assert sorted(server.home.rglob("*")) == before


def test_nothing_that_could_send_or_keep_speech_is_on_the_list() -> None:
    """Addresses, keys, consent, models' source, devices, the cue, what is stored, and what agents may do."""
    private = {name for name in Settings.model_fields if name.endswith(("_urls", "_key", "_url", "_device"))}
    private |= {"local_only", "discovery", "builtin", "speech_cache", "base_dir", "tools", "audio_feedback", "log_level"}
    assert set(Settings.model_fields) >= CHANGEABLE
    assert not CHANGEABLE & private


@pytest.mark.parametrize("action", ["get", "explain"])
@pytest.mark.parametrize("name", ["", "VOICEMODE_STT_API_KEY"])
def test_a_key_is_never_shown(server: ServerProcess, action: str, name: str) -> None:
    """That one is set may be known."""
    result = call(server, action, name=name)
    assert KEY not in str(result)


def test_get_without_a_name_tells_what_was_changed(server: ServerProcess) -> None:
    """And from where."""
    assert "VOICEMODE_LANGUAGE = de (environment)" in said(call(server, "get"))
    assert "VOICEMODE_VAD" not in said(call(server, "get"))


def test_it_is_said_when_something_else_wins(server: ServerProcess) -> None:
    """What was written does not count then."""
    assert "environment wins" in said(call(server, "set", name="language", value="fr"))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"action": "set", "name": "tts_speed", "value": "9"}, "from 0.25"),
        ({"action": "set", "name": "tts_speed"}, "value"),
        ({"action": "set", "name": "voices", "value": "a\nVOICEMODE_LOCAL_ONLY=false"}, "control character"),
        ({"action": "explain"}, "name"),
        ({"action": "get", "name": "VOICEMODE_VOICE"}, "did you mean VOICEMODE_VOICES"),
    ],
)
def test_a_wrong_call_is_an_error_that_helps(server: ServerProcess, arguments: dict[str, str], says: str) -> None:
    """And writes nothing."""
    result = call(server, **arguments)
    assert result["isError"] is True
    assert says in said(result)
