"""Where speech may be sent is decided by what a person wrote, and by nothing that an answer or the environment says.
(SECURITY 30; what is no address at all is in ``tests/providers/test_address.py``.)
"""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from tests.security.sockets import Watched
from tests.stubs.client import SpeechStub
from voicemode.answers import AnswerRequest
from voicemode.audio import AudioChunk
from voicemode.core.failover import Task
from voicemode.dialogue import Message
from voicemode.errors import EndpointError, SettingsError
from voicemode.interfaces import SpeechRequest, TranscriptionRequest
from voicemode.providers.address import check_address
from voicemode.providers.discovery import ask
from voicemode.providers.http import Call, HttpPool
from voicemode.providers.http_chat import HttpAnswerer
from voicemode.providers.http_stt import HttpTranscriber
from voicemode.providers.http_tts import HttpSynthesizer
from voicemode.providers.sites import sites
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

TASKS: tuple[Task, ...] = ("tts", "stt", "chat")
KEY = SecretStr("sk-planted-key")
PROXY = "http://198.51.100.9:3128"


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool(Settings())
    yield pool
    await pool.aclose()


@pytest.fixture
async def local_pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool(Settings(local_only=True))
    yield pool
    await pool.aclose()


async def speak(url: str, pool: HttpPool) -> None:
    async for _ in HttpSynthesizer(url, pool, key=KEY).synthesize(SpeechRequest("quicksilver")):
        pass


async def transcribe(url: str, pool: HttpPool) -> None:
    utterance = AudioChunk(np.zeros(16_000, np.int16), 16_000)
    await HttpTranscriber(url, pool, key=KEY).transcribe(TranscriptionRequest(utterance))


async def chat(url: str, pool: HttpPool) -> None:
    async for _ in HttpAnswerer(url, pool, key=KEY).answer(AnswerRequest((Message("user", "quicksilver"),))):
        pass


async def look(url: str, pool: HttpPool) -> None:
    await ask(pool, url, voices=True, key=KEY)


REQUESTS: dict[str, Callable[[str, HttpPool], Awaitable[None]]] = {
    "tts": speak,
    "stt": transcribe,
    "chat": chat,
    "models": look,
}


async def failure(request: Awaitable[None]) -> EndpointError | None:
    try:
        await request
    except EndpointError as error:
        return error
    return None


# -- redirects


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "target",
    [
        "another service of this machine",
        "http://169.254.169.254/latest/meta-data/",
        "http://metadata.google.internal/",
        "http://198.51.100.7/v1/audio/speech",
        "https://speech.example/v1/audio/speech",
        "//speech.example/v1/audio/speech",
        "file:///etc/passwd",
    ],
)
@pytest.mark.parametrize("task", REQUESTS)
async def test_no_redirect_is_followed(stub: SpeechStub, pool: HttpPool, task: str, target: str, status: int) -> None:
    """Wherever it leads: nothing is sent there, nothing is connected, no name is looked up."""
    elsewhere = stub.urls[1] if target.startswith("another") else target
    behaviour: dict[str, Any] = {f"{task}_mode": "redirect", "redirect_to": elsewhere, "redirect_status": status}
    stub.configure(**behaviour)
    with Watched() as watched:
        error = await failure(REQUESTS[task](stub.url, pool))
    # Who looks for services takes a redirect for "there is none of that kind".
    assert task == "models" if error is None else (error.status == status and elsewhere not in str(error))
    port = int(stub.url.rsplit(":", 1)[1].removesuffix("/v1"))
    assert set(watched.addresses) == {("127.0.0.1", port)}
    assert set(watched.names) <= {"127.0.0.1"}
    assert stub.events(site=0)
    assert stub.events(site=1) == []


async def test_a_request_that_is_followed_would_be_seen(stub: SpeechStub, pool: HttpPool) -> None:
    """The watching sees names and addresses; otherwise the tests around would see nothing in anything."""
    with Watched() as watched:
        await look(stub.url.replace("127.0.0.1", "localhost"), pool)
        with pytest.raises(socket.gaierror):
            socket.getaddrinfo("speech.invalid", 80)
    assert "localhost" in watched.names
    assert "speech.invalid" in watched.names
    assert {host for host, _ in watched.addresses} <= {"127.0.0.1", "::1"}
    assert watched.addresses


