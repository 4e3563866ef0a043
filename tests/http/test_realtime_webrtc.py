"""Calls over WebRTC begin with an offer, are held like any other, and end with either side."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from starlette.routing import Router

from tests.runtime.realtime_fakes import EchoSession, FakeEngine
from tests.transports.test_webrtc_sdp import OFFER
from tests.transports.webrtc_client import Client, client, tone
from voicemode.dialogue import AudioIn, Report
from voicemode.http.calls import Calls
from voicemode.http.client_secrets import ClientSecrets
from voicemode.http.errors import HttpError
from voicemode.http.guard import Access, Guard
from voicemode.http.limits import Places
from voicemode.http.realtime_webrtc import WebRtcCalls, webrtc_routes
from voicemode.http.sessions import SessionWish
from voicemode.playout import PlayoutSink
from voicemode.runtime.realtime_parts import DialogueEngineLike

pytestmark = pytest.mark.anyio

PATH = "/v1/realtime/calls"
SDP = {"content-type": "application/sdp"}
TOKEN = {"authorization": "Bearer vm_the-token"}


class Wished(EchoSession):
    """Shows what was wished for; an instruction "forbidden" is not allowed."""

    def __init__(self, wish: SessionWish) -> None:
        self.wish = wish
        if wish.session.get("instructions") == "forbidden":
            raise HttpError(400, "invalid_value", "No.", param="session.instructions")

    def open(self, now_ms: int) -> Any:
        step = super().open(now_ms)
        session = {"id": "sess_1", "model": self.wish.model, "plays": self.wish.server_plays, **self.wish.session}
        return type(step)(({**step.events[0], "session": session},))


@dataclass(eq=False)
class Server:
    """The routes behind the guard, in this process."""

    web: httpx2.AsyncClient
    calls: Calls
    webrtc: WebRtcCalls
    secrets: ClientSecrets
    engines: list[FakeEngine] = field(default_factory=list)
    playouts: list[PlayoutSink | None] = field(default_factory=list)

    async def begin(self, far: Client, **request: Any) -> httpx2.Response:
        """A call, up to the first event."""
        request = request or {"content": await far.offer(), "headers": TOKEN | SDP}
        answer = await self.web.post(PATH, **request)
        assert answer.status_code == 201, answer.text
        await far.take(answer.text)
        await far.until(lambda: len(far.messages) > 0)
        return answer

    async def idle(self) -> None:
        """All calls have ended and given their places back."""
        async with asyncio.timeout(10):
            while self.calls.places.taken:
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def serving(places: int = 10) -> AsyncIterator[Server]:
    engines: list[FakeEngine] = []
    playouts: list[PlayoutSink | None] = []

    def make_engine(_: SessionWish, playout: PlayoutSink | None, report: Callable[[Report], None]) -> DialogueEngineLike:
        engines.append(FakeEngine(report))
        playouts.append(playout)
        return engines[-1]

    calls = Calls(Wished, make_engine, Places(places, places, "calls"))
    webrtc, secrets = WebRtcCalls(calls, "127.0.0.1"), ClientSecrets()
    app = Guard(Router(webrtc_routes(webrtc, calls)), Access(token=SecretStr("vm_the-token"), secrets=secrets))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8765") as web:
        yield Server(web, calls, webrtc, secrets, engines, playouts)
    await webrtc.aclose()


def events(far: Client) -> list[dict[str, Any]]:
    return [json.loads(message) for message in far.messages]


async def test_an_offer_begins_a_call_with_messages_and_sound_both_ways() -> None:
    """201, a place to find it at, an answer; then the session, an echo, the person's sound, and the assistant's."""
    async with serving() as server, client() as far:
        answer = await server.begin(far)
        assert answer.headers["content-type"].startswith("application/sdp")
        assert answer.headers["location"].startswith(f"{PATH}/rtc_")
        assert server.calls.find(answer.headers["location"].rpartition("/")[2]) is not None
        far.channel.send('{"type":"input_audio_buffer.clear"}')
        await far.until(lambda: len(far.messages) > 1)
        assert [event["type"] for event in events(far)] == ["session.created", "echo.input_audio_buffer.clear"]
        playout = server.playouts[0]
        assert playout is not None
        playout.write("r1", tone(300, 0.5, 24_000))
        await far.until(lambda: len(far.frames) > 0 and int(abs(far.frames[-1]).max()) > 4000)
        sound = [command for command in server.engines[0].commands if isinstance(command, AudioIn)]
        assert {command.sample_rate for command in sound} == {48_000}


@pytest.mark.parametrize("name", [None, "offer.sdp"])
async def test_a_form_brings_the_session_along(name: str | None) -> None:
    """Offer and session as parts with a type of their own, with a file name or without."""
    session = {"type": "realtime", "model": "m", "instructions": "Be brief."}
    async with serving() as server, client() as far:
        form = {
            "sdp": (name, await far.offer(), "application/sdp"),
            "session": (name, json.dumps(session), "application/json"),
        }
        await server.begin(far, headers=TOKEN, files=form)
        shown = events(far)[0]["session"]
        assert (shown["model"], shown["instructions"], shown["plays"]) == ("m", "Be brief.", True)


async def test_a_client_secret_opens_the_session_that_it_was_made_for() -> None:
    """A page's key; without any there is no call."""
    async with serving() as server, client() as far:
        secret, _ = server.secrets.make(60, SessionWish(model="bound"))
        headers = SDP | {"authorization": f"Bearer {secret}"}
        await server.begin(far, headers=headers, content=await far.offer())
        assert events(far)[0]["session"]["model"] == "bound"
        refused = await server.web.post(PATH, content=OFFER, headers=SDP)
        assert refused.status_code == 401


