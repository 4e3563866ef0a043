"""Client secrets: OpenAI's shape, realtime sessions and nothing else, until they expire."""

from __future__ import annotations

from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from tests.http.serving import event, served
from voicemode.http.client_secrets import ClientSecrets
from voicemode.http.errors import HttpError
from voicemode.http.sessions import SessionWish

pytestmark = pytest.mark.anyio

PATH = "/v1/realtime/client_secrets"


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


async def refused(opening: Any) -> int:
    with pytest.raises(InvalidStatus) as caught:
        async with opening:
            pass
    status: int = caught.value.response.status_code
    return status


def bearer(value: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {value}"}


async def test_a_secret_opens_the_session_it_was_made_for_and_expires() -> None:
    """Twice, since it may be used again; the address does not change its model; afterwards it is refused."""
    clock = Clock()
    async with served(clock=clock) as server, server.client() as client:
        session = {"type": "realtime", "model": "mine", "instructions": "Be brief."}
        answer = await client.post(PATH, json={"expires_after": {"anchor": "created_at", "seconds": 30}, "session": session})
        assert answer.status_code == 200
        told = answer.json()
        assert set(told) == {"value", "expires_at", "session"}
        assert told["value"].startswith("ek_")
        assert told["expires_at"] == 1_000_030
        assert told["session"].items() >= session.items()
        for _ in range(2):
            async with server.socket("?model=other", bearer(told["value"])) as socket:
                assert (await event(socket))["session"].items() >= session.items()
        offered = ("realtime", f"openai-insecure-api-key.{told['value']}")
        async with server.socket("", {}, offered) as socket:
            assert (await event(socket))["session"]["instructions"] == "Be brief."
        clock.now += 31
        assert await refused(server.socket(headers=bearer(told["value"]))) == 401


async def test_it_opens_nothing_else() -> None:
    """403 on every other route, and on somebody else's call."""
    async with served() as server, server.client() as client, server.stranger() as stranger, server.socket() as socket:
        await event(socket)
        (name,) = server.calls._open
        value = (await client.post(PATH, json={})).json()["value"]
        for method, path in (
            ("POST", "/v1/audio/speech"),
            ("GET", "/v1/models"),
            ("POST", PATH),
            ("GET", "/metrics"),
            ("POST", f"/v1/realtime/calls/{name}/hangup"),
        ):
            assert (await stranger.request(method, path, headers=bearer(value))).status_code == 403, path
        assert await refused(server.socket(f"?call_id={name}", bearer(value))) == 403
        assert await refused(server.socket(f"?%63all_id={name}", bearer(value))) == 403


@pytest.mark.parametrize(
    "body",
    [
        {"expires_after": {"seconds": 9}},
        {"expires_after": {"seconds": 7201}},
        {"expires_after": {"seconds": "600"}},
        {"expires_after": {"seconds": True}},
        {"expires_after": {"anchor": "now", "seconds": 60}},
        {"expires_after": 60},
        {"session": []},
        {"session": {"type": "other"}},
        {"session": {"model": 5}},
        {"session": {"type": "realtime", "instructions": "x" * 300_000}},
    ],
)
async def test_what_cannot_be_meant_is_400(body: dict[str, Any]) -> None:
    """With the field at fault, and no secret made."""
    async with served() as server, server.client() as client:
        answer = await client.post(PATH, json=body)
        assert answer.status_code == 400
        assert answer.json()["error"]["param"]
        assert not server.secrets._alive


@pytest.mark.parametrize("content", [b"{", b"[]", b"null", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_object_is_400(content: bytes) -> None:
    """Not 500."""
    async with served() as server, server.client() as client:
        assert (await client.post(PATH, content=content)).status_code == 400


async def test_the_older_route_gives_one_for_a_minute() -> None:
    """As the published console reads it: ``client_secret.value`` in the session, which speaks the older dialect."""
    async with served() as server, server.client() as client:
        told = (await client.post("/v1/realtime/sessions", json={"model": "m", "voice": "verse"})).json()
        assert told["client_secret"]["value"].startswith("ek_")
        assert told["model"] == "m"
        async with server.socket(headers=bearer(told["client_secret"]["value"])) as socket:
            first = await event(socket)
            assert (first["session"]["voice"], first["beta"]) == ("verse", True)


def test_there_are_so_many_at_a_time() -> None:
    """429 until the first one expires."""
    clock = Clock()
    secrets = ClientSecrets(clock=clock, most=2)
    secrets.make(10, SessionWish())
    secrets.make(60, SessionWish())
    with pytest.raises(HttpError) as caught:
        secrets.make(60, SessionWish())
    assert (caught.value.status, caught.value.retry_after_s) == (429, 10)
    clock.now += 10
    value, _ = secrets.make(60, SessionWish())
    assert secrets.find([b"wrong", value.encode()]) is not None


def test_no_representation_shows_a_value() -> None:
    """Nor is it kept: only its digest."""
    secrets = ClientSecrets()
    value, secret = secrets.make(60, SessionWish(session={"instructions": "private"}))
    assert value not in repr(secret)
    assert "private" not in repr(secret)
    assert value.encode() not in repr(secrets._alive).encode()
