"""What the server's tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stubs.client import SpeechStub


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
