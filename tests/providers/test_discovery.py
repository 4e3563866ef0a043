"""Services that answer on ports of this machine, seen over real sockets; and other programs that do."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from tests.stubs.client import SpeechStub
from voicemode.core.failover import UNDECLARED, Declared, Task
from voicemode.core.schedule import Sight
from voicemode.errors import EndpointError
from voicemode.providers.discovery import FORGET_S, Discovery, ask
from voicemode.providers.http import HttpPool
from voicemode.providers.known_services import KNOWN_SERVICES, KnownService
from voicemode.providers.sites import Service
from voicemode.settings import Settings

pytestmark = pytest.mark.anyio

SETTINGS = Settings.model_validate({})
SPEACHES_ROWS = [
    {"id": "Systran/faster-whisper-small", "task": "automatic-speech-recognition", "language": ["en"], "owned_by": "Systran"},
    {"id": "speaches-ai/Kokoro-82M", "task": "text-to-speech", "voices": [{"name": "af_heart", "language": "en-us"}]},
]


@pytest.fixture
def discovery(pool: HttpPool) -> Discovery:
    return Discovery(pool)


def known(stub: SpeechStub, *tasks: Task, site: int = 0) -> KnownService:
    """The stub's port, as one where such a service is looked for."""
    return KnownService(urlsplit(stub.urls[site]).port or 0, "stub", tasks)


async def test_kokoro_is_found_with_its_models_and_voices(stub: SpeechStub, discovery: Discovery) -> None:
    """As Kokoro-FastAPI answers."""
    stub.configure(models=["tts-1", "kokoro"], voice_list={"voices": [{"id": "af_sky", "name": "af_sky"}]})
    port = known(stub, "tts")
    assert await discovery.look(port, SETTINGS) is Sight.FOUND


async def test_what_was_found_is_known_by_what_it_declared(stub: SpeechStub, pool: HttpPool) -> None:
    """For each task that it shows to do, and for no other."""
    stub.configure(rows=SPEACHES_ROWS, voice_list=["af_heart", "other"])
    port = known(stub, "stt", "tts", "chat")
    discovery = Discovery(pool, [port])
    assert await discovery.look(port, SETTINGS) is Sight.FOUND
    assert discovery.services == (
        Service(
            stub.url,
            {
                "stt": Declared(models=("Systran/faster-whisper-small",), languages=("en",)),
                "tts": Declared(models=("speaches-ai/Kokoro-82M",), voices=("af_heart",), languages=("en-us",)),
            },
        ),
    )


@pytest.mark.parametrize(("path", "sight"), [("/v1/audio/transcriptions", Sight.FOUND), ("/inference", Sight.STRANGER)])
async def test_whisper_cpp_is_found_where_it_speaks_the_api(stub: SpeechStub, pool: HttpPool, path: str, sight: Sight) -> None:
    """It has no list of models, and transcribes at another path unless it is told otherwise."""
    stub.configure(whisper_cpp=path)
    port = known(stub, "stt")
    discovery = Discovery(pool, [port])
    assert await discovery.look(port, SETTINGS) is sight
    assert [service.declared for service in discovery.services] == ([{"stt": UNDECLARED}] if sight is Sight.FOUND else [])


@pytest.mark.parametrize(
    "order",
    [
        {"models_mode": "html"},
        {"models_mode": "404"},
        {"models_mode": "401"},
        {"models_mode": "redirect", "redirect_to": "http://127.0.0.1:9/v1/models"},
        {"models": []},
        {"models": ["llama3.2:latest", "nomic-embed-text"]},
        {"rows": [{"id": "7", "title": "A product"}]},
        {"models_mode": "404", "voice_list": {"detail": "Not Found"}},
    ],
)
async def test_another_program_is_a_stranger(stub: SpeechStub, pool: HttpPool, order: dict[str, Any]) -> None:
    """Ports 8000 and 8080 are everybody's: no voice goes to a web app, a captive portal or a server of language models."""
    stub.configure(**order)
    port = known(stub, "stt", "tts")
    discovery = Discovery(pool, [port])
    assert await discovery.look(port, SETTINGS) is Sight.STRANGER
    assert discovery.services == ()
    assert {event["kind"] for event in stub.events()} <= {"models", "voices"}


