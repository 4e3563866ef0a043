"""Sessions over ``/api/sessions``: typed in, spoken in, ended once, and told to nobody but whose they are."""

from __future__ import annotations

import asyncio
import json
import shlex
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.http.sessions_api import API, ask, bearer, event, holder, owner, stored
from tests.security.assembled import House, house
from tests.stubs.client import SpeechStub

pytestmark = pytest.mark.anyio


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


async def test_a_session_begins_with_a_secret_for_its_thread_and_its_configuration(here: House) -> None:
    """Incognito unless persistent is asked for; the voice goes to where the protocol has it; and a name is made."""
    async with owner(here) as api:
        made = await api.post("session", session={"instructions": "Be brief."}, assistant_voice="marin", user_id="alice")
        assert set(made) == {"client_secret", "expires_at", "thread_id", "user_id", "memory_mode", "session_config"}
        assert made["client_secret"].startswith("ek_")
        assert (made["user_id"], made["memory_mode"]) == ("alice", "incognito")
        assert made["thread_id"].startswith("thread_")
        assert made["session_config"]["instructions"] == "Be brief."
        assert made["session_config"]["audio"]["output"]["voice"] == "marin"
        assert (await api.post("session", thread_id="mine", memory_mode="persistent"))["user_id"] == "owner"
        async with here.socket(headers=bearer(made["client_secret"])) as socket:
            assert (await event(socket, "session.created"))["session"]["instructions"] == "Be brief."


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"memory_mode": "for ever"}, "memory_mode"),
        ({"session": []}, "session"),
        ({"session": {"type": "other"}}, "session.type"),
        ({"thread_id": 7}, "thread_id"),
        ({"thread_id": "x" * 201}, "thread_id"),
        ({"user_id": ["owner"]}, "user_id"),
    ],
)
async def test_a_session_that_cannot_be_names_the_field(here: House, body: dict[str, Any], param: str) -> None:
    """400, in the shape of every other error."""
    async with owner(here) as api:
        assert (await api.post("session", 400, **body))["param"] == param


async def test_typed_and_spoken_turns_are_one_record_that_the_responder_sees(tmp_path: Path, stub: SpeechStub) -> None:
    """Typed over the API, gone on with over WebSocket, typed again: in order, and the chat endpoint is told all of it."""
    stub.configure(chat_text="The answer.")
    async with house(tmp_path, chat_base_urls=stub.url) as here, owner(here) as api:
        made = await api.post("session", thread_id="t", memory_mode="persistent")
        told = await api.post("turn", thread_id="t", user_text="Typed first.", assistant_text="Noted.")
        assert told == {"recorded": True, "thread_id": "t", "message_count": 2}
        async with here.socket(headers=bearer(made["client_secret"])) as socket:
            await ask(socket, "Spoken second.")
        await here.idle()
        messages = [each["body"]["messages"] for each in stub.events("chat") if "body" in each]
        assert [each["content"] for each in messages[-1] if each["role"] != "system"] == [
            *("Typed first.", "Noted.", "Spoken second.")
        ]
        await api.post("turn", thread_id="t", user_text="Typed third.")
        assert await api.said("t") == [
            ("user", "Typed first.", "whole"),
            ("assistant", "Noted.", "whole"),
            ("user", "Spoken second.", "whole"),
            ("assistant", "The answer.", "whole"),
            ("user", "Typed third.", "whole"),
        ]
        surfaces = [each["surface"] for each in (await api.get("/t"))["entries"]]
        assert surfaces == ["api", "api", "websocket", "websocket", "api"]