# -- what is written in the settings


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(
    "address",
    [
        "ftp://127.0.0.1/v1",
        "file:///etc/passwd",
        "ws://127.0.0.1/v1",
        "http://me:secret1@127.0.0.1/v1",
        "http://secret1@127.0.0.1/v1",
        "http://127.0.0.1/v1?token=secret1",
        "http://127.0.0.1/v1#secret1",
        "http://127.0.0.1/\u2028v1",
        "http://169.254.169.254/v1",
        "http://2852039166/v1",
        "http://[fe80::1]/v1",
        "http://[fd00:ec2::254]/v1",
        "http://metadata.google.internal/v1",
    ],
)
def test_an_address_that_must_not_be_used_is_refused_for_every_task(task: Task, address: str) -> None:
    """Alone, behind a good one, and as its equal; no secret in it is repeated, and the network is not asked."""
    good = "http://127.0.0.1:9/v1"
    for written in (address, f"{good},{address}", f"{good}|{address}"):
        settings = Settings.model_validate({f"{task}_base_urls": written})
        with Watched() as watched, pytest.raises(SettingsError) as caught:
            sites(settings, task)
        assert caught.value.key == f"VOICEMODE_{task.upper()}_BASE_URLS"
        assert "secret1" not in str(caught.value)
        assert (watched.names, watched.addresses) == ([], [])


# -- local_only

ELSEWHERE = (
    "speech.example",
    "localhost.example",
    "foo.localhost",
    "127.1",
    "2130706433",
    "0x7f000001",
    "0177.0.0.1",
    "0.0.0.0",
    "[::]",
    "[::ffff:127.0.0.1]",
    "192.168.1.5",
    "198.51.100.7",
)
"""Some of these mean this machine to some resolvers; that is no promise."""


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("host", ELSEWHERE)
def test_local_only_refuses_other_hosts_before_the_network_is_asked(task: Task, host: str) -> None:
    """No socket, and no name lookup."""
    settings = Settings.model_validate({f"{task}_base_urls": f"https://{host}/v1", "local_only": True})
    with Watched() as watched, pytest.raises(SettingsError) as caught:
        sites(settings, task)
    assert "VOICEMODE_LOCAL_ONLY" in str(caught.value)
    assert (watched.names, watched.addresses) == ([], [])


@pytest.mark.parametrize("host", ELSEWHERE)
async def test_the_client_itself_refuses_them_too(local_pool: HttpPool, host: str) -> None:
    """Whoever forgot to ask: a call with an address from elsewhere gets no further."""
    address = check_address(f"https://{host}/v1")
    with Watched() as watched, pytest.raises(EndpointError) as caught:
        await local_pool.open(Call(address, address.base_url, "/models", method="GET"))
    assert caught.value.reached is False
    assert (watched.names, watched.addresses) == ([], [])


async def test_local_only_counts_for_a_client_that_is_open_already(stub: SpeechStub, pool: HttpPool) -> None:
    """Settings may change while the server runs."""
    await look(stub.url, pool)
    pool.configure(Settings(local_only=True))
    address = check_address("http://198.51.100.7/v1")
    with Watched() as watched, pytest.raises(EndpointError):
        await pool.open(Call(address, address.base_url, "/models", method="GET"))
    await look(stub.url, pool)
    assert {host for host, _ in watched.addresses} <= {"127.0.0.1"}


@pytest.mark.parametrize("local_only", [True, False])
async def test_no_proxy_stands_between_us_and_this_machine(
    stub: SpeechStub, monkeypatch: pytest.MonkeyPatch, local_only: bool
) -> None:
    """Neither with local_only nor without."""
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, PROXY)
    pool = HttpPool(Settings(local_only=local_only))
    with Watched() as watched:
        try:
            for request in REQUESTS.values():
                await request(stub.url, pool)
        finally:
            await pool.aclose()
    assert {host for host, _ in watched.addresses} == {"127.0.0.1"}
    assert len(stub.events()) >= len(REQUESTS)


def test_the_key_of_a_cloud_brings_no_endpoint_under_local_only() -> None:
    """Not for any task."""
    for task in TASKS:
        assert sites(Settings(openai_api_key=SecretStr("sk"), local_only=True), task) == []
        assert [site.url for site in sites(Settings(openai_api_key=SecretStr("sk")), task)] == ["https://api.openai.com/v1"]
