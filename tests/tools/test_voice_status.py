"""voice_status tells an agent what would be used and what is wrong."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from types import SimpleNamespace
from typing import Any

from mcp.server.mcpserver.tools import Tool
from mcp.types import CallToolResult

from voicemode.errors import SettingsError, VoicemodeError
from voicemode.runtime.checks import Check, Part, State
from voicemode.runtime.endpoint_report import EndpointReport
from voicemode.tools.voice_status import TOOL, describe, voice_status

_GOOD = [
    Check(Part.SETTINGS, State.OK, "all are known"),
    Check(Part.PORTAUDIO, State.OK, "loads"),
    Check(Part.MICROPHONE, State.OK, "Headset", uses="Headset"),
    Check(Part.LOUDSPEAKER, State.OK, "Speakers", uses="Speakers"),
    Check(Part.DETECTOR, State.OK, "silero: it is the best", uses="silero"),
    Check(Part.TTS, State.WARNING, "http://a/v1: connection refused", "Start it."),
    Check(Part.TTS, State.OK, "http://b/v1: answers in 3 ms", uses="http://b/v1"),
    Check(Part.STT, State.OK, "http://c/v1: answers in 3 ms", uses="http://c/v1"),
    Check(Part.STT, State.OK, "builtin:pocketsphinx, the last resort", uses="builtin:pocketsphinx"),
]


class FakeVoice:
    def __init__(self, checks: list[Check]) -> None:
        self.checks = checks
        self.asked: list[dict[str, Any]] = []

    async def diagnose(self, **asked: Any) -> list[Check]:
        self.asked.append(asked)
        return self.checks

    def endpoints(self) -> list[EndpointReport]:
        return [
            EndpointReport(
                task="tts",
                name="http://a/v1",
                origin="named",
                state="open",
                retry_in_s=12.0,
                last_error="Too busy.",
                last_error_age_s=3.0,
                voices=("nova",) * 60,
            ),
            EndpointReport(
                task="tts", name="http://b/v1", origin="found", requests=3, success_rate=1.0, first_byte_median_ms=180
            ),
        ]


def call(voice: FakeVoice | VoicemodeError) -> CallToolResult:
    async def get(_: Any) -> FakeVoice:
        if isinstance(voice, VoicemodeError):
            raise voice
        return voice

    context: Any = SimpleNamespace(request_context=SimpleNamespace(lifespan_context=SimpleNamespace(voice=get)))
    return asyncio.run(voice_status(context))


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert block.type == "text"
    return block.text


def test_the_first_engine_that_works_is_the_one_in_use() -> None:
    """Endpoints are tried in order, and the built-in ones come last."""
    status = describe(_GOOD)
    assert status.uses["text-to-speech"] == "http://b/v1"
    assert status.uses["speech-to-text"] == "http://c/v1"
    assert (status.can_speak, status.can_listen) == (True, True)


def test_speaking_and_listening_are_judged_apart() -> None:
    """An agent without a microphone can still announce; one without a loudspeaker can still take dictation."""
    no_microphone = [check for check in _GOOD if check.name is not Part.MICROPHONE]
    assert (describe(no_microphone).can_speak, describe(no_microphone).can_listen) == (True, False)
    no_loudspeaker = [check for check in _GOOD if check.name is not Part.LOUDSPEAKER]
    assert (describe(no_loudspeaker).can_speak, describe(no_loudspeaker).can_listen) == (False, True)


def test_the_paragraph_names_what_is_used_and_every_problem_with_its_remedy() -> None:
    """It is all that some clients show."""
    text = text_of(call(FakeVoice(_GOOD)))
    assert text.startswith("Ready to speak and to listen.")
    assert "microphone: Headset" in text
    assert "http://a/v1: connection refused. Start it." in text
    assert "silero: it is the best" not in text


def test_the_structured_result_holds_every_part() -> None:
    """The same facts for programs, in order."""
    structured = call(FakeVoice(_GOOD)).structured_content
    assert structured is not None
    assert [finding["part"] for finding in structured["findings"]] == [str(check.name) for check in _GOOD]
    assert structured["uses"]["loudspeaker"] == "Speakers"
    assert structured["can_listen"] is True


def test_each_endpoint_comes_with_its_state_and_figures() -> None:
    """What is empty is left out, and so are long lists: an agent pays for every word, and the paragraph has none of it."""
    result = call(FakeVoice(_GOOD))
    assert result.structured_content is not None
    left_alone, well = result.structured_content["endpoints"]
    assert (left_alone["state"], left_alone["retry_in_s"], left_alone["last_error"]) == ("open", 12.0, "Too busy.")
    assert (well["origin"], well["requests"], well["success_rate"], well["first_byte_median_ms"]) == ("found", 3, 1.0, 180)
    assert "nova" not in json.dumps(result.structured_content)
    assert "first_byte_p95_ms" not in well
    assert len(text_of(result)) < 400


def test_it_never_asks_for_the_microphone_to_be_opened() -> None:
    """The microphone is opened inside converse, or when a person asks for it, and at no other time."""
    voice = FakeVoice(_GOOD)
    call(voice)
    assert voice.asked == [{}]


def test_a_voice_that_cannot_be_built_is_an_error() -> None:
    """A failure is never told as a success."""
    result = call(SettingsError("VOICEMODE_TTS_BASE_URLS", "an address begins with 'ftp'"))
    assert result.is_error
    assert "VOICEMODE_TTS_BASE_URLS" in text_of(result)
    assert result.structured_content is not None
    assert result.structured_content["code"] == "bad_setting"
    assert result.structured_content["error"] == text_of(result)


def test_its_description_is_small() -> None:
    """Every agent pays for it in every request: 150 tokens of the 1,500 for all."""
    tool = Tool.from_function(TOOL.function, title=TOOL.title)
    shown = {"name": tool.name, "description": tool.description, "inputSchema": tool.parameters}
    assert len(json.dumps(shown)) / 4 <= 150
    assert tool.parameters.get("properties", {}) == {}
    assert tool.output_schema is not None


def test_loading_it_loads_no_sound_stack() -> None:
    """The server loads it at every start."""
    code = "import sys, voicemode.tools.voice_status; print(*sys.modules)"
    modules = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    ).stdout.split()
    assert {"numpy", "sounddevice", "soxr", "av"} & set(modules) == set()
