"""The engines' libraries report nothing to anybody."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("service", ["voicemode_kokoro.engine", "voicemode_whisper.engine"])
def test_onnxruntime_keeps_no_identity_of_this_machine(tmp_path: Path, service: str) -> None:
    """It writes one, and a queue of reports, as soon as it is imported, unless it is told not to before."""
    script = f"import {service}, onnxruntime; onnxruntime.get_available_providers()"
    environ = {**os.environ, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache")}
    environ.pop("ORT_DISABLE_TELEMETRY", None)
    subprocess.run([sys.executable, "-c", script], env=environ, check=True)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
