"""A stub of gptme's server, as far as calls are handed to it: ``POST /api/v2/conversations/{id}/transcript``."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

__all__ = ["TOKEN", "GptmeServer", "gptme_server"]

TOKEN = "a-token-of-gptme"


@dataclass(eq=False)
class GptmeServer:
    """Its conversations, and how it was asked."""

    url: str = ""
    conversations: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """Role and words of each message, in order."""
    calls: list[str] = field(default_factory=list)
    """The ``call_sid`` of each that was taken."""
    asked: int = 0
    status: int = 200
    """Another: nothing is taken."""

    def take(self, conversation: str, body: dict[str, Any]) -> dict[str, Any]:
        """As gptme does: a call's turns are added once."""
        call = body["call_metadata"]["call_sid"]
        turns = [(turn["role"], turn["text"]) for turn in body["turns"]]
        if call in self.calls:
            return {"status": "already_acked", "conversation_id": conversation, "messages_added": 0}
        self.calls.append(call)
        self.conversations.setdefault(conversation, []).extend(turns)
        return {"status": "ok", "conversation_id": conversation, "messages_added": len(turns)}


@contextlib.contextmanager
def gptme_server(port: int = 0) -> Iterator[GptmeServer]:
    """On loopback, while the block runs."""
    gptme = GptmeServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            gptme.asked += 1
            before, _, conversation = self.path.removesuffix("/transcript").rpartition("/")
            if self.headers["authorization"] != f"Bearer {TOKEN}":
                self._answer(401, {"error": "unauthorized"})
            elif before != "/api/v2/conversations" or not self.path.endswith("/transcript"):
                self._answer(404, {"error": "not found"})
            elif gptme.status != 200:
                self._answer(gptme.status, {"error": "not now"})
            else:
                self._answer(200, gptme.take(unquote(conversation), body))

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            data = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    gptme.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield gptme
    finally:
        server.shutdown()
        server.server_close()
