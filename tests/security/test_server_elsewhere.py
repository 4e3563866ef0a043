"""Where the server sends what it gets: only where a person's settings say, and other machines are named. (SECURITY 21 and 30.)

Over plain HTTP, WebSocket and WebRTC. ``test_addresses.py`` and ``test_cloud_consent.py`` have the settings themselves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.security.assembled import CALLS, SDP, House, house, in_webrtc
from tests.security.sockets import Watched
from tests.stubs.client import SpeechStub
from tests.transports.test_webrtc_sdp import OFFER
from voicemode.errors import SettingsError

pytestmark = pytest.mark.anyio

CLIP = Path(__file__).parents[1] / "clips" / "go_forward_ten_meters.wav"
OTHERS_CONSENT = {"OPENAI_API_KEY": "sk-elsewhere", "OPENAI_BASE_URL": "https://api.openai.com/v1"}
"""What other programs take for consent to a cloud."""
PROXIES = dict.fromkeys(("http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY"), "http://198.51.100.9:3128")
DOWN = "http://127.0.0.1:9/v1"
QUESTION = (
    {
        "type": "conversation.item.create",
        "item": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Who are you?"}]},
    },
    {"type": "response.create"},
)
HEADER = "voicemode-cloud"
WITH_IPV6 = pytest.mark.skipif(not Path("/proc/net/if_inet6").exists(), reason="this machine has no IPv6")
TRANSPORTS = ("http", "websocket", "webrtc")


def endpoints(url: str) -> dict[str, str]:
    """One for every task, which is not asked twice."""
    urls = {f"{task}_base_urls": url for task in ("tts", "stt", "chat")}
    return {**urls, "chat_models": "stub", "connect_timeout_s": "0.5"}


def elsewhere(stub: SpeechStub) -> str:
    """The stub by a spelling that some resolvers take for this machine, and we do not: remote as far as we can know."""
    return stub.url.replace("127.0.0.1", "127.1")


async def use(here: House, transport: str) -> list[str]:
    """Everything that makes the server ask an endpoint, over one transport; what came back."""
    if transport == "http":
        chat = {"messages": [{"role": "user", "content": "Hello?"}]}
        async with here.web() as web:
            answers = [
                await web.post("/v1/audio/speech", json={"input": "Hello.", "response_format": "pcm"}),
                await web.post("/v1/audio/transcriptions", files={"file": ("a.wav", CLIP.read_bytes())}),
                await web.post("/v1/chat/completions", json=chat),
                await web.post("/v1/chat/completions", json={**chat, "stream": True}),
                await web.get("/v1/models"),
                await web.get("/readyz"),
            ]
        assert not [each for each in answers if "location" in each.headers]
        return [f"{each.status_code} {each.content!r}" for each in answers]
    if transport == "websocket":
        async with here.socket() as wire:
            told = [str(await wire.recv())]
            for message in QUESTION:
                await wire.send(json.dumps(message))
            async with asyncio.timeout(20):
                while json.loads(told[-1])["type"] != "response.done":
                    told.append(str(await wire.recv()))
        return told
    async with in_webrtc(here) as far:
        for message in QUESTION:
            far.channel.send(json.dumps(message))
        await far.until(lambda: any('"response.done"' in each for each in far.messages), 20)
        return [str(each) for each in far.messages]


# -- consent


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_no_cloud_is_asked_without_consent_though_nothing_else_works(
    tmp_path: Path, transport: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SECURITY 21: nobody but this machine is connected to, and no name is looked up."""
    for name, value in {**OTHERS_CONSENT, **PROXIES}.items():
        monkeypatch.setenv(name, value)
    with Watched() as watched:
        async with house(tmp_path, {**OTHERS_CONSENT, **PROXIES}, **endpoints(DOWN)) as here:
            await use(here, transport)
    assert {host for host, _ in watched.addresses} == {"127.0.0.1"}
    assert ("127.0.0.1", 9) in watched.addresses
    assert set(watched.names) <= {"127.0.0.1"}


