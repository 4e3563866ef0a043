"""Fixtures of the supervision's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.supervise.mirror import Mirror


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A server with the small models."""
    with Mirror(tmp_path_factory.mktemp("mirror")) as process:
        yield process
