"""Transcribing through an endpoint, over real sockets; the stub fails on demand."""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from tests.stubs.client import SpeechStub
from voicemode.audio import AudioChunk
from voicemode.errors import EndpointError, SettingsError
from voicemode.interfaces import TranscriptionRequest
from voicemode.providers.endpoint import Endpoint
from voicemode.providers.http import HttpPool
from voicemode.providers.http_stt import HttpTranscriber
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

UTTERANCE = AudioChunk((1000 * np.sin(np.arange(8000) / 5)).astype(np.int16), 16_000)
REQUEST = TranscriptionRequest(UTTERANCE)


async def _fails(transcriber: HttpTranscriber, request: TranscriptionRequest = REQUEST) -> EndpointError:
    with pytest.raises(EndpointError) as caught:
        await transcriber.transcribe(request)
    assert caught.value.endpoint == transcriber.name
    assert str(caught.value).isprintable()
    return caught.value


async def test_an_utterance_is_uploaded_whole_and_its_words_come_back(stub: SpeechStub, pool: HttpPool) -> None:
    """A 16-bit 16 kHz WAV with every sample; the result names the endpoint."""
    transcript = await HttpTranscriber(stub.url, pool, models=("whisper-1",)).transcribe(REQUEST)
    assert transcript.text == "what is the weather like in paris today"
    assert (transcript.engine, transcript.confidence, transcript.failed) == (stub.url, "unknown", ())
    with wave.open(io.BytesIO(stub.uploads()[0])) as wav:
        assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth()) == (16_000, 1, 2)
        assert wav.readframes(wav.getnframes()) == UTTERANCE.pcm
    event = stub.events("stt")[0]
    assert event["fields"] == {"model": "whisper-1", "response_format": "json"}
    assert event["filename"] == "speech.wav"


async def test_language_and_expected_answers_are_passed_on(stub: SpeechStub, pool: HttpPool) -> None:
    """As the API wants them."""
    request = TranscriptionRequest(UTTERANCE, language="pt-BR", options=("sim", "não"))
    await HttpTranscriber(stub.url, pool).transcribe(request)
    fields = stub.events("stt")[0]["fields"]
    assert (fields["language"], fields["prompt"]) == ("pt", "sim, não.")


async def test_words_that_the_endpoint_takes_for_silence_are_none(stub: SpeechStub, pool: HttpPool) -> None:
    """Whisper likes to hear "Thank you." in an empty room."""
    silent = {"no_speech_prob": 0.95, "avg_logprob": -1.3}
    stub.configure(stt_answer={"text": "Thank you.", "segments": [silent]})
    assert (await HttpTranscriber(stub.url, pool).transcribe(REQUEST)).text == ""


async def test_an_unsure_endpoint_makes_a_low_confidence(stub: SpeechStub, pool: HttpPool) -> None:
    """The figures travel no further than the word for them."""
    unsure = {"no_speech_prob": 0.1, "avg_logprob": -1.3}
    stub.configure(stt_answer={"text": "mumble", "segments": [unsure]})
    assert (await HttpTranscriber(stub.url, pool).transcribe(REQUEST)).confidence == "low"


FAILURES: Mapping[str, tuple[dict[str, Any], str, int | None, bool]] = {
    "refused": ({"refuse": True}, "connection refused", None, True),
    "401": ({"stt_mode": "401"}, "VOICEMODE_STT_API_KEY", 401, False),
    "413": ({"stt_mode": "413"}, "too long", 413, False),
    "500": ({"stt_mode": "500"}, "stub: told to fail", 500, True),
    "a web page": ({"stt_mode": "html"}, "a web page", 200, False),
    "not JSON": ({"stt_mode": "garbage"}, "not JSON", 200, False),
    "no text": ({"stt_answer": {"words": []}}, "without a text", 200, False),
    "cut off": ({"stt_mode": "truncated"}, "broke off", None, True),
    "redirect": ({"stt_mode": "redirect", "redirect_to": "http://elsewhere.invalid/"}, "redirects", 307, False),
}


