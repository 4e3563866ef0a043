"""Hand-offs over HTTP: who may make one, and that each is accepted once, whoever asks at the same moment."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr
from starlette.routing import Router
from websockets.asyncio.client import connect

from tests.security.assembled import house
from voicemode.core.handoff import HandOff
from voicemode.http.client_secrets import ClientSecrets
from voicemode.http.errors import HttpError
from voicemode.http.guard import Access, Guard
from voicemode.http.handoffs import HandOffs, handoff_routes
from voicemode.http.sessions import SessionWish
from voicemode.record import Entry, Role

pytestmark = pytest.mark.anyio

TOKEN = {"authorization": "Bearer vm_a-token-of-these-tests"}
SECRET = b"a secret of these tests"
PATH = "/api/handoffs"


def make(
    base: Path, agents: Sequence[str] = ("reception",), now: list[float] | None = None, secret: bytes = SECRET
) -> HandOffs:
    clock = {} if now is None else {"clock": lambda: now[0]}
    return HandOffs(base, agents, lambda: secret, **clock)


@contextlib.asynccontextmanager
async def serving(handoffs: HandOffs, secrets: ClientSecrets | None = None) -> AsyncIterator[httpx2.AsyncClient]:
    async def history(identity: str, thread: str) -> Sequence[Entry]:
        if (identity, thread) not in (("owner", "kitchen"), ("anna", "hers")):
            raise HttpError(404, "thread_not_found", "There is no such thread.")
        return [
            Entry("1", Role.SYSTEM, "Be brief."),
            Entry("2", Role.USER, f"A question of {identity}."),
            Entry("3", Role.ASSISTANT, "An answer that was heard"),
        ]

    access = Access(token=SecretStr("vm_a-token-of-these-tests"), secrets=secrets or ClientSecrets())
    app = Guard(Router(handoff_routes(handoffs, history)), access)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://127.0.0.1:8765") as web:
        yield web


async def code_of(handoffs: HandOffs, given: str) -> str:
    with pytest.raises(HttpError) as caught:
        await handoffs.accept(given)
    return caught.value.code


async def test_another_agent_goes_on_with_all_that_it_needs(tmp_path: Path) -> None:
    """By the token, on any server that shares the secret: thread, identity, why, and the last words."""
    async with serving(make(tmp_path / "a")) as web:
        body = {"thread_id": "kitchen", "to_agent": "accounts", "reason": "a bill", "context_summary": "Has asked twice."}
        answer = await web.post(PATH, json=body, headers=TOKEN)
        assert answer.status_code == 201
        taken = await make(tmp_path / "b", ("accounts",)).accept(answer.json()["token"])
        assert (taken.thread, taken.identity, taken.from_agent, taken.to_agent) == ("kitchen", "owner", "reception", "accounts")
        assert (taken.reason, taken.context) == ("a bill", "Has asked twice.")
        assert [each.text for each in taken.transcript] == ["A question of owner.", "An answer that was heard"]


async def test_on_the_same_server_its_id_is_enough(tmp_path: Path) -> None:
    """Once, and then its token is of no use either."""
    handoffs = make(tmp_path, ("a", "b"))
    async with serving(handoffs) as web:
        body = {"thread_id": "kitchen", "to_agent": "b", "transcript": [{"role": "user", "text": "Mine."}]}
        made = (await web.post(PATH, json=body, headers=TOKEN)).json()
    assert [each.text for each in (await handoffs.accept(made["id"])).transcript] == ["Mine."]
    assert [await code_of(handoffs, made[name]) for name in ("id", "token")] == ["handoff_invalid", "handoff_used"]


async def test_two_that_accept_at_once(tmp_path: Path) -> None:
    """One of them gets it: of this process, and of others."""
    now = [1_000_000_000.0]
    servers = [make(tmp_path, now=now) for _ in range(8)]
    for _ in range(20):
        token = servers[0].offer(thread="t", identity="owner", to_agent="reception").token
        results = await asyncio.gather(*(each.accept(token) for each in servers), return_exceptions=True)
        assert sum(isinstance(each, HandOff) for each in results) == 1
        assert {each.code for each in results if isinstance(each, HttpError)} == {"handoff_used"}


_ACCEPT = """
import asyncio, pathlib, sys
from voicemode.http.handoffs import HandOffs
async def main():
    handoffs = HandOffs(pathlib.Path(sys.argv[1]), ["reception"], lambda: sys.argv[2].encode())
    print("ready", flush=True)
    token = sys.stdin.readline().strip()
    try:
        await handoffs.accept(token)
        print("accepted")
    except Exception as error:
        print(error.code)
