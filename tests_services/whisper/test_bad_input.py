"""What goes wrong is said, and harms nobody else."""

from __future__ import annotations

import asyncio
import io
import shutil
import socket
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx2
import pytest
from openai import APIStatusError, AsyncOpenAI, OpenAI

from tests_services.running import CLIP, Running, running
from tests_services.whisper.conftest import TEXT


def speech(seconds: float) -> bytes:
    """The clip, over and over."""
    out = io.BytesIO()
    with wave.open(str(CLIP)) as clip, wave.open(out, "wb") as file:
        file.setparams(clip.getparams())
        frames = clip.readframes(clip.getnframes())
        file.writeframes((frames * (int(seconds / 2.7) + 1))[: round(seconds * 32_000)])
    return out.getvalue()


def post(service: Running, *, file: bytes | None = CLIP.read_bytes(), **fields: str) -> httpx2.Response:
    files = {"file": ("a.wav", file)} if file is not None else {"other": ("a.wav", b"x")}
    return httpx2.post(f"{service.url}/v1/audio/transcriptions", files=files, data={"model": "whisper-1", **fields}, timeout=60)


@pytest.mark.parametrize(
    ("file", "fields", "status", "param"),
    [
        (b"", {}, 400, "file"),
        (None, {}, 400, "file"),
        (b"# no sound at all\n" * 50, {}, 400, "file"),
        (CLIP.read_bytes(), {"temperature": "-1"}, 400, "temperature"),
        (CLIP.read_bytes(), {"temperature": "nan"}, 400, "temperature"),
        (CLIP.read_bytes(), {"language": "klingon"}, 400, "language"),
        (CLIP.read_bytes(), {"response_format": "pdf"}, 400, "response_format"),
        (CLIP.read_bytes(), {"response_format": "srt", "stream": "true"}, 400, "stream"),
        (CLIP.read_bytes(), {"timestamp_granularities[]": "year"}, 400, "timestamp_granularities[]"),
        (CLIP.read_bytes(), {"model": "large-v3"}, 404, "model"),
    ],
)
def test_a_wrong_request_is_told_which_field_is_wrong(
    whisper: Running, file: bytes | None, fields: dict[str, str], status: int, param: str
) -> None:
    """In the shape that OpenAI's clients parse; and the next request is served."""
    answer = post(whisper, file=file, **fields)
    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)
    assert post(whisper).json()["text"] == TEXT


@pytest.mark.parametrize("content_type", ["application/json", "multipart/form-data", "multipart/form-data; boundary=x", ""])
def test_a_body_that_is_no_form_is_refused(whisper: Running, content_type: str) -> None:
    """As the client's mistake."""
    url = f"{whisper.url}/v1/audio/transcriptions"
    answer = httpx2.post(url, content=b"--y\r\nnonsense", headers={"content-type": content_type})
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


def test_the_official_client_raises_its_own_errors(whisper: Running) -> None:
    """With the message of the service."""
    with (
        OpenAI(base_url=f"{whisper.url}/v1", api_key="none", max_retries=0) as client,
        pytest.raises(APIStatusError, match="no sound") as caught,
    ):
        client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"no sound at all, sorry"), stream=True)
    assert caught.value.status_code == 400


