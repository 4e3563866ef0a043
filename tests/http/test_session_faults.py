"""What no record can hold is refused, and a record that cannot be written keeps nothing else from its end."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.http.sessions_api import API, owner
from tests.security.assembled import house
from voicemode.record import RecordError, Surface

pytestmark = pytest.mark.anyio

HALF = "\\ud800"
"""Half of a letter: JSON writes it, UTF-8 cannot."""


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("session", f'{{"thread_id": "{HALF}"}}'),
        ("session", f'{{"thread_id": "t", "user_id": "{HALF}", "memory_mode": "persistent"}}'),
        ("turn", f'{{"thread_id": "t", "user_id": "{HALF}", "user_text": "x"}}'),
        ("turn", f'{{"thread_id": "t", "user_text": "{HALF}"}}'),
        ("end", f'{{"thread_id": "t", "feedback": "{HALF}"}}'),
    ],
)
async def test_half_a_letter_is_refused(tmp_path: Path, path: str, body: str) -> None:
    """By the client's fault, not ours; and nothing is begun that cannot be kept."""
    async with house(tmp_path, memory="persistent") as here, owner(here) as api:
        await api.post("session", thread_id="t", memory_mode="persistent")
        answer = await api.web.post(f"{API}/{path}", content=body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_value"), answer.text


class Full:
    """A disk on which nothing can be written any more."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def end(self, thread: str, **_: Any) -> None:
        self.asked.append(thread)
        raise RecordError("no space left on device")


async def test_a_full_disk_does_not_keep_the_server_from_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every session is ended as well as can be, and then everything is freed: jobs and engines among it."""
    full, freed = Full(), []
    async with house(tmp_path, memory="persistent") as here, owner(here) as api:
        for thread in ("one", "two"):
            await api.post("session", thread_id=thread, memory_mode="persistent")
            await api.post("turn", thread_id=thread, user_text="Hello.")
        monkeypatch.setattr(here.server.sessions, "history", lambda _: full)
        answerer = here.server.conversations.answerer
        close = answerer.aclose

        async def aclose(_: object) -> None:
            freed.append("answerer")
            await close()

        monkeypatch.setattr(type(answerer), "aclose", aclose)
    assert full.asked == ["one", "two"]
    assert freed == ["answerer"]


async def test_nobody_who_hangs_keeps_the_rest_from_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As gptme that takes a last try as long as the whole end may take: what is kept says how it ended all the same."""

    async def for_ever(_: object) -> None:
        await asyncio.Event().wait()

    async with house(tmp_path, memory="persistent") as here, owner(here) as api:
        await api.post("session", thread_id="t", memory_mode="persistent")
        await api.post("turn", thread_id="t", user_text="Hello.")
        with monkeypatch.context() as patch:
            patch.setattr(type(here.server.gptme), "aclose", for_ever)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(6.0):
                    await here.server.aclose()
        file = tmp_path / ".voicemode" / "history" / "history.db"
        with contextlib.closing(sqlite3.connect(file)) as database:
            assert database.execute("SELECT reason, ended_at IS NULL FROM sessions").fetchall() == [("the server ended", 0)]


async def test_a_thread_that_cannot_be_kept_is_one_for_all_who_hold_it(tmp_path: Path) -> None:
    """It goes on in memory: what was typed is told in the next call. It is gone when it is forgotten, or has ended."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "history").write_text("a file where the folder would be")
    async with house(tmp_path, memory="persistent", base_dir=str(tmp_path / "base")) as here, owner(here) as api:
        records = here.server.conversations.records

        async def said() -> list[str]:
            record = await records.open("persistent", "t", "owner", Surface.WEBSOCKET)
            texts = [entry.text for entry in await record.history()]
            await record.aclose()
            return texts

        await api.post("session", thread_id="t", memory_mode="persistent")
        told = await api.post("turn", thread_id="t", user_text="Typed.")
        assert (told["recorded"], told["message_count"]) == (False, 1)
        assert await said() == ["Typed."]
        await api.web.delete(f"{API}/t")
        assert await said() == []
        await api.post("turn", thread_id="t", user_text="Again.")
        assert await said() == ["Again."]
        assert (await api.post("end", thread_id="t"))["code"] == "record_failed"
        assert await said() == []
