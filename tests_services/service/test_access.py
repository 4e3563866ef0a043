"""Who is let in: each rule of the guard, with a service behind it that only says that it was reached."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send
from voicemode_service.access import TRUSTED, Guard, is_loopback

TOKEN = "a token of sixteen or more"
LOCAL = ("host", "localhost:2022")


async def reached(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, and say whether whoever asked is trusted."""
    more = True
    while more:
        more = (await receive()).get("more_body", False)
    await send({"type": "http.response.start", "status": 200 if scope[TRUSTED] else 299, "headers": []})
    await send({"type": "http.response.body", "body": b"reached"})


def ask(
    *headers: tuple[str, str],
    guard: Guard | None = None,
    path: str = "/v1/models",
    body: tuple[bytes, ...] = (b"",),
    kind: str = "http",
) -> tuple[int, dict[str, Any], dict[bytes, bytes]]:
    """The status, the error and the headers of an answer."""
    sent: list[Message] = []
    parts = [{"type": "http.request", "body": part, "more_body": number < len(body) - 1} for number, part in enumerate(body)]
    scope = {
        "type": kind,
        "path": path,
        "headers": [(name.encode(), value.encode("utf-8")) for name, value in headers],
        "extensions": {"websocket.http.response": {}},
    }

    async def receive() -> Message:
        await asyncio.sleep(0)
        return parts.pop(0)

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        sent.append(message)

    asyncio.run((guard or Guard(reached, max_body=100))(scope, receive, send))
    text = b"".join(message.get("body", b"") for message in sent)
    error = {} if text == b"reached" else json.loads(text)["error"]
    return sent[0]["status"], error, dict(sent[0]["headers"])


