"""The sound of what was said, where it was kept: played to whom the thread belongs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.http.sessions_api import API, holder, owner
from tests.security.assembled import house
from voicemode.record import OWNER, Entry, Role, Surface

pytestmark = pytest.mark.anyio


async def test_the_sound_of_an_entry_is_played_and_nothing_beside_it(tmp_path: Path) -> None:
    """Only a file of the folder where sound is kept, and only to those who may read the thread."""
    outside = tmp_path / "outside.wav"
    async with house(tmp_path, memory="persistent") as here, owner(here) as api:
        kept = here.server.settings.base_dir / "history" / "audio" / "answer.wav"
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(b"RIFF of the test")
        outside.write_bytes(b"of somebody else")
        records = here.server.conversations.records
        record = await records.open("persistent", "t", OWNER, Surface.CONVERSE)
        for key, audio in (("heard", str(kept)), ("stranger", str(outside)), ("silent", ""), ("gone", str(kept) + ".x")):
            record.put(Entry(key, Role.USER, "words", audio=audio))
        await record.history()
        entries = {each["key"]: each for each in (await api.get("/t"))["entries"]}
        assert entries["heard"]["audio"] is True
        assert "audio" not in entries["silent"]
        assert str(tmp_path) not in json.dumps(entries)
        played = await api.web.get(f"{API}/t/audio", params={"key": "heard"})
        assert (played.status_code, played.content, played.headers["content-type"]) == (200, b"RIFF of the test", "audio/wav")
        for key in ("stranger", "silent", "gone", "never"):
            assert (await api.get("/t/audio", 404, key=key))["code"] == "sound_not_found"
        other = await api.post("session", thread_id="u", memory_mode="persistent")
        async with holder(here, other["client_secret"]) as guest:
            assert (await guest.get("/t/audio", 404, key="heard"))["code"] == "thread_not_found"


async def test_a_number_that_is_none_is_refused(tmp_path: Path) -> None:
    """Whatever stands in front of it: what SQLite cannot count, and what Python does not read."""
    async with house(tmp_path, memory="persistent") as here, owner(here) as api:
        for limit in ("0", "-1", "1001", "0000019999999999999999999", "000001" + "9" * 5000, "٣"):
            for path in ("", "/search", "/t"):
                assert (await api.get(path, 400, limit=limit, q="words"))["code"] == "invalid_value", limit[:30]