async def test_hanging_up_ends_the_call() -> None:
    """Its name is then nobody's."""
    async with serving() as server, client() as far:
        place = (await server.begin(far)).headers["location"]
        assert (await server.web.post(f"{place}/hangup", headers=TOKEN)).status_code == 200
        await server.idle()
        again = await server.web.post(f"{place}/hangup", headers=TOKEN)
        assert (again.status_code, again.json()["error"]["code"]) == (404, "call_not_found")
        assert server.engines[0].closed


async def test_a_client_that_leaves_gives_its_place_back() -> None:
    """The engine is closed with it."""
    async with serving() as server, client() as far:
        await server.begin(far)
        await far.connection.close()
        await server.idle()
        assert server.engines[0].closed


async def test_the_session_may_end_the_call() -> None:
    """The client's connection is closed."""
    async with serving() as server, client() as far:
        await server.begin(far)
        far.channel.send('{"type":"bye"}')
        await server.idle()
        async with asyncio.timeout(10):
            while far.channel.readyState != "closed" and far.connection.connectionState != "closed":
                await asyncio.sleep(0.02)
        assert server.engines[0].closed


async def test_an_event_that_the_channel_cannot_carry_is_told_and_the_call_goes_on() -> None:
    """An error in its place, then the next event."""
    async with serving() as server, client() as far:
        await server.begin(far)
        far.channel.send('{"type":"big","size":300000}')
        far.channel.send('{"type":"next"}')
        await far.until(lambda: len(far.messages) == 3)
        told = events(far)
        assert (told[1]["error"]["code"], told[2]["type"]) == ("event_too_large", "echo.next")


async def test_when_all_places_are_taken_the_next_offer_is_told_when_to_come_again() -> None:
    """503 with Retry-After."""
    async with serving(places=1) as server, client() as far:
        await server.begin(far)
        refused = await server.web.post(PATH, content=OFFER, headers=TOKEN | SDP)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "server_full")
        assert "retry-after" in refused.headers


async def test_all_calls_end_with_the_server() -> None:
    """Every one is freed."""
    async with serving() as server, client() as far:
        await server.begin(far)
        await server.webrtc.aclose()
        assert server.calls.places.taken == 0
        assert server.engines[0].closed


@pytest.mark.parametrize(
    ("request_", "code", "param"),
    [
        ({"content": "hello", "headers": SDP}, "invalid_sdp", "sdp"),
        ({"content": b"v=0\xff", "headers": SDP}, "invalid_sdp", "sdp"),
        ({"content": OFFER + "a=x\r\n" * 20_000, "headers": SDP}, "sdp_too_large", "sdp"),
        ({"content": OFFER.replace("111 63 9 0 8 13 110 126", "9"), "headers": SDP}, "unsupported_codec", "sdp"),
        ({"content": "v=0\r\n", "headers": SDP}, "sdp_without_audio", "sdp"),
        ({"content": OFFER.replace("a=rtcp-mux\r\n", ""), "headers": SDP}, "unsupported_sdp", "sdp"),
        ({"content": "{}", "headers": {"content-type": "application/json"}}, "invalid_content_type", None),
        ({"files": {"session": (None, "{}")}}, "missing_required_parameter", "sdp"),
        ({"files": {"sdp": (None, OFFER), "session": (None, "{")}}, "invalid_json", "session"),
        ({"files": {"sdp": (None, OFFER), "session": (None, "[]")}}, "invalid_type", "session"),
        ({"files": {"sdp": (None, OFFER), "session": (None, '{"type":"x"}')}}, "invalid_value", "session.type"),
        (
            {"files": {"sdp": (None, OFFER), "session": (None, '{"instructions":"forbidden"}')}},
            "invalid_value",
            "session.instructions",
        ),
    ],
)
async def test_what_is_no_offer_is_refused_by_name(request_: dict[str, Any], code: str, param: str | None) -> None:
    """400 in OpenAI's shape, and no place is taken."""
    async with serving() as server:
        headers = TOKEN | request_.get("headers", {})
        refused = await server.web.post(PATH, **{**request_, "headers": headers})
        error = refused.json()["error"]
        assert (refused.status_code, error["code"], error["param"]) == (400, code, param)
        assert server.calls.places.taken == 0


async def test_a_client_that_sends_far_faster_than_it_is_heard_is_hung_up() -> None:
    """SECURITY 7: a data channel cannot be kept waiting as a WebSocket is, and what waits is in memory."""
    async with serving() as server, client() as far:
        await server.begin(far)
        server.engines[0].backlog_s = 299.0
        far.channel.send('{"type":"a"}')
        await far.until(lambda: len(far.messages) > 1)
        server.engines[0].backlog_s = 301.0
        far.channel.send('{"type":"b"}')
        await server.idle()
        assert server.engines[0].closed