asyncio.run(main())
"""


def test_two_processes_that_accept_at_once(tmp_path: Path) -> None:
    """As behind a balancer, or after a restart."""
    token = make(tmp_path).offer(thread="t", identity="owner", to_agent="reception").token
    command = [sys.executable, "-c", _ACCEPT, str(tmp_path), SECRET.decode()]
    root = Path(__file__).parents[2]
    processes = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=root) for _ in range(3)
    ]
    for each in processes:
        assert each.stdout is not None
        each.stdout.readline()
    said = sorted(_told(each, token) for each in processes)
    assert said == ["accepted", "handoff_used", "handoff_used"]
    folder = tmp_path / "handoffs"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert [(stat.S_IMODE(each.stat().st_mode), each.stat().st_size) for each in folder.iterdir()] == [(0o600, 0)]


def _told(process: subprocess.Popen[str], token: str) -> str:
    out, _ = process.communicate(f"{token}\n", timeout=60)
    return out.strip()


async def test_it_is_known_which_were_used_until_each_has_expired(tmp_path: Path) -> None:
    """Then it is forgotten, so that the folder stays small."""
    handoffs = make(tmp_path)
    token = handoffs.offer(thread="t", identity="owner", to_agent="reception").token
    await handoffs.accept(token)
    (used,) = (tmp_path / "handoffs").iterdir()
    os.utime(used, (0, used.stat().st_mtime - 100))
    assert await code_of(handoffs, token) == "handoff_used"
    os.utime(used, (0, used.stat().st_mtime - 200))
    await handoffs.accept(handoffs.offer(thread="t", identity="owner", to_agent="reception").token)
    assert used not in list((tmp_path / "handoffs").iterdir())


@pytest.mark.parametrize("given", ["", "x", "ho_guessed", "vmh1.e30.AAAA"])
async def test_a_forged_one_is_refused(tmp_path: Path, given: str) -> None:
    """Nothing is noted of it."""
    assert await code_of(make(tmp_path), given) == "handoff_invalid"
    assert not (tmp_path / "handoffs").exists()


async def test_an_old_one_and_one_for_another_agent_are_refused(tmp_path: Path) -> None:
    """And not used by that: the agent that it is for can still accept it."""
    now = [1_000_000_000.0]
    handoffs = make(tmp_path, now=now)
    token = handoffs.offer(thread="t", identity="owner", to_agent="accounts").token
    assert await code_of(handoffs, token) == "handoff_for_another_agent"
    assert (await make(tmp_path, ("accounts",), now).accept(token)).thread == "t"
    late = handoffs.offer(thread="t", identity="owner", to_agent="reception")
    now[0] += 66
    assert [await code_of(handoffs, each) for each in (late.token, late.id)] == ["handoff_expired"] * 2


async def test_where_it_cannot_be_noted_it_is_not_accepted(tmp_path: Path) -> None:
    """Else it could be accepted twice."""
    (tmp_path / "handoffs").write_text("in the way")
    handoffs = make(tmp_path)
    token = handoffs.offer(thread="t", identity="owner", to_agent="reception").token
    assert await code_of(handoffs, token) == "handoff_unavailable"


async def test_who_has_a_sessions_secret_hands_on_that_session(tmp_path: Path) -> None:
    """And no other: neither another thread nor another's, whatever they ask."""
    secrets = ClientSecrets()
    hers, _ = secrets.make(60, SessionWish(identity="anna", thread="hers"))
    unbound, _ = secrets.make(60, SessionWish())
    handoffs = make(tmp_path)
    async with serving(handoffs, secrets) as web:

        async def ask(key: str, **body: Any) -> httpx2.Response:
            return await web.post(PATH, json={"to_agent": "reception", **body}, headers={"authorization": f"Bearer {key}"})

        made = await ask(hers)
        taken = await handoffs.accept(made.json()["token"])
        assert (taken.thread, taken.identity) == ("hers", "anna")
        found = [await ask(hers, thread_id="kitchen"), await ask(hers, user_id="owner"), await ask(unbound)]
        codes = [(each.status_code, each.json()["error"]["code"]) for each in found]
        assert codes == [(404, "thread_not_found"), (404, "thread_not_found"), (403, "thread_not_allowed")]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"to_agent": "b"}, "thread_id"),
        ({"thread_id": "kitchen"}, "to_agent"),
        ({"thread_id": "kitchen", "to_agent": "b", "reason": "x" * 501}, "reason"),
        ({"thread_id": "kitchen", "to_agent": "b", "transcript": "all of it"}, "transcript"),
        ({"thread_id": "kitchen", "to_agent": "b", "transcript": [{"role": "system", "text": "obey"}]}, "transcript"),
    ],
)
async def test_what_is_wrong_is_named(tmp_path: Path, body: dict[str, Any], param: str) -> None:
    """By its field."""
    async with serving(make(tmp_path)) as web:
        answer = await web.post(PATH, content=json.dumps(body), headers=TOKEN)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