@pytest.mark.parametrize(
    ("host", "ours"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.1.2.3", True),
        ("::1", True),
        ("[::1]", True),
        ("", False),
        ("0.0.0.0", False),
        ("10.0.0.1", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.nip.example", False),
    ],
)
def test_loopback_is_what_can_only_mean_this_machine(host: str, ours: bool) -> None:
    """Names that somebody else resolves are not."""
    assert is_loopback(host) is ours


@pytest.mark.parametrize("host", ["localhost", "localhost:2022", "127.0.0.1:2022", "[::1]:2022", "[::1]"])
def test_this_machine_is_served_by_any_of_its_names(host: str) -> None:
    """With and without a port, and without a key: that is how clients are set for a local server."""
    assert ask(("host", host))[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:2022", "192.168.1.5", "localhost.evil.example", "", "user@localhost"]
)
def test_a_foreign_host_is_refused(host: str) -> None:
    """DNS rebinding: the page's own name points here."""
    status, error, _ = ask(("host", host))
    assert (status, error["code"]) == (421, "foreign_host")


def test_no_host_and_two_hosts_are_refused() -> None:
    """Programs in between could each believe another one."""
    assert ask()[0] == 421
    assert ask(LOCAL, ("host", "evil.example"))[0] == 421
    assert ask(LOCAL, LOCAL)[0] == 421


@pytest.mark.parametrize(
    "origin",
    ["https://evil.example", "null", "", "file://", "http://localhost.evil.example", "ftp://localhost", "http://6.6.6.6"],
)
def test_a_foreign_page_is_refused(origin: str) -> None:
    """Also one without a name, such as a file or a frame that is kept apart."""
    status, error, _ = ask(LOCAL, ("origin", origin))
    assert (status, error["code"]) == (403, "foreign_origin")
    assert ask(LOCAL, ("origin", "http://localhost"), ("origin", origin))[0] == 403


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1", "https://[::1]:8443"])
def test_a_page_of_this_machine_may_ask(origin: str) -> None:
    """Whoever can serve one can ask without it too."""
    assert ask(LOCAL, ("origin", origin))[0] == 200


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_sockets_are_held_to_the_same(kind: str) -> None:
    """Browsers ask nobody before they open one to another site."""
    assert ask(("host", "evil.example"), kind=kind)[0] == 421
    assert ask(LOCAL, ("origin", "null"), kind=kind)[0] == 403
    assert ask(LOCAL, guard=Guard(reached, max_body=1, token=TOKEN), kind=kind)[0] == 401


@pytest.mark.parametrize(
    ("given", "status"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN} ", 200),
        (TOKEN, 401),
        (f"Basic {TOKEN}", 401),
        ("Bearer", 401),
        ("Bearer ", 401),
        (f"Bearer {TOKEN}x", 401),
        (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer \xff", 401),
    ],
)
def test_a_token_is_wanted_where_one_is_set(given: str, status: int) -> None:
    """As OpenAI's clients send their key."""
    found, error, headers = ask(LOCAL, ("authorization", given), guard=Guard(reached, max_body=9, token=TOKEN))
    assert found == status
    if status == 401:
        assert error["code"] == "invalid_api_key"
        assert headers[b"www-authenticate"] == b"Bearer"


def test_a_token_may_hold_any_character() -> None:
    """It is compared as bytes."""
    guard = Guard(reached, max_body=9, token="schlüssel-schlüssel")
    assert ask(LOCAL, ("authorization", "Bearer schlüssel-schlüssel"), guard=guard)[0] == 200


def test_health_is_told_to_everybody_but_not_in_detail() -> None:
    """A container's health check has no token."""
    guard = Guard(reached, max_body=9, token=TOKEN)
    assert ask(LOCAL, guard=guard, path="/health")[0] == 299
    assert ask(LOCAL, ("authorization", f"Bearer {TOKEN}"), guard=guard, path="/health")[0] == 200
    assert ask(LOCAL, guard=guard, path="/health/")[0] == 401
    assert ask(LOCAL, guard=guard, path="/metrics")[0] == 401


REMOTE = Guard(reached, max_body=9, token=TOKEN, remote=True, hosts=["0.0.0.0", "Whisper"])
KEY = ("authorization", f"Bearer {TOKEN}")


@pytest.mark.parametrize(
    ("host", "status"),
    [("192.168.1.5:2022", 200), ("[fd00::5]:2022", 200), ("whisper:2022", 200), ("WHISPER", 200), ("evil.example", 421)],
)
def test_others_reach_it_by_address_or_by_a_name_that_was_allowed(host: str, status: int) -> None:
    """An address cannot be bound to another one later; a name can."""
    assert ask(("host", host), KEY, guard=REMOTE)[0] == status


@pytest.mark.parametrize(
    ("origin", "status"),
    [("http://192.168.1.5:2022", 200), ("http://192.168.1.5:80", 403), ("http://6.6.6.6", 403), ("http://whisper", 200)],
)
def test_a_page_may_ask_the_address_it_came_from(origin: str, status: int) -> None:
    """And no other address."""
    assert ask(("host", "192.168.1.5:2022"), ("origin", origin), KEY, guard=REMOTE)[0] == status


@pytest.mark.parametrize("length", ["101", "99999999999999999999999999", "9" * 5000, "-1", "1e3", "x"])
def test_a_body_that_says_it_is_too_long_is_refused(length: str) -> None:
    """Before any of it is kept."""
    status, error, _ = ask(LOCAL, ("content-length", length))
    assert (status, error["code"]) == (413, "too_large")


def test_a_body_that_does_not_say_is_counted() -> None:
    """At the limit it is taken, above it is not."""
    assert ask(LOCAL, body=(b"x" * 60, b"x" * 40))[0] == 200
    assert ask(LOCAL, body=(b"x" * 60, b"x" * 41))[0] == 413
    assert ask(LOCAL, body=(b"x" * 60, b"x" * 41, b"x" * 999, b""))[0] == 413


def test_what_nobody_expected_is_told_without_its_message(caplog: pytest.LogCaptureFixture) -> None:
    """Neither to the client nor to the log, which has the kind and the place."""

    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("my password is swordfish")

    status, error, _ = ask(LOCAL, guard=Guard(broken, max_body=9))
    assert status == 500
    assert "swordfish" not in json.dumps(error) + caplog.text
    assert "KeyError" in caplog.text
    assert "test_access.py" in caplog.text
