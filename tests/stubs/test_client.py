"""The stub itself: what other tests rely on."""

from __future__ import annotations

import json
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import psutil
import pytest

from tests.stubs.client import SpeechStub
from tests.stubs.sound import RATE, speech


def _say(url: str, text: str, container: str) -> bytes:
    body = json.dumps({"input": text, "response_format": container, "voice": "x", "model": "y"}).encode()
    with urlopen(Request(f"{url}/audio/speech", body), timeout=10) as answer:
        data: bytes = answer.read()
        return data


def test_the_stub_speaks_notes_and_leaves_no_process() -> None:
    """Two sites with behaviours of their own; gone when its standard input ends."""
    with SpeechStub() as stub:
        pid = stub.pid
        assert _say(stub.url, "hello", "pcm") == speech("hello", "tone", 0.06).astype("<i2").tobytes()
        stub.configure(site=1, tts_mode="503")
        with pytest.raises(HTTPError):
            _say(stub.urls[1], "hello", "pcm")
        events = stub.events("tts")
        assert [(e["site"], e["status"]) for e in events] == [(0, 200), (1, 503)]
        assert events[0]["at_head"] <= events[0]["at_body"] <= events[0]["at_first"] <= events[0]["at_done"]
        stub.reset()
        assert stub.events() == []
        with pytest.raises(ValueError, match="misspelt"):
            stub.configure(misspelt=True)
    assert not psutil.pid_exists(pid)


def test_the_length_of_a_text_is_the_same_each_time() -> None:
    """So that tests can say how long a sentence lasts."""
    assert len(speech("x" * 50, "tone", 0.06)) == 3 * RATE
    assert len(speech("x", "tone", 0.06)) == round(0.3 * RATE)
