"""``voicemode page`` prints a link that lets one browser in."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import httpx2

from tests.cli.running import CommandLine
from tests.http.test_serve import running
from voicemode.transports.errors import PageLineError


def test_the_link_lets_a_browser_in_once(tmp_path: Path) -> None:
    """With the settings of the server that runs."""
    with running(tmp_path, "--port", "0") as server:
        port = str(server.ready())
        link = CommandLine(tmp_path).json("page", VOICEMODE_SERVE_PORT=port)["link"]
        page, _, key = link.partition("/#key=")
        assert page == f"http://127.0.0.1:{port}"
        with httpx2.Client(base_url=page, trust_env=False, headers={"Origin": page}) as browser:
            answers = [browser.post("/api/page/attach", json={"key": key}).status_code for _ in range(2)]
    assert answers == [200, 401]


def test_without_a_server_it_says_what_to_do(tmp_path: Path) -> None:
    """Not a link that leads nowhere."""
    with socket.socket() as taken:  # nobody listens there
        taken.bind(("127.0.0.1", 0))
        run = CommandLine(tmp_path)("page", "--json", VOICEMODE_SERVE_PORT=str(taken.getsockname()[1]))
    told = json.loads(run.stdout)
    assert (run.returncode, told["code"]) == (1, PageLineError.code)
    assert "Start 'voicemode serve'" in told["error"]
