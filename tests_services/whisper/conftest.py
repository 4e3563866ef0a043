"""A fixture model, and a service that runs it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests_services.fixtures.whisper_model import Line, make_whisper_fixture
from tests_services.running import Running, running

LINES = (Line(" Hello world, this is", 0.0, 0.8), Line(" a fixture.", 0.82, 2.0))
TEXT = "Hello world, this is a fixture."
TRANSLATED = "Translated words."


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that says TEXT of whatever is spoken."""
    return make_whisper_fixture(tmp_path_factory.mktemp("models") / "toy-fixture", lines=LINES)


@pytest.fixture(scope="session")
def whisper(toy: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The service with that model, on loopback."""
    arguments = ["--models-dir", str(toy.parent), "--model", toy.name, "--max-upload-mb", "8", "--max-audio-s", "600"]
    with running("voicemode_whisper", tmp_path_factory.mktemp("logs"), arguments) as service:
        yield service
