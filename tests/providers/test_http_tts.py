"""Speaking through an endpoint, over real sockets; the stub fails on demand."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from tests.stubs.client import SpeechStub
from tests.stubs.sound import RATE, speech
from voicemode.audio import AudioChunk, Samples
from voicemode.core.failover import UNDECLARED, Declared
from voicemode.errors import EndpointError, SettingsError
from voicemode.interfaces import SpeechRequest, Synthesizer
from voicemode.providers.http import HttpPool
from voicemode.providers.http_tts import HttpSynthesizer
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

TEXT = "The meeting with Dr. Paddington is at noon."
SOUND = speech(TEXT, "tone", 0.06)


async def _say(synthesizer: Synthesizer, request: SpeechRequest | None = None) -> Samples:
    chunks = [chunk async for chunk in synthesizer.synthesize(request or SpeechRequest(TEXT))]
    return np.concatenate([c.samples for c in chunks])


async def _fails(synthesizer: Synthesizer) -> tuple[EndpointError, Sequence[AudioChunk]]:
    heard: list[AudioChunk] = []

    async def listen() -> None:
        async for chunk in synthesizer.synthesize(SpeechRequest(TEXT)):
            heard.append(chunk)

    with pytest.raises(EndpointError) as caught:
        await listen()
    assert caught.value.endpoint == synthesizer.name
    assert "Paddington" not in str(caught.value)
    assert str(caught.value).isprintable()
    return caught.value, heard


async def test_an_endpoint_speaks(stub: SpeechStub, pool: HttpPool) -> None:
    """Every sample arrives, and the request is what the API's reference says."""
    synthesizer = HttpSynthesizer(stub.url, pool, models=("kokoro",), voices=("af_sky", "am_adam"))
    assert synthesizer.name == stub.url
    assert np.array_equal(await _say(synthesizer), SOUND)
    assert stub.events("tts")[0]["body"] == {
        "model": "kokoro",
        "input": TEXT,
        "voice": "af_sky",
        "response_format": "pcm",
    }


@pytest.mark.parametrize(
    ("configured", "asked", "sent"),
    [((), None, "alloy"), (("af_sky",), None, "af_sky"), (("af_sky",), "am_adam", "am_adam")],
)
async def test_the_voice_is_the_callers_then_the_settings_then_a_default(
    stub: SpeechStub, pool: HttpPool, configured: tuple[str, ...], asked: str | None, sent: str
) -> None:
    """The API cannot do without one."""
    await _say(HttpSynthesizer(stub.url, pool, voices=configured), SpeechRequest(TEXT, voice=asked, speed=1.25))
    body = stub.events("tts")[0]["body"]
    assert (body["voice"], body["speed"]) == (sent, 1.25)


async def test_sound_leaves_before_the_server_has_finished(stub: SpeechStub, pool: HttpPool) -> None:
    """At real-time rate the first chunk is there when the server has most of its sentence still to send."""
    stub.configure(rate_x=1.0)
    synthesis = HttpSynthesizer(stub.url, pool).synthesize(SpeechRequest(TEXT))
    chunks = aiter(synthesis)
    first = await anext(chunks)
    heard_at = time.monotonic()
    rest = [chunk async for chunk in chunks]
    event = stub.events("tts")[0]
    assert heard_at < event["at_done"] - 1.0
    assert np.array_equal(np.concatenate([c.samples for c in (first, *rest)]), SOUND)


async def test_a_long_answer_may_take_longer_than_any_deadline(stub: SpeechStub, hasty_pool: HttpPool) -> None:
    """2.6 s of speech with deadlines of 0.3 s: they are for silence on the wire."""
    stub.configure(rate_x=1.0)
    assert np.array_equal(await _say(HttpSynthesizer(stub.url, hasty_pool)), SOUND)


async def test_leaving_early_closes_the_connection(stub: SpeechStub, pool: HttpPool) -> None:
    """The server sees it, so it can stop; the next request works on a new connection."""
    stub.configure(rate_x=1.0)
    synthesizer = HttpSynthesizer(stub.url, pool)
    synthesis = synthesizer.synthesize(SpeechRequest(TEXT))
    await anext(aiter(synthesis))
    await synthesis.aclose()
    await synthesis.aclose()
    event = (await asyncio.to_thread(stub.wait_for, lambda events: "gone_at" in events[0]))[0]
    assert "at_done" not in event
    stub.configure(rate_x=0)
    assert np.array_equal(await _say(synthesizer), SOUND)


