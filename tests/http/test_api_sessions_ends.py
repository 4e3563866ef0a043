"""How sessions of ``/api/sessions`` end: once, summed up, and in order, whoever ends them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.http.sessions_api import ask, bearer, event, owner
from tests.security.assembled import House, house
from tests.stubs.client import SpeechStub

pytestmark = pytest.mark.anyio


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


async def test_an_end_sums_up_once_and_says_the_same_again(tmp_path: Path, stub: SpeechStub) -> None:
    """One request to the chat endpoint; the second end tells of the first; turns and calls are refused from then on."""
    stub.configure(chat_text="They planned a trip.")
    async with house(tmp_path, chat_base_urls=stub.url) as here, owner(here) as api:
        made = await api.post("session", thread_id="t", memory_mode="persistent")
        await api.post("turn", thread_id="t", user_text="Where to?", assistant_text="Bonn.")
        await api.post("turn", thread_id="t", user_text="When?", assistant_text="Tomorrow.")
        first = await api.post("end", thread_id="t", feedback="Nice.")
        assert (first["finalized"], first["summary"], first["code"]) == (True, "They planned a trip.", "ok")
        assert first["message_count"] == 4
        second = await api.post("end", thread_id="t")
        assert (second["finalized"], second["summary"], second["code"]) == (True, "They planned a trip.", "already_ended")
        assert second["ended_at"] == first["ended_at"]
        assert len(stub.events("chat")) == 1
        assert (await api.post("turn", 409, thread_id="t", user_text="More."))["code"] == "session_ended"
        assert (await api.post("tools", 409, thread_id="t"))["code"] == "session_ended"
        with pytest.raises(InvalidStatus) as refused:
            async with here.socket(headers=bearer(made["client_secret"])):
                pass
        assert refused.value.response.status_code == 409
        (session,) = (await api.get("/t"))["sessions"]
        assert (session["feedback"], session["summary"]) == ("Nice.", "They planned a trip.")


async def test_a_thread_is_gone_on_with_in_another_session(here: House) -> None:
    """After its end; what was said before is there."""
    async with owner(here) as api:
        await api.post("session", thread_id="t", memory_mode="persistent")
        await api.post("turn", thread_id="t", user_text="One.")
        await api.post("end", thread_id="t")
        await api.post("session", thread_id="t", memory_mode="persistent")
        assert (await api.post("turn", thread_id="t", user_text="Two."))["message_count"] == 2
        assert (await api.post("end", thread_id="t"))["code"] == "no_responder"


async def test_an_end_without_a_responder_says_so(here: House) -> None:
    """It is ended all the same."""
    async with owner(here) as api:
        await api.post("session", thread_id="t", memory_mode="persistent")
        for text in ("One.", "Two."):
            await api.post("turn", thread_id="t", user_text=text)
        ended = await api.post("end", thread_id="t")
        assert (ended["finalized"], ended["code"], ended["message_count"]) == (False, "no_responder", 2)
        assert (await api.post("turn", 409, thread_id="t", user_text="Three."))["code"] == "session_ended"


async def test_an_end_during_a_call_closes_it_in_order(here: House) -> None:
    """1000, and what was said is in the record before it is closed."""
    async with owner(here) as api:
        made = await api.post("session", thread_id="t", memory_mode="persistent")
        async with here.socket(headers=bearer(made["client_secret"])) as socket:
            await ask(socket, "Hello.")
            ended = await api.post("end", thread_id="t")
            with pytest.raises(ConnectionClosed) as closed:
                await event(socket, "never")
            assert closed.value.rcvd is not None
            assert closed.value.rcvd.code == 1000
        assert ended["message_count"] == 2


async def test_ends_at_the_same_time_are_one(here: House) -> None:
    """One of them is the first."""
    async with owner(here) as api:
        await api.post("session", thread_id="t", memory_mode="persistent")
        await api.post("turn", thread_id="t", user_text="One.")
        codes = [each["code"] for each in await asyncio.gather(*(api.post("end", thread_id="t") for _ in range(5)))]
    assert sorted(codes) == ["already_ended"] * 4 + ["too_short"]


async def test_a_call_that_nobody_comes_back_to_is_ended(tmp_path: Path) -> None:
    """After the grace time of the last call; that of an earlier one means nothing. It may be gone on with later."""
    async with house(tmp_path, session_grace_s="1.5") as here, owner(here) as api:

        async def ended() -> list[float | None]:
            return [each["ended_at"] for each in (await api.get("/t"))["sessions"]]

        made = await api.post("session", thread_id="t", memory_mode="persistent")
        async with here.socket(headers=bearer(made["client_secret"])) as socket:
            await ask(socket, "One.")
        await here.idle()
        async with here.socket(headers=bearer(made["client_secret"])) as socket:
            await ask(socket, "Two.")
            await asyncio.sleep(2.0)
            assert await ended() == [None, None]
        async with asyncio.timeout(10):
            while None in await ended():
                await asyncio.sleep(0.05)
        assert {each["reason"] for each in (await api.get("/t"))["sessions"]} == {"disconnected"}
        async with here.socket(headers=bearer(made["client_secret"])) as socket:
            await ask(socket, "Three.")
        await here.idle()
        assert len(await api.said("t")) == 6


async def test_the_servers_end_ends_sessions_at_once_and_they_go_on_with_the_next(tmp_path: Path) -> None:
    """No grace time is waited for, and what the next server is asked it answers from the record."""
    async with house(tmp_path, session_grace_s="3600") as here, owner(here) as api:
        made = await api.post("session", thread_id="t", memory_mode="persistent")
        async with here.socket(headers=bearer(made["client_secret"])) as socket:
            await ask(socket, "One.")
        await api.post("session", thread_id="u", memory_mode="persistent")
        await api.post("turn", thread_id="u", user_text="Ended.")
        await api.post("end", thread_id="u")
    async with house(tmp_path) as here, owner(here) as api:
        assert [each["reason"] for each in (await api.get("/t"))["sessions"]] == ["the server ended"]
        assert (await api.post("turn", thread_id="t", user_text="Two."))["message_count"] == 3
        assert (await api.post("turn", 409, thread_id="u", user_text="More."))["code"] == "session_ended"
        assert (await api.post("end", thread_id="u"))["code"] == "already_ended"
