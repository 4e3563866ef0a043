"""Healthy services, and a proxy that spoils the answers of the one in front."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stubs.client import SpeechStub
from tests.stubs.fault_client import FaultProxy


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def stub_process() -> Iterator[SpeechStub]:
    """The services' process, shared by all."""
    with SpeechStub(sites=2) as stub:
        yield stub


@pytest.fixture(scope="session")
def faults() -> Iterator[FaultProxy]:
    """The proxy's process, shared by all: each cell has a port of its own."""
    with FaultProxy() as proxy:
        yield proxy


@pytest.fixture
def stub(stub_process: SpeechStub) -> SpeechStub:
    """Site 0 is what the proxy stands before, site 1 is the healthy one behind. Sentences are told apart by tone."""
    stub_process.reset()
    for site, words in enumerate(("from the front", "what is the weather like")):
        stub_process.configure(site, voice="numbers", seconds_per_char=0.02, stt_text=words)
    return stub_process