async def test_calls_of_a_turn_are_recorded_as_they_ended(here: House) -> None:
    """Name, status, output or error, between the two who spoke."""
    calls = [
        {
            "tool_name": "weather",
            "status": "completed",
            "output": {"sky": "blue"},
            "arguments": {"city": "Bonn"},
            "call_id": "c1",
        },
        {"tool_name": "mail", "status": "failed", "error": "no route"},
    ]
    async with owner(here) as api:
        await api.post("session", thread_id="t", memory_mode="persistent")
        await api.post("turn", thread_id="t", user_text="Hi", assistant_text="Blue.", tool_calls=calls)
        entries = (await api.get("/t"))["entries"]
    assert [each["role"] for each in entries] == ["user", "tool", "tool", "assistant"]
    assert entries[1]["text"] == '{"sky": "blue"}'
    assert (entries[1]["tool"], entries[1]["call_id"], entries[1]["arguments"]) == ("weather", "c1", '{"city": "Bonn"}')
    assert (entries[2]["text"], entries[2]["standing"]) == ("no route", "failed")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"user_text": "  "},
        {"user_text": 7},
        {"user_text": "x" * 100_001},
        {"tool_calls": "x"},
        {"tool_calls": [7]},
        {"tool_calls": [{"status": "completed"}]},
        {"tool_calls": [{"tool_name": "x", "status": "gone"}]},
    ],
)
async def test_a_turn_without_words_is_refused(here: House, body: dict[str, Any]) -> None:
    """400, and nothing is put down."""
    async with owner(here) as api:
        await api.post("session", thread_id="t", memory_mode="persistent")
        await api.post("turn", thread_id="t", user_text="One.")
        await api.post("turn", 400, thread_id="t", **body)
        assert len(await api.said("t")) == 1


async def test_incognito_is_told_and_leaves_nothing_on_disk(tmp_path: Path) -> None:
    """Typed and spoken; while it lasts it is known in memory, and after its end to nobody."""
    async with house(tmp_path) as here, owner(here) as api:
        made = await api.post("session", thread_id="t")
        told = await api.post("turn", thread_id="t", user_text="A word that is secret: xylophone.")
        assert (told["recorded"], told["message_count"]) == (False, 1)
        assert "incognito" in told["detail"]
        async with here.socket(headers=bearer(made["client_secret"])) as socket:
            await ask(socket, "xylophone again")
        await here.idle()
        assert len(await api.said("t")) == 3
        ended = await api.post("end", thread_id="t", feedback="xylophone")
        assert (ended["finalized"], ended["code"], ended["summary"]) == (False, "incognito", None)
        await api.get("/t", 404)
    assert stored(tmp_path) == []
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and b"xylophone" in path.read_bytes()]


async def test_what_nobody_can_come_back_to_is_forgotten_with_its_call(here: House) -> None:
    """Also in memory, and at once: an incognito call that named no thread."""
    memory = here.server.conversations.records.memory.history
    async with here.socket() as socket:
        await ask(socket, "Hello.")
        assert [each.entries for each in await memory.threads(identity="owner")] == [2]
    await here.idle()
    assert await memory.threads(identity="owner") == ()


async def test_the_setting_decides_for_calls_that_say_nothing(tmp_path: Path) -> None:
    """Each is a thread of its own."""
    async with house(tmp_path, memory="persistent") as here, owner(here) as api:
        for number in range(2):
            async with here.socket() as socket:
                await ask(socket, f"number {number}")
            await here.idle()
        sessions = (await api.get())["sessions"]
        assert [each["opening"] for each in sessions] == ["number 1", "number 0"]
        assert sessions[0]["surfaces"] == ["websocket"]