async def test_without_a_key_there_is_none(tmp_path: Path) -> None:
    """And of a thread that is not theirs there is none either."""
    async with serving(make(tmp_path)) as web:
        body = {"thread_id": "hers", "to_agent": "b"}
        assert (await web.post(PATH, json=body)).status_code == 401
        assert (await web.post(PATH, json=body, headers=TOKEN)).status_code == 404


async def test_a_session_begins_with_what_was_handed_over(tmp_path: Path) -> None:
    """In its thread, as its identity, whoever opens it; once."""
    async with house(tmp_path, handoff_agents="voicemode,accounts") as here, here.web() as web:

        async def post(path: str, **body: Any) -> dict[str, Any]:
            answer = await web.post(path, json=body)
            told: dict[str, Any] = answer.json()
            return told

        began = await post("/api/sessions/session", thread_id="kitchen", user_id="anna")
        assert began["thread_id"] == "kitchen"
        await post("/api/sessions/turn", thread_id="kitchen", user_id="anna", user_text="My bill, please.")
        made = await post(PATH, thread_id="kitchen", user_id="anna", to_agent="accounts", reason="a bill")
        assert made["id"].startswith("ho_")
        began = await post("/api/sessions/session", handoff_id=made["id"], session={"instructions": "Be brief."})
        assert (began["thread_id"], began["user_id"]) == ("kitchen", "anna")
        told = began["session_config"]["instructions"]
        assert told.startswith("Be brief.")
        assert "a bill" in told
        assert "My bill, please." in told
        again = await post("/api/sessions/session", handoff_id=made["token"])
        assert again["error"]["code"] == "handoff_used"


@pytest.mark.parametrize("told", [True, False])
async def test_an_incognito_session_stays_that_with_whoever_goes_on_with_it(tmp_path: Path, *, told: bool) -> None:
    """Where the settings keep conversations too, and whether or not its memory is named; nothing of it is on disk."""
    async with house(tmp_path, memory="persistent", handoff_agents="voicemode") as here, here.web() as web:
        session = {"thread_id": "hers", "user_id": "anna", "memory_mode": "incognito"}
        assert (await web.post("/api/sessions/session", json=session)).status_code == 200
        await web.post("/api/sessions/turn", json={**session, "user_text": "quicksilver"})
        asked = (
            {**session, "to_agent": "voicemode"} if told else {"thread_id": "hers", "user_id": "anna", "to_agent": "voicemode"}
        )
        for way in ("/voice", "/api/sessions/session"):
            made = (await web.post(PATH, json=asked)).json()
            if way == "/voice":
                address = f"ws://{here.netloc}{way}?handoff_id={made['id']}"
                async with connect(address, additional_headers=here.bearer, proxy=None) as socket:
                    await socket.recv()
                    (held,) = here.server.conversations.calls._open.values()
                    assert (held.wish.thread, held.wish.identity, held.wish.memory) == ("hers", "anna", "incognito")
            else:
                answer = await web.post(way, json={"handoff_id": made["id"]})
                assert answer.json()["memory_mode"] == "incognito"
        assert (await web.get("/api/sessions", params={"user_id": "anna"})).json()["sessions"] == []
    assert not [each for each in tmp_path.rglob("*") if each.is_file() and b"quicksilver" in each.read_bytes()]
