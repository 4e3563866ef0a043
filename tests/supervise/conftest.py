"""Fixtures of the supervision's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.supervise.mirror import Mirror
from voicemode.supervise.service import Launch


@pytest.fixture(scope="session")
def mirror(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """A server with the small models."""
    with Mirror(tmp_path_factory.mktemp("mirror")) as process:
        yield process


@pytest.fixture
def launch(tmp_path: Path) -> Launch:
    """How Whisper would be started, with everything below ``tmp_path``/base."""
    folder = tmp_path / "base" / "services" / "whisper"
    folder.mkdir(parents=True)
    return Launch(
        name="whisper",
        title="Whisper, speech to text (faster-whisper)",
        command=("/usr/bin/python3", "-m", "voicemode_whisper"),
        environment={"VOICEMODE_WHISPER_PORT": "2022"},
        folder=folder,
        models=tmp_path / "base" / "models",
        memory_max_bytes=8_000_000_000,
    )
