"""Who gets a telephone call, and who does not: signatures, numbers, places, and secrets that open one stream."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from starlette.routing import Router
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.http.serving import running
from tests.runtime.realtime_fakes import FakeEngine
from tests.stubs.twilio import ACCOUNT, AUTH_TOKEN, RestApi, StreamRefusedError, calling, dial, rest_api, signed
from voicemode.dialogue import AudioIn, Report
from voicemode.errors import EndpointError, RequestError, SettingsError
from voicemode.http.calls import Calls
from voicemode.http.client_secrets import ClientSecrets
from voicemode.http.guard import Access, Guard
from voicemode.http.handoffs import HandOffs
from voicemode.http.limits import Places
from voicemode.http.server import listen
from voicemode.http.sessions import SessionWish
from voicemode.http.telephone import Telephone
from voicemode.playout import PlayoutSink
from voicemode.providers.http import HttpPool
from voicemode.providers.twilio_api import TwilioApi, line_of, telephone
from voicemode.runtime.realtime_parts import DialogueEngineLike, SessionLike
from voicemode.settings import Settings
from voicemode.wire.realtime import Playout, RealtimeSession

pytestmark = pytest.mark.anyio

ALLOWED, ALSO, STRANGER = "+4930123456", "+4930777777", "+4930555555"


def settings(**changed: Any) -> Settings:
    known = {
        "twilio_account_sid": ACCOUNT,
        "twilio_auth_token": AUTH_TOKEN,
        "twilio_number": "+4930999999",
        "twilio_allowed_numbers": f"{ALLOWED},{ALSO}",
        "public_url": "https://voice.example",
    }
    return Settings.model_validate({**known, **changed})


@dataclass
class Line:
    """The telephone behind the guard, on loopback."""

    url: str
    """As Twilio was told."""
    here: str
    """Where it is."""
    api: RestApi
    handoffs: HandOffs
    calls: Calls
    engines: list[FakeEngine] = field(default_factory=list)
    wishes: list[SessionWish] = field(default_factory=list)
    now: list[float] = field(default_factory=lambda: [1000.0])

    async def idle(self) -> None:
        async with asyncio.timeout(10):
            while self.calls.places.taken:
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def line(base: Path, *, places: int = 100, public: str = "", **changed: Any) -> AsyncIterator[Line]:
    listening = listen(Settings(), "127.0.0.1", 0)
    here = f"http://127.0.0.1:{listening.port}"
    engines: list[FakeEngine] = []
    wishes: list[SessionWish] = []

    def make_session(wish: SessionWish) -> SessionLike:
        wishes.append(wish)
        return RealtimeSession("sess", playout=Playout.SERVER, new_id=lambda word: f"{word}_1", options=wish.session)

    def make_engine(_: SessionWish, __: PlayoutSink | None, report: Callable[[Report], None]) -> DialogueEngineLike:
        engines.append(FakeEngine(report))
        return engines[-1]

    with rest_api() as api:
        known = settings(public_url=public or here, twilio_api_url=api.url, **changed)
        found = line_of(known)
        assert found is not None
        pool = HttpPool(known)
        calls = Calls(make_session, make_engine, Places(places, places, "calls"))
        handoffs = HandOffs(base, ("voicemode", "second"), lambda: b"a secret of these tests")
        held = Line(f"{public or here}/incoming", f"{here}/incoming", api, handoffs, calls, engines, wishes)
        tel = Telephone(found, calls, TwilioApi(found, pool), handoffs, clock=lambda: held.now[0])
        access = Access(
            token=SecretStr("vm_a-token-of-these-tests"),
            secrets=ClientSecrets(),
            hosts=frozenset({tel.public_host}),
            own_proof=tel.own_proof,
        )
        async with running(Guard(Router(tel.routes()), access), listening, calls, pool):
            yield held


async def test_who_is_allowed_is_put_through(tmp_path: Path) -> None:
    """As the identity of their number, in a thread of their own; their sound reaches the engine."""
    async with line(tmp_path) as tel, calling(tel.url, From=ALLOWED) as phone:
        await phone.until(lambda: bool(tel.engines) and any(isinstance(each, AudioIn) for each in tel.engines[0].commands))
        wish = tel.wishes[0]
        assert (wish.identity, wish.thread, wish.surface) == (f"phone:{ALLOWED}", f"phone:{ALLOWED}", "phone")
        assert [tool["name"] for tool in wish.session["tools"]] == ["hangup"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"token": "another"},
        {"url": "https://evil.example/incoming"},
        {"query": "?handoff=x"},
        {"signature": ""},
        {"signature": "\xff"},
    ],
)
async def test_a_forged_signature_is_refused(tmp_path: Path, wrong: dict[str, str]) -> None:
    """Whatever else is right; nothing is told of why."""
    form = {"AccountSid": ACCOUNT, "CallSid": "CA1", "From": ALLOWED, "Direction": "inbound"}
    async with line(tmp_path) as tel, httpx2.AsyncClient(trust_env=False) as web:
        given = wrong.get("signature", signed(wrong.get("url", tel.url), form, wrong.get("token", AUTH_TOKEN)))
        headers = [(b"X-Twilio-Signature", given.encode("latin-1"))]
        answer = await web.post(tel.here + wrong.get("query", ""), data=form, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "invalid_signature")
        assert "Stream" not in answer.text


async def test_the_installations_token_is_no_signature(tmp_path: Path) -> None:
    """Who has it may do everything else."""
    async with line(tmp_path) as tel, httpx2.AsyncClient(trust_env=False) as web:
        headers = {"Authorization": "Bearer vm_a-token-of-these-tests"}
        assert (await web.post(tel.here, data={"From": ALLOWED}, headers=headers)).status_code == 403


async def test_another_account_is_refused(tmp_path: Path) -> None:
    """Though it were signed with our token."""
    async with line(tmp_path) as tel:
        assert (await dial(tel.url, From=ALLOWED, AccountSid="AC" + "f" * 32)).status_code == 403


async def test_behind_a_proxy_the_public_address_is_what_is_signed(tmp_path: Path) -> None:
    """The stream goes there as well."""
    async with line(tmp_path, public="https://voice.example") as tel:
        answer = await dial(tel.url, to=tel.here, From=ALLOWED)
        assert 'url="wss://voice.example/twilio"' in answer.text


@pytest.mark.parametrize(
    ("form", "verb"),
    [
        ({"From": STRANGER}, "Reject"),
        ({"From": ""}, "Reject"),
        ({"From": "anonymous"}, "Reject"),
        ({"From": ALLOWED, "To": STRANGER, "Direction": "outbound-api"}, "Hangup"),
    ],
)
async def test_other_numbers_are_not_put_through(tmp_path: Path, form: dict[str, Any], verb: str) -> None:
    """Neither who calls nor who is called; no session is made."""
    async with line(tmp_path) as tel:
        with pytest.raises(StreamRefusedError, match=verb):
            async with calling(tel.url, **form):
                pass
        assert tel.wishes == []


async def test_without_a_list_nobody_is_put_through(tmp_path: Path) -> None:
    """The default."""
    async with line(tmp_path, twilio_allowed_numbers="") as tel:
        with pytest.raises(StreamRefusedError, match="Reject"):
            async with calling(tel.url, From=ALLOWED):
                pass


async def test_a_call_of_ours_is_of_whoever_is_called(tmp_path: Path) -> None:
    """Not of our own number, which it comes from."""
    async with line(tmp_path) as tel:
        async with calling(tel.url, From="+4930999999", To=ALSO, Direction="outbound-api") as phone:
            await phone.until(lambda: bool(tel.wishes))
        assert tel.wishes[0].identity == f"phone:{ALSO}"


async def test_too_many_calls_are_busy(tmp_path: Path) -> None:
    """One for each number, and as many as the settings say; a call that ended makes room."""
    async with line(tmp_path, twilio_max_calls=1) as tel:
        async with calling(tel.url, From=ALLOWED) as phone:
            await phone.until(lambda: bool(tel.engines))
            for number in (ALLOWED, ALSO):
                with pytest.raises(StreamRefusedError, match="busy"):
                    async with calling(tel.url, From=number, CallSid="CA9"):
                        pass
        await tel.idle()
        async with calling(tel.url, From=ALSO) as phone:
            await phone.until(lambda: len(tel.engines) == 2)


async def test_a_full_server_is_busy(tmp_path: Path) -> None:
    """Other conversations count."""
    async with line(tmp_path, places=0) as tel:
        with pytest.raises(StreamRefusedError, match="busy"):
            async with calling(tel.url, From=ALLOWED):
                pass


async def test_calls_that_came_at_once_are_counted_when_they_begin(tmp_path: Path) -> None:
    """Twilio is told to hang up the one that lost its place meanwhile."""
    async with line(tmp_path, twilio_max_calls=1) as tel:
        first, second = [await dial(tel.url, From=ALLOWED, CallSid=sid) for sid in ("CA1", "CA2")]
        async with _stream(tel, first.text, "CA1"):
            await _until(lambda: bool(tel.engines))
            async with _stream(tel, second.text, "CA2") as socket:
                assert await _closed(socket) == 1013
        assert tel.api.requests[0][0].endswith("/CA2.json")


@pytest.mark.parametrize(
    "wrong",
    [
        {"customParameters": {"secret": "guessed"}},
        {"customParameters": {}},
        {"callSid": "CA" + "9" * 32},
        {"accountSid": "AC" + "9" * 32},
        {"mediaFormat": {"encoding": "audio/x-l16", "sampleRate": 16000}},
    ],
)
async def test_a_stream_without_its_secret_is_refused(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Or of another call or account; no session is made, and no call is hung up that is not ours."""
    async with line(tmp_path) as tel:
        async with calling(tel.url, From=ALLOWED, start=wrong) as phone:
            await phone.until(lambda: phone.close_code is not None)
            assert phone.close_code == 1008
        assert (tel.wishes, tel.api.requests) == ([], [])