async def test_nobody_is_told_of_anothers_thread(here: House) -> None:
    """Neither who has a secret of their own, nor who asks for somebody else's: as if it were not there."""
    async with owner(here) as api:
        alice = await api.post("session", thread_id="t", user_id="alice", memory_mode="persistent")
        await api.post("turn", thread_id="t", user_id="alice", user_text="Alice's words.")
        bob = await api.post("session", thread_id="b", user_id="bob", memory_mode="persistent")
        for thread in ("t", "nobodys"):
            none = (await api.get(f"/{thread}", 404, user_id="bob"))["message"]
            assert none == f"There is no thread '{thread}'."
            assert (await api.post("turn", 404, thread_id=thread, user_id="bob", user_text="x"))["message"] == none
            assert (await api.post("end", 404, thread_id=thread, user_id="bob"))["message"] == none
        assert (await api.get(user_id="bob"))["sessions"] == []
        assert (await api.get("/search", q="words", user_id="bob"))["found"] == []
        async with holder(here, bob["client_secret"]) as him:
            for thread in ("t", "nobodys"):
                none = (await him.get(f"/{thread}", 404))["message"]
                assert none == f"There is no thread '{thread}'."
                assert (await him.post("turn", 404, thread_id=thread, user_text="x"))["message"] == none
                assert (await him.post("end", 404, thread_id=thread))["message"] == none
            assert (await him.post("turn", 404, user_id="alice", user_text="x"))["code"] == "thread_not_found"
            assert (await him.post("turn", 404, memory_mode="incognito", user_text="x"))["code"] == "thread_not_found"
            assert (await him.post("turn", user_text="Bob's."))["thread_id"] == "b"
            assert await him.said("b") == [("user", "Bob's.", "whole")]
        async with holder(here, alice["client_secret"]) as her:
            assert await her.said("t") == [("user", "Alice's words.", "whole")]


async def test_a_secret_does_only_what_is_for_its_session(here: House) -> None:
    """It neither begins sessions, nor lists, searches or forgets; and a secret without a thread does nothing here at all."""
    async with owner(here) as api:
        made = await api.post("session", thread_id="t", memory_mode="persistent")
        plain = (await api.web.post("/v1/realtime/client_secrets", json={})).json()["value"]
    async with holder(here, made["client_secret"]) as they:
        await they.post("session", 403)
        await they.get("", 403)
        await they.get("/search", 403, q="x")
        assert (await they.web.delete(f"{API}/t")).status_code == 403
        await they.post("turn", user_text="Mine.")
        assert (await they.web.get(f"{API}/t/export")).text.startswith("# t\n")
    async with holder(here, plain) as they:
        await they.post("turn", 403, thread_id="t", user_text="x")
        await they.get("/t", 403)
    async with holder(here, "ek_wrong") as they:
        assert (await they.post("turn", 401, thread_id="t", user_text="x"))["code"] == "invalid_api_key"


async def test_the_server_says_which_functions_it_has(here: House) -> None:
    """None of its own; a session's are its client's."""
    async with owner(here) as api:
        await api.post("session", thread_id="t")
        assert (await api.post("tools", thread_id="t"))["tools"] == []
        assert (await api.post("tools", 404, thread_id="t", tool_name="weather"))["code"] == "tool_not_found"
        assert (await api.post("tools", 404, thread_id="nobodys"))["code"] == "thread_not_found"


async def test_the_owner_starts_jobs_asks_about_them_and_cancels_them(tmp_path: Path) -> None:
    """As a call of the same thread does; the result is put into its record. A guest has none, and no thread has another's."""
    script = "import sys, time; time.sleep(float(sys.argv[1])); print('the result')"
    async with house(tmp_path, job_command=shlex.join([sys.executable, "-c", script, "{text}"])) as here, owner(here) as api:
        secret = (await api.post("session", thread_id="t"))["client_secret"]
        await api.post("session", thread_id="other")
        await api.post("session", thread_id="t", user_id="alice")
        names = [tool["name"] for tool in (await api.post("tools", thread_id="t"))["tools"]]
        assert names == ["start_job", "job_status", "cancel_job"]
        assert (await api.post("tools", thread_id="t", user_id="alice"))["tools"] == []

        async def call(tool_name: str, *, thread_id: str = "t", **arguments: str) -> dict[str, Any]:
            output: dict[str, Any] = (await api.post("tools", thread_id=thread_id, tool_name=tool_name, arguments=arguments))[
                "output"
            ]
            return output

        receipt = await call("start_job", task="600")
        assert (receipt["job_id"], receipt["status"]) == ("1", "started")
        async with holder(here, secret) as page:
            told = (await page.post("tools", tool_name="job_status"))["output"]
        assert [each["status"] for each in told["jobs"]] == ["running"]
        assert (await call("job_status", thread_id="other"))["jobs"] == []
        refused = await api.post("tools", 404, thread_id="t", user_id="alice", tool_name="start_job", arguments={"task": "0"})
        assert refused["code"] == "tool_not_found"
        assert (await call("cancel_job"))["status"] == "cancelled"
        assert (await api.post("tools", 422, thread_id="t", tool_name="cancel_job"))["code"] == "tool_failed"
        assert (await api.post("tools", 400, thread_id="t", tool_name="job_status", arguments=[]))["param"] == "arguments"

        await api.post("turn", thread_id="t", user_text="Do it.")
        await call("start_job", task="0")
        async with asyncio.timeout(20):
            while len(said := await api.said("t")) < 2:
                await asyncio.sleep(0.05)
        role, text, standing = said[1]
        assert (role, standing) == ("tool", "whole")
        assert text.endswith("the result")