async def test_who_takes_the_port_of_a_service_is_not_taken_for_it(stub: SpeechStub, pool: HttpPool) -> None:
    """It is forgotten at once."""
    port = known(stub, "tts")
    discovery = Discovery(pool, [port])
    assert await discovery.look(port, SETTINGS) is Sight.FOUND
    stub.configure(models_mode="html")
    assert await discovery.look(port, SETTINGS) is Sight.STRANGER
    assert not discovery.services


@pytest.mark.parametrize("order", [{"models_mode": "hang"}, {"models_mode": "503"}])
async def test_a_service_that_is_busy_stays_known(stub: SpeechStub, pool: HttpPool, order: dict[str, Any]) -> None:
    """Its breaker tells whether it is of use; a look that takes too long tells nothing."""
    port = known(stub, "tts")
    discovery = Discovery(pool, [port])
    await discovery.look(port, SETTINGS)
    stub.configure(**order)
    assert await discovery.look(port, SETTINGS, deadline_s=0.2) is Sight.SILENT
    assert len(discovery.services) == 1


async def test_a_service_that_is_gone_is_kept_for_some_minutes(stub: SpeechStub, pool: HttpPool) -> None:
    """With its health, since it may be restarting; and is found as a new one after that."""
    now = 0.0
    port = known(stub, "tts")
    discovery = Discovery(pool, [port], clock=lambda: now)
    await discovery.look(port, SETTINGS)
    stub.configure(refuse=True)
    assert await discovery.look(port, SETTINGS) is Sight.ABSENT
    assert len(discovery.services) == 1
    now = FORGET_S + 1
    assert await discovery.look(port, SETTINGS) is Sight.ABSENT
    assert not discovery.services


async def test_a_service_may_be_given_a_port(pool: HttpPool) -> None:
    """As all the known ones are."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    port = KnownService(number, "stub", ("tts",))
    with SpeechStub(sites=1, ports=[number]) as stub:
        assert stub.url == port.url
        assert await Discovery(pool, [port]).look(port, SETTINGS) is Sight.FOUND


def _ports(looking: Discovery, *tasks: Task, **values: Any) -> set[int]:
    return {each.port for each in looking.ports(Settings.model_validate(values), tasks)}


async def test_nothing_is_looked_at_that_nobody_needs(discovery: Discovery) -> None:
    """Not without the setting, not for other tasks, and not where the person named what is there."""
    assert _ports(discovery, "tts", "stt", "chat") == {each.port for each in KNOWN_SERVICES}
    assert _ports(discovery, "tts", "stt") == {2022, 8880, 8000, 8890}
    assert _ports(discovery, "tts", "stt", discovery=False) == set()
    assert _ports(discovery, "tts", tts_base_urls="http://localhost:8880/v1,http://127.0.0.1:8000") == {8890}
    assert 8000 in _ports(discovery, "tts", "stt", tts_base_urls="http://127.0.0.1:8000")


async def test_a_key_is_sent_where_it_belongs_and_nowhere_else(stub: SpeechStub, discovery: Discovery, pool: HttpPool) -> None:
    """What is found has none."""
    await discovery.look(known(stub, "tts"), SETTINGS)
    await ask(pool, stub.urls[1], voices=True, key=SecretStr("for-this-one"))
    assert {event["authorization"] for event in stub.events(site=0)} == {""}
    assert {event["authorization"] for event in stub.events(site=1)} == {"Bearer for-this-one"}


async def test_whoever_does_not_answer_is_told_from_one_in_trouble(stub: SpeechStub, pool: HttpPool) -> None:
    """Only the former was not reached."""
    stub.configure(models_mode="503")
    with pytest.raises(EndpointError) as trouble:
        await ask(pool, stub.url)
    assert trouble.value.reached
    stub.configure(refuse=True)
    with pytest.raises(EndpointError) as refused:
        await ask(pool, stub.url)
    assert not refused.value.reached


@pytest.fixture
async def local_pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool(Settings.model_validate({"local_only": True}))
    yield pool
    await pool.aclose()


async def test_local_only_still_finds_what_is_on_this_machine(stub: SpeechStub, local_pool: HttpPool) -> None:
    """Its ports are all that is ever looked at."""
    port = known(stub, "tts")
    assert await Discovery(local_pool, [port]).look(port, SETTINGS) is Sight.FOUND
