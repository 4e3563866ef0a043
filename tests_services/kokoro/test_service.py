"""The service in a process of its own, asked by the official client and by bad ones."""

from __future__ import annotations

import base64
import io
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import av
import httpx2
import openai
import pytest

from tests_services.fixtures.kokoro_model import tone_fixture, voices_fixture
from tests_services.running import Running, running

Format = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
FORMATS: tuple[Format, ...] = ("mp3", "opus", "aac", "flac", "wav", "pcm")
TEXT = "Good morning, this is a text of two sentences. It is spoken in three clauses, or perhaps in four."
SECRET = "zebrafish"


@pytest.fixture
def client(service: Running) -> Iterator[openai.OpenAI]:
    """The official client, closed in the end."""
    with openai.OpenAI(base_url=f"{service.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def _seconds(data: bytes, response_format: str) -> float:
    if response_format == "pcm":
        return len(data) / 2 / 24_000
    with av.open(io.BytesIO(data), "r") as container:
        return float(sum(frame.samples / frame.rate for frame in container.decode(audio=0)))


def _post(service: Running, body: dict[str, Any]) -> httpx2.Response:
    content = json.dumps(body).encode()  # json: httpx2 would refuse halves of characters
    headers = {"content-type": "application/json"}
    return httpx2.post(f"{service.url}/v1/audio/speech", content=content, headers=headers, timeout=30)


@pytest.mark.parametrize("response_format", FORMATS)
def test_the_official_client_gets_every_format(client: openai.OpenAI, response_format: Format) -> None:
    """Whole, and the same length in each but for what codecs pad."""
    wanted: dict[str, Any] = {"model": "tts-1", "voice": "alloy", "input": TEXT}
    plain = client.audio.speech.create(**wanted, response_format="pcm").content
    made = client.audio.speech.create(**wanted, response_format=response_format).content
    assert _seconds(made, response_format) == pytest.approx(_seconds(plain, "pcm"), abs=0.15)


@pytest.mark.parametrize("response_format", FORMATS)
def test_the_official_client_streams_every_format(client: openai.OpenAI, response_format: Format) -> None:
    """More than one piece comes, and they are what comes without streaming."""
    wanted: dict[str, Any] = {
        "model": "kokoro",
        "voice": "af_sky(2)+af_bella",
        "input": TEXT * 5,
        "response_format": response_format,
    }
    with client.audio.speech.with_streaming_response.create(**wanted) as response:
        pieces = list(response.iter_bytes())
    assert len(pieces) > 1
    whole = client.audio.speech.create(**wanted).content
    assert _seconds(b"".join(pieces), response_format) == pytest.approx(_seconds(whole, response_format), abs=0.01)


def test_mp3_is_what_comes_unasked(service: Running) -> None:
    """As with OpenAI."""
    answer = _post(service, {"input": "hello"})
    assert answer.headers["content-type"] == "audio/mpeg"


def test_events_carry_the_same_sound(service: Running) -> None:
    """stream_format "sse": deltas in base64, then done."""
    body = {"input": TEXT, "response_format": "pcm"}
    answer = _post(service, {**body, "stream_format": "sse"})
    events = [json.loads(line.removeprefix("data: ")) for line in answer.text.split("\n\n") if line]
    assert [event["type"] for event in events[-2:]] == ["speech.audio.delta", "speech.audio.done"]
    assert b"".join(base64.b64decode(event["audio"]) for event in events[:-1]) == _post(service, body).content


def test_lists_tell_what_there_is(service: Running, client: openai.OpenAI) -> None:
    """Voices, languages, models; without any model being loaded for it."""
    voices = httpx2.get(f"{service.url}/v1/audio/voices").json()
    assert "af_sky" in voices["voices"]
    assert voices["openai"]["fable"] == "bm_fable"
    languages = httpx2.get(f"{service.url}/v1/audio/languages").json()["languages"]
    assert languages["fr-fr"] == ["ff_siwis"]
    assert [client.models.retrieve(model.id).id for model in client.models.list()] == [m.id for m in client.models.list()]


def test_a_model_is_known_by_its_own_name(service: Running, tone: Path) -> None:
    """A client that read the list of what is installed may send it."""
    assert _post(service, {"input": "hello", "model": tone.name}).status_code == 200


def test_a_speed_beyond_the_engines_is_bounded_and_said(service: Running) -> None:
    """OpenAI allows 0.25 to 4, kokoro-onnx 0.5 to 2."""
    assert _post(service, {"input": "hello", "speed": 4.0}).headers["x-voicemode-speed"] == "2"
    assert _post(service, {"input": "hello", "speed": 0.25}).headers["x-voicemode-speed"] == "0.5"


@pytest.mark.parametrize(
    ("change", "status", "word"),
    [
        ({"voice": "af_skyy"}, 400, "af_sky"),
        ({"voice": {"id": "nobody"}}, 400, "There is no voice"),
        ({"input": ""}, 400, "empty"),
        ({"input": " \n\t"}, 400, "empty"),
        ({"input": "\ufe0f?!"}, 400, "can be spoken"),
        ({"input": "\ud800"}, 400, "can be spoken"),
        ({"input": "x" * 100_001}, 413, "100000"),
        ({"response_format": "midi"}, 400, "response_format"),
        ({"speed": 4.1}, 400, "speed"),
        ({"speed": 0.2}, 400, "speed"),
        ({"speed": float("nan")}, 400, "speed"),
        ({"lang_code": "tlh"}, 400, "lang_code"),
        ({"model": "whisper\ud800"}, 404, "kokoro"),
        ({"input": ["a"]}, 400, "input"),
    ],
)
def test_what_cannot_be_had_is_refused_in_a_sentence(service: Running, change: dict[str, Any], status: int, word: str) -> None:
    """In the shape that OpenAI's clients read, without repeating the text."""
    answer = _post(service, {"input": "hello", **change})
    assert answer.status_code == status
    assert word in answer.json()["error"]["message"]


def test_ten_thousand_characters_are_spoken(service: Running) -> None:
    """And all of them."""
    text = (TEXT + " ") * 100
    answer = _post(service, {"input": text[:10_000], "response_format": "pcm"})
    assert answer.status_code == 200
    assert _seconds(answer.content, "pcm") > 500


def test_text_is_never_written_into_the_log(service: Running) -> None:
    """Neither when it is spoken nor when something is wrong with it."""
    for body in ({"input": SECRET}, {"input": SECRET, "speed": 9}, {"input": [SECRET]}, {"input": SECRET, "voice": "no"}):
        assert SECRET not in _post(service, body).text
    assert SECRET not in service.log


def test_a_client_that_leaves_in_mid_stream_leaves_nothing_behind(service: Running) -> None:
    """Its job is gone, and so is its connection."""
    _post(service, {"input": "hello"})
    before = service.open_files()
    for _ in range(20):
        body = json.dumps({"input": TEXT * 100}).encode()
        with socket.create_connection(("127.0.0.1", service.port)) as connection:
            lines = ("POST /v1/audio/speech HTTP/1.1", "Host: localhost", "Content-Type: application/json")
            connection.sendall("\r\n".join((*lines, f"Content-Length: {len(body)}", "", "")).encode() + body)
            connection.recv(1000)
    assert service.idle()
    assert service.open_files() <= before + 1
    assert "Traceback" not in service.log


def _many(service: Running, number: int) -> list[int]:
    with (
        httpx2.Client(timeout=60, limits=httpx2.Limits(max_connections=number)) as client,
        ThreadPoolExecutor(number) as threads,
    ):

        def one(_: int) -> int:
            body = {"input": "hello", "response_format": "pcm"}
            return client.post(f"{service.url}/v1/audio/speech", json=body).status_code

        return list(threads.map(one, range(number)))


def test_two_hundred_clients_at_once_are_served(service: Running) -> None:
    """All of them, and nothing is left."""
    assert _many(service, 200) == [200] * 200
    assert service.idle()


def test_a_full_queue_says_when_to_come_back(tone: Path, tmp_path: Path) -> None:
    """429, with Retry-After; those inside are served."""
    with running("voicemode_kokoro", tmp_path, ["--model", str(tone), "--queue", "2", "--threads", "1"]) as service:
        statuses = _many(service, 50)
        assert set(statuses) == {200, 429}
        assert service.idle()


@pytest.mark.parametrize("broken", ["model", "voices", "both missing"])
def test_files_that_cannot_be_loaded_are_named_and_the_service_lives(tmp_path: Path, broken: str) -> None:
    """503 with a sentence, also in /health; mended files work without a restart."""
    folder = tone_fixture(tmp_path / "model")
    if broken == "model":
        (folder / "tone-fixture.onnx").write_bytes(b"not a model")
    elif broken == "voices":
        voices_fixture(folder / "voices-fixture.bin", width=100)
    else:
        for path in folder.iterdir():
            path.unlink()
    with running("voicemode_kokoro", tmp_path, ["--model", str(folder), "--preload"]) as service:
        answer = _post(service, {"input": "hello"})
        assert answer.status_code == 503
        assert answer.json()["error"]["message"]
        tone_fixture(folder)
        assert _post(service, {"input": "hello"}).status_code == 200