async def test_a_secret_opens_one_stream(tmp_path: Path) -> None:
    """And not for long."""
    async with line(tmp_path) as tel:
        answer = await dial(tel.url, From=ALLOWED, CallSid="CA1")
        async with _stream(tel, answer.text, "CA1"), _stream(tel, answer.text, "CA1") as again:
            assert await _closed(again) == 1008
        late = await dial(tel.url, From=ALSO, CallSid="CA2")
        tel.now[0] += 31
        async with _stream(tel, late.text, "CA2") as socket:
            assert await _closed(socket) == 1008


@pytest.mark.parametrize(
    "first", ["", "garbage", '{"event":"start"}', '{"event":"media","media":{"payload":"AAAA"}}', b"\xff\x00"]
)
async def test_a_stream_that_begins_otherwise_is_closed(tmp_path: Path, first: str | bytes) -> None:
    """After a few messages, or a few seconds."""
    async with (
        line(tmp_path) as tel,
        connect(tel.here.replace("http", "ws").replace("incoming", "twilio"), proxy=None) as socket,
    ):
        for _ in range(4):
            await socket.send(first)
        assert await _closed(socket) == 1008


async def test_a_call_lasts_no_longer_than_it_may(tmp_path: Path) -> None:
    """Then Twilio is told, and the stream is closed."""
    async with line(tmp_path, twilio_call_s=0.3) as tel, calling(tel.url, From=ALLOWED) as phone:
        await phone.until(lambda: phone.close_code is not None)
        assert phone.close_code == 1001
        assert tel.api.requests == [(f"/2010-04-01/Accounts/{ACCOUNT}/Calls/{phone.call_sid}.json", {"Status": "completed"})]


