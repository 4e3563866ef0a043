"""Words that leave this machine are named, and no others."""

from __future__ import annotations

import asyncio
import contextlib

import numpy as np
import pytest

from tests.stubs.client import SpeechStub
from voicemode.audio import AudioChunk
from voicemode.errors import EndpointError
from voicemode.interfaces import SpeechRequest, TranscriptionRequest
from voicemode.providers.http import HttpPool
from voicemode.providers.http_stt import HttpTranscriber
from voicemode.providers.http_tts import HttpSynthesizer
from voicemode.providers.leaving import leaving

FAR = "http://speech.example.com/v1"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8880/v1", "http://localhost/v1", "http://[::1]:2022/v1"])
def test_what_stays_on_this_machine_is_not_named(url: str) -> None:
    """However it is spelt."""
    told: list[str] = []
    with leaving(url, told.append):
        pass
    assert told == []


def test_another_machine_is_named_when_its_answer_is_there() -> None:
    """Once per request."""
    told: list[str] = []
    with leaving(FAR, told.append):
        assert told == []
    assert told == [FAR]


@pytest.mark.parametrize(
    ("end", "named"),
    [
        (EndpointError(FAR, "failed", 500), True),
        (EndpointError(FAR, "no connection", reached=False), False),
        (asyncio.CancelledError(), True),
    ],
)
def test_a_request_that_failed_or_was_given_up_has_left_too(end: BaseException, named: bool) -> None:
    """Unless there was no connection."""
    told: list[str] = []
    with pytest.raises(type(end)), leaving(FAR, told.append):
        raise end
    assert told == ([FAR] if named else [])


def test_nobody_needs_to_want_to_know() -> None:
    """A test of an endpoint, for instance."""
    done = False
    with leaving(FAR, None):
        done = True
    assert done


@pytest.mark.anyio
async def test_both_kinds_of_endpoints_name_themselves(
    stub: SpeechStub, pool: HttpPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another machine's, to which the stub is the way; the stub's own address stays unnamed."""
    monkeypatch.setenv("http_proxy", stub.urls[1].removesuffix("/v1"))
    monkeypatch.delenv("no_proxy", raising=False)
    utterance = AudioChunk(np.ones(8000, dtype=np.int16), 16_000)
    for url, expected in ((FAR, {FAR}), (stub.url, set[str]())):
        heard: list[str] = []
        spoken: list[str] = []
        with contextlib.suppress(EndpointError):  # the stub is no proxy, and declines what it has got
            await HttpTranscriber(url, pool).transcribe(TranscriptionRequest(utterance, on_remote=heard.append))
        with contextlib.suppress(EndpointError):
            await anext(aiter(HttpSynthesizer(url, pool).synthesize(SpeechRequest("Hello.", on_remote=spoken.append))))
        assert (set(heard), set(spoken)) == (expected, expected)
