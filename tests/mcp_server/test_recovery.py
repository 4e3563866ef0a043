"""What no endpoint could transcribe, through the whole server."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from scripts.virtual_sound_card import VirtualSoundCard
from tests.mcp_server.conftest import Start
from tests.mcp_server.test_turns import CLIP, answer_with
from tests.stubs.client import SpeechStub

pytestmark = pytest.mark.sound


def test_words_that_were_lost_come_with_a_later_result(
    start: Start, stub: SpeechStub, sound_card: VirtualSoundCard, tmp_path: Path
) -> None:
    """The endpoint was down while the person spoke; when it is back, their words come by themselves, once."""
    server = start(base_dir=str(tmp_path))
    stub.configure(stt_mode="500")
    person = answer_with(sound_card, CLIP)
    failed = server.converse(message="Where should the robot go?")
    person.join()
    assert failed["isError"]
    (recording,) = (tmp_path / "pending").glob("utt-*.wav")
    text = failed["content"][0]["text"]
    assert stub.url in text
    assert f"resume='{recording.stem}'" in text
    assert "voicemode transcribe --pending" in text

    asked = len(stub.events("stt"))
    stub.configure(stt_mode="ok")
    stub.wait_for(lambda events: len([event for event in events if event["kind"] == "stt"]) > asked, 20)
    time.sleep(0.3)  # the answer is on its way
    assert recording.exists(), "nobody has got the words yet"
    later = server.converse(message="One moment.", wait_for_response=False)
    (words,) = later["structuredContent"]["recovered"]
    assert (words["handle"], words["engine"]) == (recording.stem, stub.url)
    assert words["text"]
    assert "unverified" in later["content"][-1]["text"]
    assert list((tmp_path / "pending").iterdir()) == []
    again = server.converse(message="One moment.", wait_for_response=False)
    assert "recovered" not in again["structuredContent"]