@pytest.mark.parametrize("status", [404, 500])
async def test_a_call_ends_also_where_twilio_cannot_be_told(tmp_path: Path, status: int) -> None:
    """The stream's end is the call's end."""
    async with line(tmp_path, twilio_call_s=0.2) as tel:
        tel.api.status, tel.api.error = status, {"code": 20404}
        async with calling(tel.url, From=ALLOWED) as phone:
            await phone.until(lambda: phone.close_code is not None)
            assert phone.close_code == 1001


async def test_a_session_that_was_handed_over_goes_on_by_telephone(tmp_path: Path) -> None:
    """Once; the other agent knows the thread, whose it is, and what was said."""
    async with line(tmp_path) as tel:
        offered = tel.handoffs.offer(thread="kitchen", identity="owner", to_agent="second", context="They want tea.")
        url = f"{tel.url}?handoff={offered.id}"
        async with calling(url, From="+4930999999", To=ALLOWED, Direction="outbound-api") as phone:
            await phone.until(lambda: bool(tel.wishes))
        assert (tel.wishes[0].identity, tel.wishes[0].thread) == ("owner", "kitchen")
        assert "They want tea." in tel.wishes[0].session["instructions"]
        await tel.idle()
        for replayed in (offered.id, offered.token):
            with pytest.raises(StreamRefusedError, match="Hangup"):
                async with calling(f"{tel.url}?handoff={replayed}", To=ALLOWED, Direction="outbound-api"):
                    pass
        assert len(tel.wishes) == 1


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        ({"twilio_auth_token": None}, "TWILIO_AUTH_TOKEN"),
        ({"twilio_auth_token": " "}, "TWILIO_AUTH_TOKEN"),
        ({"twilio_account_sid": ""}, "TWILIO_ACCOUNT_SID"),
        ({"twilio_account_sid": "AC1/../../x"}, "TWILIO_ACCOUNT_SID"),
        ({"public_url": ""}, "PUBLIC_URL"),
        ({"public_url": "http://voice.example"}, "PUBLIC_URL"),
        ({"twilio_allowed_numbers": "030123456"}, "TWILIO_ALLOWED_NUMBERS"),
        ({"twilio_number": "x"}, "TWILIO_NUMBER"),
        ({"local_only": True}, "TWILIO_API_URL"),
    ],
)
def test_half_a_line_is_told_before_anybody_calls(changed: dict[str, Any], named: str) -> None:
    """Without an auth token most of all: nobody could be told from anybody else."""
    with pytest.raises(SettingsError, match=named) as caught:
        line_of(settings(**changed))
    assert AUTH_TOKEN not in str(caught.value)


