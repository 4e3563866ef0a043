"""The OpenAI gateway over real sockets, before a stub of speech and chat endpoints."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import av
import pytest

from tests.http.serving import Served, served
from tests.stubs.client import SpeechStub

pytestmark = pytest.mark.anyio

CLIP = Path(__file__).parents[1] / "clips" / "seven_of_clubs.wav"


def endpoints(stub: SpeechStub, *, both: bool = False) -> dict[str, Any]:
    urls = stub.urls if both else stub.urls[:1]
    return {"tts_base_urls": urls, "stt_base_urls": urls, "chat_base_urls": urls, "chat_models": ("stub",)}


def seconds(data: bytes, container: str) -> float:
    """How long the sound is."""
    with av.open(io.BytesIO(data), mode="r", format=container) as box:
        return float(sum(frame.samples / frame.sample_rate for frame in box.decode(audio=0)))


async def failed(server: Served, path: str, **request: Any) -> tuple[int, str]:
    async with server.client() as client:
        answer = await client.post(path, **request)
    return answer.status_code, answer.json()["error"]["code"]


# -- speech


@pytest.mark.parametrize(
    ("shape", "container", "media_type"),
    [
        ("mp3", "mp3", "audio/mpeg"),
        ("opus", "ogg", "audio/ogg"),
        ("aac", "aac", "audio/aac"),
        ("flac", "flac", "audio/flac"),
        ("wav", "wav", "audio/wav"),
    ],
)
async def test_speech_comes_in_every_format(stub: SpeechStub, shape: str, container: str, media_type: str) -> None:
    """As long as the raw sound is."""
    async with served(settings=endpoints(stub)) as server, server.client() as client:
        body = {"model": "tts-1", "voice": "alloy", "input": "Good morning. This is a sentence.", "response_format": shape}
        answer = await client.post("/v1/audio/speech", json=body)
        raw = await client.post("/v1/audio/speech", json={**body, "response_format": "pcm"})
    assert answer.headers["content-type"] == media_type
    assert raw.headers["content-type"].startswith("audio/pcm")
    assert seconds(answer.content, container) == pytest.approx(len(raw.content) / 48_000, abs=0.15)


async def test_speech_is_streamed_as_events(stub: SpeechStub) -> None:
    """Deltas of base64, then what it took."""
    async with served(settings=endpoints(stub)) as server, server.client() as client:
        body = {"input": "Good morning.", "response_format": "pcm", "stream_format": "sse"}
        answer = await client.post("/v1/audio/speech", json=body)
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.splitlines() if line]
    assert {each["type"] for each in events[:-1]} == {"speech.audio.delta"}
    assert events[-1]["type"] == "speech.audio.done"


async def test_speech_goes_on_with_another_endpoint(stub: SpeechStub) -> None:
    """Nobody hears that the first one is broken."""
    stub.configure(0, tts_mode="503")
    async with served(settings=endpoints(stub, both=True)) as server, server.client() as client:
        answer = await client.post("/v1/audio/speech", json={"input": "Good morning.", "response_format": "pcm"})
    assert answer.status_code == 200
    assert len(answer.content) > 4800


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"input": ""},
        {"input": 5},
        {"input": "x" * 4097},
        {"input": "x", "voice": 5},
        {"input": "x", "response_format": "wma"},
        {"input": "x", "speed": 9},
        {"input": "x", "speed": "fast"},
        {"input": "x", "stream_format": "x"},
    ],
)
async def test_a_wrong_speech_request_is_400(stub: SpeechStub, body: dict[str, Any]) -> None:
    """With the field at fault, and nobody is asked."""
    async with served(settings=endpoints(stub)) as server, server.client() as client:
        answer = await client.post("/v1/audio/speech", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]["param"] in {"input", "voice", "response_format", "speed", "stream_format"}
    assert stub.events("tts") == []


async def test_without_any_endpoint_it_is_503_and_can_be_tried_again(stub: SpeechStub) -> None:
    """And the answer names no address."""
    stub.configure(tts_mode="500")
    async with served(settings=endpoints(stub)) as server, server.client() as client:
        answer = await client.post("/v1/audio/speech", json={"input": "Good morning."})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "speech_failed")
    assert int(answer.headers["retry-after"]) > 0
    assert "127.0.0.1" not in answer.text


# -- transcription


async def heard(server: Served, **fields: str) -> Any:
    async with server.client() as client:
        files = {"file": ("a.wav", CLIP.read_bytes(), "audio/wav")}
        answer = await client.post("/v1/audio/transcriptions", data={"model": "whisper-1", **fields}, files=files)
    assert answer.status_code == 200, answer.text
    return answer


async def test_a_recording_becomes_words_in_every_format(stub: SpeechStub) -> None:
    """The same words, with times where they are wanted."""
    stub.configure(stt_text="seven of clubs")
    async with served(settings=endpoints(stub)) as server:
        plain = (await heard(server)).json()
        assert plain["text"] == "seven of clubs"
        assert plain["usage"] == {"type": "duration", "seconds": 2}
        assert (await heard(server, response_format="text")).text == "seven of clubs\n"
        verbose = (await heard(server, response_format="verbose_json", language="en")).json()
        assert (verbose["task"], verbose["language"], verbose["text"]) == ("transcribe", "en", "seven of clubs")
        (segment,) = verbose["segments"]
        assert 0 <= segment["start"] < segment["end"] <= verbose["duration"] + 0.001
        assert "00:00:0" in (await heard(server, response_format="srt")).text
        assert (await heard(server, response_format="vtt")).text.startswith("WEBVTT")
        events = (await heard(server, stream="true")).text
        assert '"transcript.text.delta"' in events
        assert '"transcript.text.done"' in events


@pytest.mark.parametrize("name", ["wav", "mp3", "flac", "ogg"])
async def test_any_usual_format_is_understood(stub: SpeechStub, name: str) -> None:
    """Decoded here, so that every engine gets what it takes."""
    stub.configure(stt_text="seven of clubs")
    async with served(settings=endpoints(stub)) as server, server.client() as client:
        files = {"file": (f"a.{name}", encoded(name), "application/octet-stream")}
        answer = await client.post("/v1/audio/transcriptions", files=files)
    assert answer.json()["text"] == "seven of clubs"


def encoded(container: str) -> bytes:
    out = io.BytesIO()
    codecs = {"wav": "pcm_s16le", "mp3": "libmp3lame", "flac": "flac", "ogg": "libopus"}
    with av.open(str(CLIP)) as source, av.open(out, "w", format=container) as target:
        stream: Any = target.add_stream(codecs[container], rate=48_000 if container == "ogg" else 16_000, layout="mono")
        resampler = av.AudioResampler(format=stream.format.name, layout="mono", rate=stream.rate)
        for frame in (*source.decode(audio=0), None):
            for part in resampler.resample(frame):
                target.mux(stream.encode(part))
        target.mux(stream.encode(None))
    return out.getvalue()


def upload(data: bytes = CLIP.read_bytes(), name: str = "a.wav", **fields: str) -> dict[str, Any]:
    return {"files": {"file": (name, data)}, "data": fields}


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        ({"json": {}}, "invalid_content_type"),
        ({"files": {"other": ("a", b"x")}}, "missing_required_parameter"),
        (upload(b""), "invalid_audio"),
        (upload(b"no sound at all" * 100), "invalid_audio"),
        (upload(b"#EXTM3U\nfile:///etc/passwd\n", "a.m3u8"), "invalid_audio"),
        (upload(response_format="x"), "invalid_value"),
        (upload(language="??"), "invalid_value"),
        (upload(stream="true", response_format="srt"), "invalid_value"),
        ({"content": b"--x\r\n", "headers": {"Content-Type": "multipart/form-data"}}, "invalid_form"),
        ({"content": b"--x", "headers": {"Content-Type": "multipart/form-data; boundary=x"}}, None),
    ],
)
async def test_a_wrong_upload_is_told(stub: SpeechStub, request_: dict[str, Any], code: str | None) -> None:
    """400, and nobody is asked."""
    async with served(settings=endpoints(stub)) as server:
        told = await failed(server, "/v1/audio/transcriptions", **request_)
    assert told == (400, code or told[1])
    assert stub.events("stt") == []


async def test_too_many_seconds_of_sound_are_413(stub: SpeechStub) -> None:
    """Also where the file says that it is short."""
    async with served(settings=endpoints(stub), max_audio_s=0.5) as server:
        files = {"file": ("a.wav", CLIP.read_bytes(), "audio/wav")}
        assert await failed(server, "/v1/audio/transcriptions", files=files) == (413, "audio_too_long")
        endless = {"file": ("a.wav", b"\xff\xff\xff\xff".join([CLIP.read_bytes()[:40], CLIP.read_bytes()[44:]]), "audio/wav")}
        assert await failed(server, "/v1/audio/transcriptions", files=endless) == (413, "audio_too_long")


# -- chat and models


async def test_chat_is_handed_on_and_streamed(stub: SpeechStub) -> None:
    """Fields that only the client understands included; the model is one that the endpoint has."""
    stub.configure(chat_text="One two three.")
    async with served(settings=endpoints(stub)) as server, server.client() as client:
        body = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}], "temperature": 0.5, "tools": []}
        whole = await client.post("/v1/chat/completions", json=body)
        streamed = await client.post("/v1/chat/completions", json={**body, "stream": True})
    assert whole.json()["choices"][0]["message"]["content"] == "One two three."
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.text.rstrip().endswith("data: [DONE]")
    asked = [each["body"] for each in stub.events("chat")]
    assert [(each["model"], each["temperature"], each["tools"]) for each in asked] == [("stub", 0.5, [])] * 2


@pytest.mark.parametrize("stream", [True, False])
async def test_chat_fails_over(stub: SpeechStub, stream: bool) -> None:
    """Before the first byte another endpoint is asked."""
    stub.configure(0, chat_mode="503")
    stub.configure(1, chat_text="From the second.")
    async with served(settings=endpoints(stub, both=True)) as server, server.client() as client:
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": stream}
        answer = await client.post("/v1/chat/completions", json=body)
    assert answer.status_code == 200
    assert "second" in answer.text


async def test_a_chat_that_breaks_off_says_so_in_the_stream(stub: SpeechStub) -> None:
    """An event with an error, where nobody can go on."""
    stub.configure(chat_mode="cut", chat_text="One two three four five six.")
    async with served(settings=endpoints(stub)) as server, server.client() as client:
        body = {"messages": [{"role": "user", "content": "Hi"}], "stream": True}
        answer = await client.post("/v1/chat/completions", json=body)
    last = json.loads(answer.text.strip().splitlines()[-1].removeprefix("data: "))
    assert last["error"]["code"] == "endpoint"


@pytest.mark.parametrize("body", [{}, {"messages": []}, {"messages": "Hi"}])
async def test_a_chat_without_messages_is_400(stub: SpeechStub, body: dict[str, Any]) -> None:
    """And nobody is asked."""
    async with served(settings=endpoints(stub)) as server:
        assert (await failed(server, "/v1/chat/completions", json=body))[0] == 400
    assert stub.events("chat") == []


async def test_what_the_endpoint_refuses_is_the_clients_to_mend(stub: SpeechStub) -> None:
    """400, which no SDK tries again."""
    stub.configure(chat_mode="400")
    async with served(settings=endpoints(stub)) as server:
        told = await failed(server, "/v1/chat/completions", json={"messages": [{"role": "user", "content": "secret words"}]})
    assert told == (400, "refused_by_endpoint")


async def test_models_are_listed(stub: SpeechStub) -> None:
    """Those of the settings and those that every client knows."""
    async with served(settings=endpoints(stub)) as server, server.client() as client:
        names = [row["id"] for row in (await client.get("/v1/models")).json()["data"]]
        assert {"gpt-realtime", "tts-1", "whisper-1", "stub"} <= set(names)
        assert (await client.get("/v1/models/stub")).json()["object"] == "model"
        assert (await client.get("/v1/models/none")).status_code == 404


# -- figures


async def test_figures_name_routes_and_endpoints_and_no_words(stub: SpeechStub) -> None:
    """SECURITY.md 19: what was said, asked or sent as a key is in no label."""
    stub.configure(chat_mode="500", stt_text="unheard of")
    async with served(settings=endpoints(stub)) as server, server.client() as client:
        await heard(server)
        await client.post(
            "/v1/chat/completions", json={"messages": [{"role": "user", "content": "top secret"}], "model": "evil"}
        )
        await client.get("/v1/models", headers={"X-API-Key": "stolen", "Origin": "https://evil.example"})
        text = (await client.get("/metrics")).text
    assert 'voicemode_requests_total{route="/v1/audio/transcriptions",status="200"} 1.0' in text
    assert 'voicemode_requests_total{route="/v1/chat/completions",status="503"} 1.0' in text
    assert f'voicemode_endpoint_failures_total{{endpoint="{stub.url}",task="chat"}} 1.0' in text
    assert not any(word in text for word in ("secret", "unheard", "evil", "stolen", "vm_"))
