"""Who may use the server, at each of its doors: plain HTTP, WebSocket, and the signalling of WebRTC. (SECURITY 2, 3, 4 and 6.)

``tests/http/test_guard.py`` has more spellings of each at fewer doors.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from tests.security.assembled import CALLS, DOORS, SECRETS, Answer, House, house
from voicemode.http.client_secrets import ClientSecrets
from voicemode.http.sessions import SessionWish

pytestmark = pytest.mark.anyio

PAGE = "https://app.example"
FOREIGN_HOSTS = ("evil.example", "127.0.0.1.evil.example:8765", "localhost.evil.example", "192.0.2.2", "127.1", "")
FOREIGN_PAGES = ("https://evil.example", "null", "file://", "http://localhost.evil.example", "moz-extension://x", "*")


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path, serve_allowed_origins=PAGE) as made:
        yield made


@contextlib.asynccontextmanager
async def somebodys_call(here: House, door: str) -> AsyncIterator[str]:
    """The conversation that a sideband or a hang-up is about."""
    if door in ("sideband", "hang-up"):
        async with here.conversation() as name:
            yield name
    else:
        yield "rtc_none"


async def knocked(here: House, door: str, headers: Mapping[str, str], *, status: int) -> Answer:
    """The answer, which has that status, and has begun and ended nothing unless it is a yes."""
    async with somebodys_call(here, door) as call:
        before = here.calls
        secrets = len(here.secrets._alive)
        answer = await here.knock(door, headers, call=call)
        assert answer.status == status, (door, headers, answer)
        if status in (401, 403, 421):
            assert here.calls == before
            assert len(here.secrets._alive) <= secrets
    await here.idle()
    return answer


@pytest.mark.parametrize("door", DOORS)
async def test_who_has_the_token_is_let_in(here: House, door: str) -> None:
    """Otherwise the tests below would see every door shut."""
    async with somebodys_call(here, door) as call:
        assert (await here.knock(door, here.bearer, call=call)).status == DOORS[door]


@pytest.mark.parametrize("door", DOORS)
async def test_a_foreign_host_is_misdirected(here: House, door: str) -> None:
    """SECURITY 2 and 3: 421 with the right token too, as DNS rebinding would bring it."""
    for host in FOREIGN_HOSTS:
        await knocked(here, door, {**here.bearer, "Host": host}, status=421)


@pytest.mark.parametrize("door", DOORS)
async def test_a_foreign_page_is_forbidden(here: House, door: str) -> None:
    """SECURITY 2 and 3: 403 with the right token too, and nothing that would let the page read the answer."""
    for origin in FOREIGN_PAGES:
        answer = await knocked(here, door, {**here.bearer, "Origin": origin}, status=403)
        assert not [name for name in answer.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("origin", ["null", "*"])
async def test_no_setting_lets_in_pages_that_are_nobodys(tmp_path: Path, door: str, origin: str) -> None:
    """SECURITY 2, 3 and 6: a person who writes "null" or "*" has not named a page; any page can be "null"."""
    async with house(tmp_path, serve_allowed_origins=f"{origin}, {PAGE}") as here:
        answer = await knocked(here, door, {**here.bearer, "Origin": origin}, status=403)
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": "Bearer wrong"},
        {"Authorization": "Bearer "},
        {"Authorization": "Basic dm06dm0="},
        {"X-API-Key": "wrong"},
        {"Cookie": "token=wrong"},
        {"X-Forwarded-For": "127.0.0.1", "Forwarded": "for=127.0.0.1"},
        {"Authorization": "Bearer ek_never-made"},
    ],
    ids=str,
)
async def test_who_has_no_token_is_not_let_in(here: House, door: str, headers: dict[str, str]) -> None:
    """SECURITY 4: 401, though it is a program of this machine that asks."""
    answer = await knocked(here, door, headers, status=401)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert not [value for value in headers.values() if len(value) > 8 and value in answer.body]


@pytest.mark.parametrize("door", DOORS)
async def test_the_token_counts_in_no_cookie_and_no_address(here: House, door: str) -> None:
    """SECURITY 4: browsers send the one along by themselves, and the other ends up in logs."""
    await knocked(here, door, {"Cookie": f"token={here.token}; authorization=Bearer {here.token}"}, status=401)
    answer = await here.ask(f"GET /v1/models?api_key={here.token}&token={here.token} HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert answer.status == 401


async def test_the_token_is_its_owners_alone(here: House, tmp_path: Path) -> None:
    """SECURITY 4: 0600, in a folder that is 0700; and it is the one that counts."""
    path = tmp_path / ".voicemode" / "token"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert path.read_text().strip() == here.token


@pytest.mark.parametrize("door", DOORS)
async def test_a_client_secret_begins_conversations_and_nothing_else(here: House, door: str) -> None:
    """SECURITY 4: one more key, for pages; it neither makes others of its kind nor touches other people's calls."""
    async with here.web() as web:
        secret = (await web.post(SECRETS, json={})).json()["value"]
    headers = {"Authorization": f"Bearer {secret}"}
    if door in ("websocket", "webrtc"):
        assert (await here.knock(door, headers)).status == DOORS[door]
    else:
        await knocked(here, door, headers, status=403)


@pytest.mark.parametrize("door", DOORS)
async def test_a_client_secret_that_has_expired_is_none(here: House, door: str) -> None:
    """SECURITY 4: not even for what it was made for."""
    now = 1000.0
    known: ClientSecrets = here.secrets
    known._clock = lambda: now
    value, _ = known.make(60, SessionWish())
    now += 61
    await knocked(here, door, {"Authorization": f"Bearer {value}"}, status=401)


@pytest.mark.parametrize("door", DOORS)
async def test_no_answer_is_for_every_page_or_asks_for_cookies(here: House, door: str) -> None:
    """SECURITY 6: an allowed page is named, whether it is let in or not; a page of this machine as well."""
    for page in (PAGE, "http://localhost:5173"):
        for headers, status in ((here.bearer, DOORS[door]), ({}, 401)):
            async with somebodys_call(here, door) as call:
                answer = await here.knock(door, {**headers, "Origin": page}, call=call)
            assert answer.status == status
            assert answer.headers.get("access-control-allow-origin", page) == page
            assert "access-control-allow-credentials" not in answer.headers
            assert "*" not in "".join(value for name, value in answer.headers.items() if name.startswith("access-control-"))
            if answer.status != 101:  # a WebSocket knows no such headers: its Origin is all that counts
                assert answer.headers["access-control-allow-origin"] == page
                assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize("path", ["/v1/audio/speech", "/v1/realtime", SECRETS, CALLS, f"{CALLS}/rtc_1/hangup"])
async def test_neither_does_a_preflight(here: House, path: str) -> None:
    """SECURITY 6: of an allowed page it is answered for that page; of another it is forbidden."""
    for page, status in ((PAGE, 204), ("https://evil.example", 403), ("null", 403)):
        head = f"OPTIONS {path} HTTP/1.1\r\nHost: localhost\r\nOrigin: {page}\r\nAccess-Control-Request-Method: POST\r\n\r\n"
        answer = await here.ask(head)
        assert answer.status == status
        assert answer.headers.get("access-control-allow-origin") == (page if status == 204 else None)
        assert "access-control-allow-credentials" not in answer.headers
        assert "*" not in "".join(answer.headers.values())