def test_without_settings_there_is_no_line() -> None:
    """And a command that needs one says so."""
    assert line_of(Settings()) is None
    with pytest.raises(SettingsError, match="TWILIO_ACCOUNT_SID"):
        telephone(Settings())
    found = line_of(settings())
    assert found is not None
    assert AUTH_TOKEN not in repr(found)


async def test_twilio_is_asked_once_for_a_call() -> None:
    """Also when it says nothing: the telephone may be ringing."""
    with rest_api() as api:
        known = settings(twilio_api_url=api.url)
        pool = HttpPool(known)
        tel = TwilioApi(telephone(known), pool)
        assert (await tel.call(tel.dialled(ALLOWED))).startswith("CA")
        api.status, api.error = 400, {"code": 21211, "message": "secret words"}
        with pytest.raises(EndpointError, match="21211") as caught:
            await tel.call(tel.dialled(ALLOWED))
        assert "secret words" not in str(caught.value)
        assert len(api.requests) == 2
        with pytest.raises(RequestError, match="not among"):
            tel.dialled(STRANGER)
        with pytest.raises(RequestError, match="hand-off"):
            tel.dialled(ALLOWED, "x&Url=evil")
        await pool.aclose()


# -- by hand


@contextlib.asynccontextmanager
async def _stream(tel: Line, twiml: str, call_sid: str) -> AsyncIterator[Any]:
    secret = twiml.partition('value="')[2].partition('"')[0]
    start = {"streamSid": "MZ1", "accountSid": ACCOUNT, "callSid": call_sid, "customParameters": {"secret": secret}}
    async with connect(tel.here.replace("http", "ws").replace("incoming", "twilio"), proxy=None) as socket:
        await socket.send(json.dumps({"event": "start", "start": start}))
        yield socket


async def _closed(socket: Any) -> int:
    async with asyncio.timeout(15):
        with contextlib.suppress(ConnectionClosed):
            async for _ in socket:
                pass
    return int(socket.close_code)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.01)