@pytest.mark.parametrize("behaviour", FAILURES)
async def test_every_failure_names_endpoint_and_cause_and_the_next_call_works(
    stub: SpeechStub, pool: HttpPool, behaviour: str
) -> None:
    """Nothing of a failure stays behind, in the client or on the connection."""
    order, cause, status, retryable = FAILURES[behaviour]
    transcriber = HttpTranscriber(stub.url, pool)
    stub.configure(**order)
    error = await _fails(transcriber)
    assert cause in str(error)
    assert (error.status, error.retryable) == (status, retryable)
    stub.reset()
    assert (await transcriber.transcribe(REQUEST)).text


async def test_an_endpoint_that_hangs_is_given_up_after_the_length_of_the_utterance(
    stub: SpeechStub, hasty_pool: HttpPool
) -> None:
    """0.5 s for the first byte and 0.5 s of speech; the connection is closed."""
    stub.configure(stt_mode="hang")
    async with asyncio.timeout(5):
        assert "no first byte within 1 s" in str(await _fails(HttpTranscriber(stub.url, hasty_pool)))
    await asyncio.to_thread(stub.wait_for, lambda events: "gone_at" in events[0])


async def test_cancelling_closes_the_connection(stub: SpeechStub, pool: HttpPool) -> None:
    """A speculation that is dropped costs the endpoint no more work; the next call works."""
    stub.configure(stt_mode="hang")
    transcriber = HttpTranscriber(stub.url, pool)
    waiting = asyncio.create_task(transcriber.transcribe(REQUEST))
    await asyncio.to_thread(stub.wait_for, lambda events: bool(events) and "at_body" in events[0])
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await asyncio.to_thread(stub.wait_for, lambda events: "gone_at" in events[0])
    stub.configure(stt_mode="ok")
    assert (await transcriber.transcribe(REQUEST)).text


async def test_the_key_and_the_expected_answers_are_not_repeated(stub: SpeechStub, pool: HttpPool) -> None:
    """An endpoint that quotes them all."""
    stub.configure(stt_mode="500", error_text="wrong: {key} with '{input}'")
    request = TranscriptionRequest(UTTERANCE, options=("call my lawyer first",))
    error = await _fails(HttpTranscriber(stub.url, pool, key=SecretStr("stt-key-4711")), request)
    assert "wrong:" in str(error)
    assert "4711" not in str(error)
    assert "lawyer" not in str(error)


async def test_preparing_leaves_a_warm_connection_and_sends_no_sound(stub: SpeechStub, pool: HttpPool) -> None:
    """The transcription then uses the same connection."""
    transcriber = HttpTranscriber(stub.url, pool)
    await transcriber.prepare()
    await transcriber.prepare(("yes", "no"))
    await transcriber.transcribe(REQUEST)
    events = stub.events()
    assert [e["kind"] for e in events] == ["models", "stt"]
    assert len({e["client_port"] for e in events}) == 1


async def test_preparing_again_waits_until_the_connection_may_have_cooled(stub: SpeechStub, pool: HttpPool) -> None:
    """At most every 30 s, and not after a call."""
    now = 0.0
    endpoint = Endpoint(stub.url, pool, "stt", models=("whisper-1",), clock=lambda: now)
    for now in (0.0, 10.0, 30.0, 31.0, 50.0):  # noqa: B007 (the clock reads it)
        await endpoint.warm()
    assert len(stub.events("models")) == 2


@pytest.mark.parametrize("order", [{"refuse": True}, {"models_mode": "500"}, {"models_mode": "html"}])
async def test_preparing_never_raises(stub: SpeechStub, pool: HttpPool, order: dict[str, Any]) -> None:
    """What is wrong shows when words are wanted."""
    stub.configure(**order)
    await HttpTranscriber(stub.url, pool).prepare()


async def test_preparing_gives_a_hanging_endpoint_up_soon(stub: SpeechStub, pool: HttpPool) -> None:
    """Its deadline is its own, not the one of an answer."""
    stub.configure(models_mode="hang")
    async with asyncio.timeout(5):
        await HttpTranscriber(stub.url, pool).prepare()


async def test_local_only_refuses_a_foreign_endpoint_before_anything_is_opened() -> None:
    """The setting is named."""
    pool = HttpPool(Settings.model_validate({"local_only": True}))
    with pytest.raises(SettingsError) as caught:
        HttpTranscriber("http://192.168.1.20:2022/v1", pool)
    assert caught.value.key == "VOICEMODE_STT_BASE_URLS"
