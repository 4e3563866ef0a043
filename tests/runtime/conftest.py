"""Fixtures of the runtime's tests."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def base() -> Iterator[Path]:
    """A folder for voicemode whose path is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="vm") as folder:
        yield Path(folder) / "v"
