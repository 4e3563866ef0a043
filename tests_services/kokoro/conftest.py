"""What the tests of the Kokoro service share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests_services.fixtures.kokoro_model import tone_fixture
from tests_services.running import Running, running


@pytest.fixture(scope="session")
def tone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that hums, and its voices."""
    return tone_fixture(tmp_path_factory.mktemp("tone"))


@pytest.fixture(scope="module")
def service(tone: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The service in a process of its own."""
    with running("voicemode_kokoro", tmp_path_factory.mktemp("service"), ["--model", str(tone), "--threads", "1"]) as service:
        yield service
