"""Servers, stubs and networks for the tests of this folder."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.mcp_server.conftest import start, stub, stub_process
from tests.security.namespace import Namespace, impossible

__all__ = ["anyio_backend", "network", "start", "stub", "stub_process"]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def network() -> Iterator[Namespace]:
    """A network with nothing but this machine in it.

    Where none can be made the test is skipped, but not for root in CI: there it must be possible.
    """
    reason = impossible()
    if reason and not ("CI" in os.environ and os.geteuid() == 0):
        pytest.skip(reason)
    with Namespace() as made:
        yield made