@pytest.mark.parametrize("mode", ["ok", "hang", "stall"])
async def test_cancelling_closes_the_connection(stub: SpeechStub, pool: HttpPool, mode: str) -> None:
    """Wherever the synthesis is; the task ends as cancelled."""
    stub.configure(tts_mode=mode, rate_x=1.0)
    synthesizer = HttpSynthesizer(stub.url, pool)
    saying = asyncio.create_task(_say(synthesizer))
    await asyncio.to_thread(stub.wait_for, lambda events: bool(events) and "at_body" in events[0])
    await asyncio.sleep(0.05)
    saying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await saying
    await asyncio.to_thread(stub.wait_for, lambda events: "gone_at" in events[0])
    stub.configure(tts_mode="ok", rate_x=0)
    assert np.array_equal(await _say(synthesizer), SOUND)


async def test_closing_from_another_task_ends_the_listening_without_an_error(stub: SpeechStub, pool: HttpPool) -> None:
    """Whoever closed it knows why it ended."""
    stub.configure(tts_mode="stall")
    synthesis = HttpSynthesizer(stub.url, pool).synthesize(SpeechRequest(TEXT))
    chunks = aiter(synthesis)
    await anext(chunks)

    async def listen() -> None:
        async for _ in chunks:
            pass

    listening = asyncio.create_task(listen())
    await asyncio.sleep(0.1)
    await synthesis.aclose()
    async with asyncio.timeout(2):
        await listening


async def test_an_answer_that_is_given_up_is_not_left_open(stub: SpeechStub, pool: HttpPool) -> None:
    """Samples labelled as a WAV are no WAV from the first bytes on; the server need not send the rest."""
    stub.configure(rate_x=1.0, label="audio/wav")
    await _fails(HttpSynthesizer(stub.url, pool))
    await asyncio.to_thread(stub.wait_for, lambda events: "gone_at" in events[0])


FAILURES: Mapping[str, tuple[dict[str, Any], str, int | None, bool]] = {
    "refused": ({"refuse": True}, "connection refused", None, True),
    "no first byte": ({"tts_mode": "hang"}, "no first byte", None, True),
    "stalled": ({"tts_mode": "stall"}, "paused for more than 0.3 s", None, True),
    "400": ({"tts_mode": "400"}, "stub: told to fail", 400, False),
    "401": ({"tts_mode": "401"}, "VOICEMODE_TTS_API_KEY", 401, False),
    "403": ({"tts_mode": "403"}, "does not allow", 403, False),
    "404": ({"tts_mode": "404"}, "does not know", 404, False),
    "422": ({"tts_mode": "422"}, "does not accept", 422, False),
    "429": ({"tts_mode": "429"}, "too many requests", 429, True),
    "500": ({"tts_mode": "500"}, "failed: stub: told to fail", 500, True),
    "503": ({"tts_mode": "503"}, "failed", 503, True),
    "a web page": ({"tts_mode": "html"}, "a web page", 200, False),
    "json": ({"tts_mode": "json"}, "'application/json'", 200, False),
    "no sound": ({"tts_mode": "empty"}, "without any sound", 200, True),
    "shorter than announced": ({"tts_mode": "truncated"}, "broke off", None, True),
    "cut off": ({"tts_mode": "cut"}, "broke off", None, True),
    "noise for mp3": ({"tts_mode": "garbage", "deliver": "mp3"}, "cannot be decoded", 200, True),
    "unknown format": ({"label": "audio/x-mystery"}, "'audio/x-mystery'", 200, False),
    "redirect": ({"tts_mode": "redirect", "redirect_to": "http://elsewhere.invalid/"}, "redirects", 307, False),
}


