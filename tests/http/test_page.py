"""The page: who may load it, how a browser is let in by a link, and that its cookie counts for its own origin only."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.http.serving import Served, event, served
from voicemode.http.page import page_routes
from voicemode.http.page_visitors import COOKIE, KEPT_S, PageVisitors

pytestmark = pytest.mark.anyio


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> _Clock:
    return _Clock()


@pytest.fixture
def visitors(clock: _Clock) -> PageVisitors:
    return PageVisitors(clock)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What a build looks like."""
    (tmp_path / "page" / "assets").mkdir(parents=True)
    (tmp_path / "page" / "index.html").write_text("<!doctype html><title>voicemode</title>")
    (tmp_path / "page" / "favicon.svg").write_text("<svg/>")
    (tmp_path / "page" / "assets" / "index-abc.js").write_text("1")
    (tmp_path / "page" / ".secret").write_text("x")
    (tmp_path / "outside.js").write_text("x")
    return tmp_path / "page"


@pytest.fixture
async def server(visitors: PageVisitors, folder: Path) -> AsyncIterator[Served]:
    async with served(access={"visitors": visitors}, more=page_routes(visitors, folder)) as server:
        yield server


async def admitted(server: Served, visitors: PageVisitors) -> dict[str, str]:
    """The header that a browser sends which a link has let in."""
    async with server.stranger() as browser:
        answer = await browser.post("/api/page/attach", json={"key": visitors.new_key()}, headers={"Origin": server.url})
        assert answer.status_code == 200, answer.text
        return {"Cookie": answer.headers["set-cookie"].partition(";")[0]}


async def test_every_view_is_the_page_for_everyone(server: Served) -> None:
    """Without a key, and with all headers that keep others out of it."""
    async with server.stranger() as browser:
        for path in ("/", "/sessions", "/dev", "/status"):
            answer = await browser.get(path)
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/html")
            policy = answer.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert answer.headers["cross-origin-opener-policy"] == "same-origin"
            assert "microphone=(self)" in answer.headers["permissions-policy"]


async def test_files_of_the_build_are_served_and_nothing_else(server: Served) -> None:
    """Those with a hash in their name for ever; no file outside, and none that is hidden."""
    async with server.stranger() as browser:
        script = await browser.get("/assets/index-abc.js")
        assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
        assert "immutable" in script.headers["cache-control"]
        for path in (
            "/assets/none.js",
            "/assets/..%2Findex.html",
            "/assets/..%2f..%2foutside.js",
            "/assets/.secret",
            "/assets/",
        ):
            assert (await browser.get(path)).status_code == 404, path


async def test_what_is_not_built_says_how_to(visitors: PageVisitors, tmp_path: Path) -> None:
    """503, in words."""
    async with (
        served(access={"visitors": visitors}, more=page_routes(visitors, tmp_path)) as server,
        server.stranger() as browser,
    ):
        answer = await browser.get("/")
        assert answer.status_code == 503
        assert "make page" in answer.text


async def test_a_link_works_once(server: Served, visitors: PageVisitors) -> None:
    """Its key becomes a cookie that no script reads and no other site sends; the second try is refused."""
    key = visitors.new_key()
    async with server.stranger() as browser:
        first = await browser.post("/api/page/attach", json={"key": key}, headers={"Origin": server.url})
        cookie = first.headers["set-cookie"]
        assert cookie.startswith(f"{COOKIE}_{server.listening.port}=")
        for part in ("HttpOnly", "SameSite=strict", "Path=/", f"Max-Age={KEPT_S}"):
            assert part in cookie
        assert key not in cookie
        assert "Secure" not in cookie
        browser.cookies.clear()
        for wrong in (key, "", "x"):
            again = await browser.post("/api/page/attach", json={"key": wrong}, headers={"Origin": server.url})
            assert again.status_code in (400, 401)
            assert "set-cookie" not in again.headers


async def test_the_cookie_opens_the_server_to_its_own_page(server: Served, visitors: PageVisitors) -> None:
    """A GET of the same origin, a POST with its Origin, and a WebSocket."""
    cookie = await admitted(server, visitors)
    async with server.stranger(headers=cookie) as browser:
        assert (await browser.get("/api/page", headers={"Sec-Fetch-Site": "same-origin"})).json() == {
            "attached": True,
            "memory": "incognito",
        }
        assert (await browser.get("/v1/models", headers={"Origin": server.url})).status_code == 200
    async with server.socket(headers={**cookie, "Origin": server.url}) as socket:
        assert (await event(socket))["type"] == "session.created"


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "http://localhost"},
        {"Origin": "http://127.0.0.1:1", "Sec-Fetch-Site": "same-origin"},
    ],
)
async def test_the_cookie_alone_opens_nothing(server: Served, visitors: PageVisitors, said: dict[str, str]) -> None:
    """A browser sends it along to every port of the machine, whichever page asks."""
    cookie = await admitted(server, visitors)
    async with server.stranger(headers={**cookie, **said}) as browser:
        assert (await browser.get("/api/page")).status_code == 401
        assert (await browser.get("/metrics")).status_code == 401
    with pytest.raises(InvalidStatus) as refused:
        async with server.socket(headers={**cookie, **said}):
            pass
    assert refused.value.response.status_code == 401


async def test_a_foreign_page_is_refused_before_its_cookie_is_looked_at(server: Served, visitors: PageVisitors) -> None:
    """403, as without."""
    cookie = await admitted(server, visitors)
    async with server.stranger(headers={**cookie, "Origin": "https://evil.example"}) as browser:
        assert (await browser.get("/api/page")).status_code == 403


async def test_it_ends_after_half_a_day(server: Served, visitors: PageVisitors, clock: _Clock) -> None:
    """The cookie, and a link that nobody followed."""
    cookie, late = await admitted(server, visitors), visitors.new_key()
    own = {**cookie, "Sec-Fetch-Site": "same-origin"}
    async with server.stranger() as browser:
        clock.now = KEPT_S - 1
        assert (await browser.get("/api/page", headers=own)).status_code == 200
        clock.now = KEPT_S
        assert (await browser.get("/api/page", headers=own)).status_code == 401
        answer = await browser.post("/api/page/attach", json={"key": late}, headers={"Origin": server.url})
        assert answer.status_code == 401


async def test_another_browser_needs_another_link(server: Served, visitors: PageVisitors) -> None:
    """A made-up cookie is nobody's."""
    await admitted(server, visitors)
    async with server.stranger(headers={"Cookie": f"{COOKIE}_1=guessed", "Origin": server.url}) as browser:
        assert (await browser.get("/api/page")).status_code == 401


async def test_the_owner_gets_keys_of_further_links_and_nobody_else(server: Served, visitors: PageVisitors) -> None:
    """With the token, or on a page that is in: it is the owner's, who may want to go on at another device."""
    async with server.client() as owner, server.stranger() as stranger:
        cookie = await admitted(server, visitors)
        here = {**cookie, "Origin": server.url}
        keys = [
            (await owner.post("/api/page/key")).json()["key"],
            (await stranger.post("/api/page/key", headers=here)).json()["key"],
        ]
        assert (await stranger.post("/api/page/key")).status_code == 401
        assert (
            await stranger.post("/api/page/key", headers={**cookie, "Origin": "https://elsewhere.example"})
        ).status_code in (401, 403)
        for key in keys:
            entered = await stranger.post("/api/page/attach", json={"key": key}, headers={"Origin": server.url})
            assert entered.status_code == 200