def test_an_upload_of_two_gigabytes_is_refused_unread(whisper: Running) -> None:
    """By its length; memory stays as it was."""
    before = whisper.resident_kb()
    with socket.create_connection(("127.0.0.1", whisper.port), timeout=10) as raw:
        raw.sendall(b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2147483648\r\n")
        raw.sendall(b"Content-Type: multipart/form-data; boundary=x\r\n\r\n")
        assert b" 413 " in raw.recv(200)
    assert whisper.resident_kb() < before + 10_000


def test_an_upload_without_a_length_is_refused_where_it_becomes_too_long(whisper: Running) -> None:
    """At 8 MiB, as this service is set; nothing of it stays."""
    files, before = whisper.open_files(), whisper.resident_kb()

    def body() -> Iterator[bytes]:
        yield b'--x\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\n'
        for _ in range(64):
            yield bytes(1 << 20)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    try:
        answer = httpx2.post(f"{whisper.url}/v1/audio/transcriptions", content=body(), headers=headers, timeout=30)
    except httpx2.WriteError:  # it closed while this side was still sending
        pass
    else:
        assert answer.status_code == 413
    assert whisper.idle()
    assert whisper.open_files() <= files + 1
    assert whisper.resident_kb() < before + 20_000


def test_a_sound_that_is_too_long_is_refused_before_it_is_heard(whisper: Running) -> None:
    """Eleven minutes of silence as FLAC are a few kilobytes; ten are allowed here."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setparams((1, 1, 4000, 0, "NONE", ""))
        file.writeframes(b"\x80" * 4000 * 660)
    assert post(whisper, file=out.getvalue()).status_code == 413


def test_a_client_that_leaves_frees_the_engine(whisper: Running) -> None:
    """In the middle of a long file, streamed or not; nothing stays behind."""
    url, long = f"{whisper.url}/v1/audio/transcriptions", speech(250)
    post(whisper)
    files = whisper.open_files()
    with httpx2.stream("POST", url, files={"file": long}, data={"stream": "true"}, timeout=30) as answer:
        events = answer.iter_raw()  # kept: it closes the connection when it is forgotten
        next(events)
        assert whisper.health()["jobs"] == 1
    assert whisper.idle(within_s=1)
    with pytest.raises(httpx2.ReadTimeout):  # and so it closes the connection
        httpx2.post(url, files={"file": long}, timeout=0.3)
    assert whisper.idle(within_s=1)
    assert post(whisper).json()["text"] == TEXT
    assert whisper.open_files() <= files + 1


def test_two_hundred_clients_at_once_are_all_served(whisper: Running) -> None:
    """And leave nothing behind."""
    post(whisper)
    files, before = whisper.open_files(), whisper.resident_kb()

    async def everybody() -> Sequence[str]:
        async with AsyncOpenAI(base_url=f"{whisper.url}/v1", api_key="none", max_retries=0, timeout=120) as client:

            async def one() -> str:
                return (await client.audio.transcriptions.create(model="whisper-1", file=CLIP)).text

            return await asyncio.gather(*(one() for _ in range(200)))

    assert set(asyncio.run(everybody())) == {TEXT}
    assert whisper.idle()
    assert whisper.open_files() <= files + 2
    assert whisper.resident_kb() < before + 150_000


def test_more_clients_than_places_are_told_when_to_come_back(toy: Path, tmp_path: Path) -> None:
    """With 429 and Retry-After; those who have a place are served."""
    with running(
        "voicemode_whisper", tmp_path, ["--models-dir", str(toy.parent), "--model", toy.name, "--queue", "2"]
    ) as service:

        async def everybody() -> list[httpx2.Response]:
            async with httpx2.AsyncClient(timeout=60) as client:
                url = f"{service.url}/v1/audio/transcriptions"
                return await asyncio.gather(*(client.post(url, files={"file": speech(60)}) for _ in range(12)))

        answers = asyncio.run(everybody())
        assert {answer.status_code for answer in answers} == {200, 429}
        assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status_code == 429)
        assert post(service).status_code == 200


@pytest.mark.parametrize("harm", ["truncated", "garbage", "tokenizer", "config", "other engine", "absent"])
def test_a_model_that_cannot_be_loaded_is_named(toy: Path, tmp_path: Path, harm: str) -> None:
    """With 503 and what to do; the service lives, and /health says it too."""
    model = shutil.copytree(toy, tmp_path / "harmed-fixture")
    match harm:
        case "truncated":
            (model / "model.bin").write_bytes((toy / "model.bin").read_bytes()[:5000])
        case "garbage":
            (model / "model.bin").write_bytes(b"\xff" * 5000)
        case "tokenizer":
            (model / "tokenizer.json").write_text("{}")
        case "config":
            (model / "config.json").write_text("{")
        case "other engine":
            (model / "model.bin").rename(model / "model.onnx")
        case _:
            shutil.rmtree(model)
    with running("voicemode_whisper", tmp_path, ["--model", str(model), "--preload"]) as service:
        answer = post(service)
        assert answer.status_code == 503
        assert "harmed-fixture" in answer.json()["error"]["message"]
        assert service.health()["failure"]


def test_what_was_said_is_in_no_log(toy: Path, tmp_path: Path) -> None:
    """Not even in the most talkative one; nor is the prompt."""
    arguments = ["--models-dir", str(toy.parent), "--model", toy.name, "--log-level", "debug"]
    with running("voicemode_whisper", tmp_path, arguments) as service:
        post(service, prompt="confidential")
        post(service, prompt="confidential", temperature="7")
        assert "fixture." not in service.log
        assert "confidential" not in service.log


def test_others_need_a_token(toy: Path, tmp_path: Path) -> None:
    """An address that they can reach is refused without one; loopback is the default."""
    arguments = ["--models-dir", str(toy.parent), "--model", toy.name]
    with running("voicemode_whisper", tmp_path, arguments, env={"VOICEMODE_WHISPER_TOKEN": "let-me-in"}) as service:
        assert post(service).status_code == 401
        with OpenAI(base_url=f"{service.url}/v1", api_key="let-me-in") as client:
            assert client.audio.transcriptions.create(model="whisper-1", file=CLIP).text == TEXT
    with pytest.raises(AssertionError, match="allow-remote"), running("voicemode_whisper", tmp_path, ["--host", "0.0.0.0"]):
        pass