@pytest.mark.parametrize("behaviour", FAILURES)
async def test_every_failure_names_endpoint_and_cause_and_the_next_call_works(
    stub: SpeechStub, hasty_pool: HttpPool, behaviour: str
) -> None:
    """Nothing of a failure stays behind, in the client or on the connection."""
    order, cause, status, retryable = FAILURES[behaviour]
    synthesizer = HttpSynthesizer(stub.url, hasty_pool)
    stub.configure(**order)
    error, _ = await _fails(synthesizer)
    assert cause in str(error)
    assert (error.status, error.retryable) == (status, retryable)
    stub.reset()
    assert np.array_equal(await _say(synthesizer), SOUND)


@pytest.mark.parametrize("mode", ["truncated", "cut", "stall"])
async def test_sound_that_arrived_before_a_failure_is_heard(stub: SpeechStub, hasty_pool: HttpPool, mode: str) -> None:
    """Half a sentence is better than none, and the caller learns that it was half."""
    stub.configure(tts_mode=mode)
    _, heard = await _fails(HttpSynthesizer(stub.url, hasty_pool))
    samples = np.concatenate([c.samples for c in heard])
    assert len(samples) >= 0.4 * RATE
    assert np.array_equal(samples, SOUND[: len(samples)])


async def test_half_a_sample_too_much_is_no_failure(stub: SpeechStub, pool: HttpPool) -> None:
    """HTTP says that the answer is complete, and half a sample is no sound."""
    stub.configure(tts_mode="odd")
    assert np.array_equal(await _say(HttpSynthesizer(stub.url, pool)), SOUND)


async def test_sound_that_does_not_stop_is_a_failure(stub: SpeechStub, pool: HttpPool) -> None:
    """A minute for a short sentence is no speech any more."""
    stub.configure(seconds_per_char=5.0)
    error, heard = await _fails(HttpSynthesizer(stub.url, pool))
    assert "does not stop" in str(error)
    assert sum(chunk.seconds for chunk in heard) < 10 + 1.5 * len("What is the weather like?") * 2


async def test_a_busy_endpoint_says_when_to_come_back(stub: SpeechStub, pool: HttpPool) -> None:
    """Retry-After is a fact on the error."""
    stub.configure(tts_mode="503", retry_after_s=7)
    error, _ = await _fails(HttpSynthesizer(stub.url, pool))
    assert error.retry_after_s == 7.0


async def test_a_redirect_is_not_followed(stub: SpeechStub, pool: HttpPool) -> None:
    """Neither text nor key reaches the other place."""
    stub.configure(tts_mode="redirect", redirect_to=f"{stub.urls[1]}/audio/speech")
    await _fails(HttpSynthesizer(stub.url, pool, key=SecretStr("k-12345678")))
    assert stub.events(site=1) == []


async def test_the_key_is_sent_and_shown_nowhere(stub: SpeechStub, pool: HttpPool) -> None:
    """Not in errors that quote it, not in reprs; without a key nothing is sent."""
    key = SecretStr("top-secret-key-77")
    synthesizer = HttpSynthesizer(stub.url, pool, key=key)
    stub.configure(key="top-secret-key-77")
    assert np.array_equal(await _say(synthesizer), SOUND)
    stub.configure(key=None, tts_mode="401", error_text="wrong: {key} in '{input}'")
    error, _ = await _fails(synthesizer)
    assert "wrong:" in str(error)
    assert "top-secret" not in f"{error} {error!r} {synthesizer!r} {vars(synthesizer)}"
    stub.reset()
    await _say(HttpSynthesizer(stub.url, pool))
    assert stub.events("tts")[0]["authorization"] == ""


async def test_the_text_is_not_repeated_when_an_endpoint_quotes_it(stub: SpeechStub, pool: HttpPool) -> None:
    """Errors travel to logs and to the agent."""
    stub.configure(tts_mode="500", error_text="cannot speak '{input}' today")
    error, _ = await _fails(HttpSynthesizer(stub.url, pool))
    assert "cannot speak" in str(error)


async def test_an_unknown_voice_is_told_in_the_endpoints_words(stub: SpeechStub, pool: HttpPool) -> None:
    """It knows which voices there are."""
    stub.configure(voices=["af_sky", "am_adam"])
    error, _ = await _fails(HttpSynthesizer(stub.url, pool, voices=("nobody",)))
    assert "voice 'nobody' not found; there are: af_sky, am_adam" in str(error)
    assert (error.status, error.retryable) == (400, False)