@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_who_is_named_in_the_settings_is_asked(tmp_path: Path, transport: str, stub: SpeechStub) -> None:
    """SECURITY 21: an address that the person wrote down is consent; otherwise the test above would see nothing in anything."""
    with Watched() as watched:
        async with house(tmp_path, **endpoints(elsewhere(stub))) as here:
            await use(here, transport)
    assert "127.1" in watched.names
    assert stub.events("chat")


async def test_under_local_only_there_is_no_such_server(tmp_path: Path, stub: SpeechStub) -> None:
    """SECURITY 21: it does not start, rather than leave anybody out."""
    with pytest.raises(SettingsError, match="VOICEMODE_LOCAL_ONLY"):
        async with house(tmp_path, **endpoints(elsewhere(stub)), local_only="true"):
            pass


@pytest.mark.parametrize("mode", ["ok", "500"])
async def test_another_machine_is_named_in_the_answer_over_http(tmp_path: Path, stub: SpeechStub, mode: str) -> None:
    """SECURITY 21: of the tasks that the request is about, also when it did not serve: it may have got the words."""
    stub.configure(tts_mode=mode, stt_mode=mode, chat_mode=mode)
    near, far = stub.urls[1], elsewhere(stub)
    async with (
        house(tmp_path, tts_base_urls=far, stt_base_urls=near, chat_base_urls=f"{near},{far}") as here,
        here.web() as web,
    ):
        speech = await web.post("/v1/audio/speech", json={"input": "Hello.", "response_format": "pcm"})
        heard = await web.post("/v1/audio/transcriptions", files={"file": ("a.wav", CLIP.read_bytes())})
        chat = await web.post("/v1/chat/completions", json={"messages": [{"role": "user", "content": "Hello?"}]})
        models = await web.get("/v1/models")
    assert speech.status_code == (200 if mode == "ok" else 503)
    assert [each.headers.get(HEADER) for each in (speech, heard, chat, models)] == [far, None, far, None]


async def test_it_is_named_before_a_conversation_begins(tmp_path: Path, stub: SpeechStub) -> None:
    """SECURITY 21, over WebSocket and WebRTC: with the answer to the upgrade and to the offer, when nothing was said yet."""
    for url, named in ((elsewhere(stub), elsewhere(stub)), (stub.url, None)):
        async with house(tmp_path, **endpoints(url)) as here, here.web() as web:
            async with here.socket() as wire:
                assert wire.response is not None
                assert wire.response.headers.get(HEADER) == named
            answer = await web.post(CALLS, content=OFFER, headers=SDP)
            assert answer.status_code == 201
            assert answer.headers.get(HEADER) == named


async def test_a_page_may_read_who_is_named(tmp_path: Path, stub: SpeechStub) -> None:
    """SECURITY 21: of what an answer says, a browser shows a page of another origin only what it was told to."""
    async with house(tmp_path, **endpoints(elsewhere(stub))) as here, here.web() as web:
        answer = await web.post("/v1/audio/speech", json={}, headers={"Origin": "http://localhost:5173"})
        assert HEADER in answer.headers["access-control-expose-headers"].lower()


# -- addresses that others give


@pytest.mark.parametrize("target", ["another service of this machine", "http://169.254.169.254/latest/", "http://metadata/"])
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_no_redirect_is_followed(tmp_path: Path, transport: str, target: str, stub: SpeechStub) -> None:
    """SECURITY 30: an endpoint that sends us elsewhere has failed; the client does not learn where to."""
    leads_to = stub.urls[1] if target.startswith("another") else target
    modes = dict.fromkeys(("tts_mode", "stt_mode", "chat_mode", "models_mode"), "redirect")
    stub.configure(0, **modes, redirect_to=leads_to)
    with Watched() as watched:
        async with house(tmp_path, **endpoints(stub.url)) as here:
            told = await use(here, transport)
    assert leads_to not in "".join(told)
    assert {host for host, _ in watched.addresses} == {"127.0.0.1"}
    assert port_of(stub.url) in {port for _, port in watched.addresses}
    assert port_of(stub.urls[1]) not in {port for _, port in watched.addresses}
    assert set(watched.names) <= {"127.0.0.1"}
    assert stub.events("chat", site=0)


