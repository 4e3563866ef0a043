"""The benches of kept conversations, small."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bench.store import fill
from bench.store_kill import trial
from voicemode.record import OWNER
from voicemode.store.sqlite import SqliteRecords


def test_a_store_that_was_filled_at_once_is_like_one_that_was_talked_into(tmp_path: Path) -> None:
    """The index knows its words, the long conversation is there, and nothing is damaged."""
    words = fill(tmp_path / "history", 3_000)

    async def look() -> None:
        records = SqliteRecords(tmp_path / "history")
        assert len(await records.history.show("long", identity=OWNER)) == 300
        assert len(await records.history.search(words[0], identity=OWNER)) == 20
        health = await records.history.check()
        assert (health.entries, health.problems) == (3_000, ())
        await records.aclose()

    asyncio.run(look())


def test_a_process_that_is_killed_leaves_whole_turns_and_marks_the_others(tmp_path: Path) -> None:
    """``python -m bench.store_kill`` does it a hundred times."""
    outcomes = [trial(tmp_path / "base" / "history", number, after_s) for number, after_s in enumerate((0.02, 0.1, 0.15))]
    assert [outcome for outcome in outcomes if not outcome.kept()] == []
    assert sum(outcome.whole for outcome in outcomes) > 0
