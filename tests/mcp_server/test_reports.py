"""What a running server tells other processes about the endpoints: figures, and nothing that was said."""

from __future__ import annotations

import stat
import time
from pathlib import Path

from tests.mcp_server.conftest import Start
from tests.stubs.client import SpeechStub

KEY = "sk-planted-for-tts"


def test_a_server_leaves_its_figures_for_others_while_it_runs(start: Start, stub: SpeechStub) -> None:
    """Written when a request has settled, gone with the process; voice_status tells the agent the same."""
    server = start(tts_api_key=KEY, local_only="true")
    server.converse(message="Quicksilver marmalade.", wait_for_response=False)
    (path,) = _files(server.home / ".voicemode" / "run")
    written = path.read_text("utf-8")
    assert path.stem == f"endpoints-{server.process.pid}"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stub.url in written
    assert '"requests": 1' in written
    assert "marmalade" not in written.lower()
    assert KEY not in written

    status = server.wait(server.call("voice_status"))["result"]
    spoke = next(each for each in status["structuredContent"]["endpoints"] if each["task"] == "tts")
    assert (spoke["name"], spoke["state"], spoke["requests"], spoke["success_rate"]) == (stub.url, "closed", 1, 1.0)
    assert KEY not in f"{status}"

    server.close_stdin()
    server.process.wait(10)
    assert list(path.parent.iterdir()) == []


def _files(folder: Path) -> list[Path]:
    """Those that are there, once there are any."""
    deadline = time.monotonic() + 10
    while not (found := list(folder.glob("endpoints-*.json"))):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return found
