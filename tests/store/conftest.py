"""Records of both kinds, and a clock that a test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from voicemode.store.memory import MemoryRecords
from voicemode.store.sqlite import SqliteRecords


class Clock:
    """Unix seconds that pass when they are told to; each look is a millisecond later, as it were."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        self.now += 0.001
        return self.now


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where records go; nothing is there yet."""
    return tmp_path / "base" / "history"


@pytest.fixture
async def kept(folder: Path, clock: Clock) -> AsyncIterator[SqliteRecords]:
    """Records on disk."""
    records = SqliteRecords(folder, wall=clock)
    yield records
    await records.aclose()


@pytest.fixture(params=["memory", "sqlite"])
async def records(request: pytest.FixtureRequest, folder: Path, clock: Clock) -> AsyncIterator[SqliteRecords | MemoryRecords]:
    """Records of each kind."""
    made = MemoryRecords(wall=clock) if request.param == "memory" else SqliteRecords(folder, wall=clock)
    yield made
    await made.aclose()
