"""The stub speech server for these tests: one process, set back before each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.stubs.client import SpeechStub
from voicemode.providers.http import HttpPool
from voicemode.settings import Settings


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def stub_process() -> Iterator[SpeechStub]:
    with SpeechStub(sites=2) as stub:
        yield stub


@pytest.fixture
def stub(stub_process: SpeechStub) -> SpeechStub:
    stub_process.reset()
    return stub_process


@pytest.fixture
async def pool() -> AsyncIterator[HttpPool]:
    pool = HttpPool(Settings.model_validate({}))
    yield pool
    await pool.aclose()


@pytest.fixture
async def hasty_pool() -> AsyncIterator[HttpPool]:
    """Deadlines that a test of missing them can wait for."""
    short = {"connect_timeout_s": 0.3, "first_byte_timeout_s": 0.5, "stall_timeout_s": 0.3}
    pool = HttpPool(Settings.model_validate(short))
    yield pool
    await pool.aclose()
