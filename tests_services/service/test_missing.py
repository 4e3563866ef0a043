"""Started without their packages, services say how to get them."""

from __future__ import annotations

import subprocess
import sys
import tomllib

import pytest
import voicemode_service
from voicemode_service.missing import EX_CONFIG

from tests_services.running import SERVICES


@pytest.mark.parametrize("name", ["whisper", "kokoro"])
def test_a_service_without_its_packages_says_what_to_do(name: str) -> None:
    """In a sentence, not a traceback: -S hides what is installed."""
    code = f"import sys; sys.path.insert(0, {str(SERVICES)!r}); from voicemode_{name}.__main__ import main; sys.exit(main([]))"
    ended = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=30)
    assert ended.returncode == EX_CONFIG
    assert f"voicemode service install {name}" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_they_tell_the_version_of_the_product() -> None:
    """Their own environment holds no voicemode that could be asked."""
    project = tomllib.loads((SERVICES.parent / "pyproject.toml").read_text())["project"]
    assert voicemode_service.__version__ == project["version"]
