"""Requests as their descriptions allow them, and as they do not: no server error, and the service lives on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests_services.fixtures.kokoro_model import tone_fixture
from tests_services.fixtures.whisper_model import Line, make_whisper_fixture
from tests_services.running import SERVICES, Running, running

FUZZ = SERVICES.parent / "scripts/fuzz_services.sh"
SECONDS = 8
"""Per service; minutes are for scripts/fuzz_services.sh by hand."""


@pytest.fixture(params=["stub", "whisper", "kokoro"])
def service(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    """Each service in turn, with the fixture of a model."""
    module, arguments, env = f"voicemode_{request.param}", list[str](), dict[str, str]()
    match request.param:
        case "whisper":
            toy = make_whisper_fixture(tmp_path / "toy-fixture", lines=[Line(" Hello world.", 0.0, 0.8)])
            arguments = ["--models-dir", str(tmp_path), "--model", toy.name]
        case "kokoro":
            arguments = ["--model", str(tone_fixture(tmp_path))]
        case _:
            module, env = "tests_services.service.stub_service", {"PYTHONPATH": f"{SERVICES}{os.pathsep}{SERVICES.parent}"}
    with running(module, tmp_path, arguments, env=env) as found:
        yield found


@pytest.mark.fuzz
def test_no_request_breaks_it(service: Running) -> None:
    """Whatever is sent is answered as described."""
    before = service.open_files()
    # The same requests each time: what chance finds is for the minutes by hand, not for somebody else's change.
    env = {**os.environ, "SEED": "1"}
    ended = subprocess.run([FUZZ, str(SECONDS), service.url], capture_output=True, text=True, timeout=100, env=env)
    assert ended.returncode == 0, ended.stdout[-4000:] + service.log
    assert service.idle()
    assert "unexpected" not in service.log
    assert service.open_files() <= before + 8