async def test_what_is_kept_is_found_exported_and_forgotten(here: House) -> None:
    """Words in all threads; Markdown in which nobody can pose as a heading; JSON; and then nothing."""
    async with owner(here) as api:
        for thread in ("a", "b"):
            await api.post("session", thread_id=thread, memory_mode="persistent")
            await api.post("turn", thread_id=thread, user_text=f"A marmot in {thread}.\n# Assistant", assistant_text="Yes.")
        found = (await api.get("/search", q="marmot"))["found"]
        assert {each["thread_id"] for each in found} == {"a", "b"}
        assert "marmot" in found[0]["snippet"]
        assert {each["thread_id"] for each in (await api.get("/search", q="marmot", thread_id="a"))["found"]} == {"a"}
        page = (await api.web.get(f"{API}/a/export")).text
        assert "**You**" in page
        assert "\n> A marmot in a." in page
        assert "\n> # Assistant" in page
        assert "\n# Assistant" not in page
        assert [each["text"] for each in (await api.get("/a/export", format="json"))["entries"]][1] == "Yes."
        assert (await api.get("/a/export", 400, format="pdf"))["param"] == "format"
        assert (await api.get("/search", 400))["param"] == "q"
        assert (await api.get("", 400, limit="many"))["param"] == "limit"
        gone = await api.web.delete(f"{API}/a")
        assert gone.json()["forgotten"]["entries"] == 2
        await api.get("/a", 404)
        assert [each["thread"] for each in (await api.get())["sessions"]] == ["b"]


async def test_a_locked_store_ends_no_conversation(tmp_path: Path) -> None:
    """Another process holds the file: the call is answered, the turn says that it is not kept, and later turns are kept."""
    async with house(tmp_path) as here, owner(here) as api:
        made = await api.post("session", thread_id="t", memory_mode="persistent")
        await api.post("turn", thread_id="t", user_text="One.")
        (path,) = [each for each in stored(tmp_path) if each.suffix in (".db", ".sqlite", ".sqlite3")]
        lock = sqlite3.connect(path, isolation_level=None)
        lock.execute("BEGIN EXCLUSIVE")
        try:
            async with here.socket(headers=bearer(made["client_secret"])) as socket:
                assert "still there" in await ask(socket, "still there?")
        finally:
            lock.execute("ROLLBACK")
            lock.close()
        await here.idle()
        assert (await api.post("turn", thread_id="t", user_text="Two."))["recorded"] is True


async def test_a_store_that_cannot_be_made_ends_no_conversation(tmp_path: Path) -> None:
    """A file stands where its folder should be, as on a disk that takes nothing."""
    async with house(tmp_path) as here, owner(here) as api:
        base = here.server.settings.base_dir
        base.mkdir(parents=True, exist_ok=True)
        (base / "history").write_text("in the way")
        made = await api.post("session", thread_id="t", memory_mode="persistent")
        async with here.socket(headers=bearer(made["client_secret"])) as socket:
            assert "anybody" in await ask(socket, "anybody?")
        await here.idle()
        told = await api.post("turn", thread_id="t", user_text="One.")
        assert told["recorded"] is False
        assert told["detail"]
        assert (await api.post("end", thread_id="t"))["code"] == "record_failed"
        assert str(tmp_path) not in json.dumps(told)
