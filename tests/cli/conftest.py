"""Fixtures of the command line's tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.running import CommandLine


@pytest.fixture
def command(tmp_path: Path) -> CommandLine:
    """The command line of somebody who has just installed it."""
    return CommandLine(tmp_path)
