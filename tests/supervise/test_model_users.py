"""A model that a running service works with is not taken away under it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from voicemode.supervise.model_users import user_of

FOLDER = Path("base") / "models" / "whisper-base"


@contextlib.contextmanager
def service(health: Any) -> Iterator[int]:
    """Something that says this at /health; its port."""

    class Health(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(health if isinstance(health, bytes) else json.dumps(health).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is the base class's)
            pass

    with HTTPServer(("127.0.0.1", 0), Health) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("model", ["base", "whisper-base", str(FOLDER)])
def test_a_service_names_its_model_in_several_ways(model: str) -> None:
    """Each one is understood."""
    with service({"service": "voicemode-whisper", "model": model}) as port:
        assert asyncio.run(user_of("whisper", FOLDER, port=port)) == f"voicemode-whisper on port {port}"


@pytest.mark.parametrize("health", [{"service": "voicemode-whisper", "model": "small"}, {"model": "base"}, [], b"hello"])
def test_anything_else_uses_no_model(health: Any) -> None:
    """Another model, or another program on that port."""
    with service(health) as port:
        assert asyncio.run(user_of("whisper", FOLDER, port=port)) == ""


def test_nobody_uses_what_no_service_reads() -> None:
    """And a port that nobody answers on is nobody."""
    assert asyncio.run(user_of("silero", FOLDER)) == ""
    with service({}) as port:
        pass
    assert asyncio.run(user_of("whisper", FOLDER, port=port)) == ""