def port_of(url: str) -> int:
    return int(url.rsplit(":", 1)[1].removesuffix("/v1"))


@pytest.fixture
def bait() -> Iterator[tuple[str, socket.socket]]:
    """A service of this machine that nobody has named, and its address."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.setblocking(False)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/latest/meta-data", listener


def untouched(listener: socket.socket) -> bool:
    with contextlib.suppress(BlockingIOError):
        listener.accept()[0].close()
        return False
    return True


def test_a_bait_that_was_taken_would_be_seen(bait: tuple[str, socket.socket]) -> None:
    """Also by what is no part of this interpreter."""
    url, listener = bait
    assert untouched(listener)
    socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0]))).close()
    assert not untouched(listener)


async def test_no_upload_makes_the_server_fetch_anything(
    tmp_path: Path, stub: SpeechStub, bait: tuple[str, socket.socket]
) -> None:
    """SECURITY 30, over HTTP: recordings are read by a library that knows playlists, and would follow them."""
    url, listener = bait
    playlist = f"ffconcat version 1.0\nfile '{url}'\n".encode()
    async with house(tmp_path, **endpoints(stub.url)) as here, here.web() as web:
        answer = await web.post("/v1/audio/transcriptions", files={"file": ("a.wav", playlist)})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_audio")
    assert untouched(listener)


async def test_no_field_of_a_request_names_an_endpoint(
    tmp_path: Path, stub: SpeechStub, bait: tuple[str, socket.socket]
) -> None:
    """SECURITY 30, over HTTP: fields that some servers have, or that a client hands on to another one."""
    url, listener = bait
    extra = {"base_url": url, "api_base": url, "endpoint": url, "proxy": url, "callback_url": url, "webhook": url}
    picture = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]
    async with house(tmp_path, **endpoints(stub.url)) as here, here.web(params={"base_url": url}) as web:
        for path, body in (
            ("/v1/audio/speech", {"input": "Hello.", "voice": {"id": url}, "response_format": "pcm"}),
            ("/v1/chat/completions", {"messages": picture, "model": url}),
            ("/v1/realtime/client_secrets", {"session": {"type": "realtime"}}),
        ):
            answer = await web.post(path, json={**extra, **body}, headers={"X-Base-Url": url, "Forwarded": f"host={url}"})
            assert answer.status_code == 200, (path, answer.text)
    assert untouched(listener)


def wishes(url: str) -> list[dict[str, Any]]:
    """Messages that have the server of OpenAI ask others."""
    mcp = {"type": "mcp", "server_label": "x", "server_url": url, "require_approval": "never"}
    content = {"type": "input_image", "image_url": url}
    return [
        {"type": "session.update", "session": {"type": "realtime", "tools": [mcp]}},
        {"type": "session.update", "session": {"type": "realtime", "model": url, "audio": {"output": {"voice": {"id": url}}}}},
        {"type": "session.update", "session": {"type": "realtime", "prompt": {"id": url}}},
        {"type": "conversation.item.create", "item": {"type": "message", "role": "user", "content": [content]}},
        QUESTION[0],
        {"type": "response.create", "response": {"tools": [mcp], "metadata": {"webhook": url}}},
    ]


@pytest.mark.parametrize("transport", ["websocket", "webrtc"])
async def test_no_message_makes_the_server_ask_others(
    tmp_path: Path, transport: str, stub: SpeechStub, bait: tuple[str, socket.socket]
) -> None:
    """SECURITY 30, over WebSocket and WebRTC: remote tools, pictures and prompts are refused or ignored, and not fetched.

    Tools of servers are for those hosts alone that the person named.
    """
    url, listener = bait
    async with house(tmp_path, **endpoints(stub.url)) as here, conversation(here, transport) as (send, until_answered):
        for wish in wishes(url):
            await send(json.dumps(wish))
        await until_answered()
    assert untouched(listener)
    assert stub.events("chat")


@contextlib.asynccontextmanager
async def conversation(here: House, transport: str) -> AsyncIterator[tuple[Any, Any]]:
    """How to send, and how to wait for an answer that was completed."""

    def completed(text: str) -> bool:
        event: dict[str, Any] = json.loads(text)
        return bool(event["type"] == "response.done" and event["response"]["status"] == "completed")

    if transport == "websocket":
        async with here.socket() as wire:

            async def done() -> None:
                async with asyncio.timeout(20):
                    while not completed(str(await wire.recv())):
                        pass

            yield wire.send, done
        return
    async with in_webrtc(here) as far:

        async def send(text: str) -> None:
            far.channel.send(text)

        yield send, lambda: far.until(lambda: any(map(completed, far.messages)), 20)


# -- candidates of WebRTC

CANDIDATE = next(line for line in OFFER.splitlines() if line.startswith("a=candidate:"))


async def checked(here: House, *places: tuple[str, int], offer: str = OFFER) -> Watched:
    """To whom the server sent something because a client offered to be there."""
    lines = [f"a=candidate:{n} 1 udp 2113937151 {ip} {port} typ host generation 0" for n, (ip, port) in enumerate(places)]
    with Watched() as watched:
        answer = await here.ask(post(here, offer.replace(CANDIDATE, "\r\n".join(lines) or "a=end-of-candidates")))
        assert answer.status == 201, answer
        await asyncio.sleep(0.5)  # the first checks are sent within 50 ms
    return watched


def post(here: House, offer: str) -> str:
    fields = {"Host": here.netloc, "Content-Length": str(len(offer)), **SDP, **here.bearer}
    return f"POST {CALLS} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields.items()) + f"\r\n{offer}"


NOWHERE = (
    "169.254.169.254",
    "100.100.100.200",
    "224.0.0.251",
    "255.255.255.255",
    "0.0.0.0",
    "fe80::1",
    "fd00:ec2::254",
    "ff02::1",
    "::ffff:169.254.169.254",
    "metadata.google.internal",
    "5d1f6fa4-9d73-4b8e-9d42-5a0f1d2ce0ab.local",
    "localhost",
    "127.1",
)


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=WITH_IPV6)])
async def test_a_client_is_looked_for_where_it_says_unless_no_client_is_there(tmp_path: Path, host: str) -> None:
    """SECURITY 30, over WebRTC: not at metadata and groups, and names are not looked up."""
    async with house(tmp_path) as here:
        here.server.webrtc._host = host
        watched = await checked(here, (host, 40_000), *((place, 80) for place in NOWHERE))
    assert (host, 40_000) in watched.addresses
    assert {name for name, _ in watched.addresses} <= {"127.0.0.1", host}
    assert not set(watched.names) - {"127.0.0.1"}


async def test_nor_by_any_other_line_of_an_offer(tmp_path: Path) -> None:
    """SECURITY 30, over WebRTC: addresses stand in several of them."""
    offer = OFFER.replace("IN IP4 0.0.0.0", "IN IP4 169.254.169.254").replace("IN IP4 127.0.0.1", "IN IP4 metadata")
    async with house(tmp_path) as here:
        watched = await checked(here, offer=offer.replace("m=audio 9", "m=audio 80"))
    assert {host for host, _ in watched.addresses} <= {"127.0.0.1"}
    assert not set(watched.names) - {"127.0.0.1"}