@pytest.mark.parametrize(("offered", "asked"), [("wav", ["pcm", "wav"]), ("mp3", ["pcm", "wav", "mp3"])])
async def test_an_endpoint_without_raw_samples_is_asked_for_what_it_has(
    stub: SpeechStub, pool: HttpPool, offered: str, asked: list[str]
) -> None:
    """The search happens once; afterwards the endpoint is asked for what it offered."""
    stub.configure(formats=[offered])
    synthesizer = HttpSynthesizer(stub.url, pool)
    assert len(await _say(synthesizer)) / RATE == pytest.approx(len(SOUND) / RATE, abs=0.1)
    await _say(synthesizer)
    assert [e["body"]["response_format"] for e in stub.events("tts")] == [*asked, offered]


@pytest.mark.parametrize("delivered", ["wav", "mp3", "opus", "flac", "aac"])
async def test_what_is_delivered_counts_not_what_was_asked_for(stub: SpeechStub, pool: HttpPool, delivered: str) -> None:
    """Some endpoints ignore response_format."""
    stub.configure(deliver=delivered)
    samples = await _say(HttpSynthesizer(stub.url, pool))
    rate = 48_000 if delivered == "opus" else RATE
    assert len(samples) / rate == pytest.approx(len(SOUND) / RATE, abs=0.1)
    assert len(stub.events("tts")) == 1


async def test_the_rate_in_the_label_counts(stub: SpeechStub, pool: HttpPool) -> None:
    """The API says 24 kHz; a label that says otherwise knows better."""
    stub.configure(label="audio/pcm;rate=16000")
    chunks = [c async for c in HttpSynthesizer(stub.url, pool).synthesize(SpeechRequest(TEXT))]
    assert {c.sample_rate for c in chunks} == {16_000}


async def test_what_the_endpoint_declared_chooses_model_and_voice(stub: SpeechStub, pool: HttpPool) -> None:
    """As soon as it is known, without asking for it: no request waits for a list."""
    declared = UNDECLARED
    synthesizer = HttpSynthesizer(
        stub.url, pool, models=("tts-1", "tts-1-hd"), voices=("shimmer", "bm_lewis"), declared=lambda: declared
    )
    await _say(synthesizer)
    declared = Declared(models=("kokoro", "tts-1-hd"), voices=("af_sky", "bm_george", "bm_lewis"))
    await _say(synthesizer)
    declared = Declared(models=("kokoro",), voices=("am_adam", "af_sky"))
    await _say(synthesizer)
    asked = [(e["body"]["model"], e["body"]["voice"]) for e in stub.events("tts")]
    assert asked == [("tts-1", "shimmer"), ("tts-1-hd", "bm_lewis"), ("kokoro", "af_sky")]
    assert stub.events("models") == []


async def test_an_endpoint_that_keeps_its_models_secret_gets_the_first(stub: SpeechStub, pool: HttpPool) -> None:
    """Many do not serve the list."""
    stub.configure(models_mode="404")
    await _say(HttpSynthesizer(stub.url, pool, models=("tts-1", "tts-1-hd")))
    assert stub.events("tts")[0]["body"]["model"] == "tts-1"


async def test_nothing_happens_until_the_speech_is_listened_to(stub: SpeechStub, pool: HttpPool) -> None:
    """Making a synthesis, and closing it unheard, opens nothing."""
    synthesis = HttpSynthesizer(stub.url, pool).synthesize(SpeechRequest(TEXT))
    await synthesis.aclose()
    assert stub.events() == []


async def test_local_only_refuses_a_foreign_endpoint_before_anything_is_opened() -> None:
    """The setting is named; a name is not even looked up."""
    pool = HttpPool(Settings.model_validate({"local_only": True}))
    with pytest.raises(SettingsError) as caught:
        HttpSynthesizer("https://api.openai.com/v1", pool)
    assert caught.value.key == "VOICEMODE_TTS_BASE_URLS"
