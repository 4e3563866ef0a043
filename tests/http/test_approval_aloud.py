"""A call is allowed aloud, from the question in the assistant's voice to the result of the call, in a real server."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from tests.http.test_one_record import over_socket
from tests.security.assembled import house
from tests.stubs.client import SpeechStub

pytestmark = pytest.mark.anyio

_SESSION = {
    "type": "realtime",
    "audio": {"input": {"turn_detection": {"type": "server_vad", "silence_duration_ms": 400}}},
    "tools": [{"type": "mcp", "server_label": "voicemode"}],
}
QUESTION = "May I use job status of voicemode?"


@pytest.mark.parametrize(("said", "called"), [("Yes, please.", True), ("No, thanks.", False)])
async def test_what_is_said_to_the_question_decides(tmp_path: Path, stub: SpeechStub, said: str, called: bool) -> None:
    """The responder is not asked before that is known, and then told what came of it."""
    stub.configure(stt_text=said, chat_text="", chat_calls=[["call_1", "job_status", "{}"]])
    endpoints = {"stt_base_urls": stub.url, "tts_base_urls": stub.url, "chat_base_urls": stub.url}
    settings = {"mcp_approval_aloud": "true", "job_command": f"{sys.executable} {{text}}", **endpoints}
    async with house(tmp_path, **settings) as here, here.web() as web:
        await web.get("/readyz")  # who is there is known
        secret = (await web.post("/api/sessions/session", json={"session": _SESSION})).json()["client_secret"]
        async with over_socket(here, secret) as talk:
            reading = asyncio.create_task(talk.read())
            try:
                await talk.until(lambda: talk.count("mcp_list_tools.completed") > 0)
                await talk.speak()
                await talk.until(lambda: talk.count("response.output_audio_transcript.done") > 0)
                stub.configure(chat_text="That is it.", chat_calls=[])
                asked = len(stub.events("chat"))
                await talk.speak()
                await talk.until(lambda: talk.count("response.output_audio_transcript.done") > 1)
            finally:
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
    spoken = [event["transcript"] for event in talk.events if event["type"] == "response.output_audio_transcript.done"]
    assert spoken == [QUESTION, "That is it."]
    (answer,) = (
        event["item"]
        for event in talk.events
        if event["type"] == "conversation.item.done" and event["item"]["type"] == "mcp_approval_response"
    )
    assert answer["approve"] is called
    assert talk.count("response.mcp_call.completed") == called
    (request,) = [event for event in stub.events("chat")[asked:] if "body" in event]
    (result,) = [each["content"] for each in request["body"]["messages"] if each["role"] == "tool"]
    assert ('{"jobs": []}' in result) is called
    assert ("did not allow this" in result) is not called
