"""A mirror of models, in a process of its own, that misbehaves in the way the first part of the path says.

``http://127.0.0.1:PORT/FAULT/model/file`` serves ``FOLDER/model/file``. ``/log`` answers with the requests so far.
Run ``python -m tests.stubs.model_mirror FOLDER``; the port is the first line of its output. It ends when its input ends.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

__all__ = ["FAULTS"]

FAULTS = (
    *("ok", "no-ranges", "no-etag", "wrong-bytes", "short", "short-once", "too-long", "another-size", "another-part"),
    *("404", "503", "redirect-here", "redirect-away", "redirect-plain", "redirect-circle", "slow", "changed"),
)
_NONE: Mapping[str, str] = {}
_SLOW_S = 0.02
"""Between two pieces of 16 KiB."""


class _Mirror(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, folder: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.folder = folder
        self.log: list[dict[str, Any]] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Mirror

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the name is the base class's)
        pass

    def do_GET(self) -> None:
        if self.path == "/log":
            self._answer(200, json.dumps(self.server.log).encode())
            return
        _, fault, *rest = self.path.split("/")
        headers = {name: self.headers.get(name, "") for name in ("Range", "If-Range", "Accept-Encoding")}
        self.server.log.append({"fault": fault, "path": "/".join(rest), **headers})
        path = self.server.folder.joinpath(*rest)
        if not path.is_file():
            self._answer(404, b"")
        elif fault.startswith("redirect"):
            self._redirect(fault, "/".join(rest))
        elif fault.isdigit():
            self._answer(int(fault), b"")
        else:
            self._serve(fault, path.read_bytes())

    def _redirect(self, fault: str, rest: str) -> None:
        where = {
            "redirect-here": f"/ok/{rest}",
            "redirect-away": f"https://elsewhere.example/{rest}",
            "redirect-plain": f"http://127.0.0.1:1/{rest}",
            "redirect-circle": self.path,
        }[fault]
        self._answer(302, b"", {"Location": where})

    def _serve(self, fault: str, data: bytes) -> None:
        etag = f'"{fault if fault == "changed" else "v1"}"'
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        begin = int(asked[1]) if asked and fault != "no-ranges" and self.headers.get("If-Range") == etag else 0
        if begin >= len(data):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(data)}"})
            return
        first = sum(entry["path"] == self.server.log[-1]["path"] for entry in self.server.log) == 1
        body = data[begin:]
        length = len(body)
        match fault:
            case "wrong-bytes":
                body = bytes(length)
            case "short":
                body = body[: length // 2]
            case "short-once" if first:
                body = body[: length // 2]
            case "too-long":
                body, length = body + b"more", -1
            case "another-size":
                body, length = body[:-1], length - 1
            case _:
                pass
        headers = {} if fault == "no-etag" else {"ETag": etag}
        if begin:
            shown = begin - 1 if fault == "another-part" else begin
            headers["Content-Range"] = f"bytes {shown}-{len(data) - 1}/{len(data)}"
        self._answer(206 if begin else 200, body, headers, length=length, slow=fault == "slow")

    def _answer(
        self, status: int, body: bytes, headers: Mapping[str, str] = _NONE, *, length: int | None = None, slow: bool = False
    ) -> None:
        self.send_response(status)
        announced = len(body) if length is None else length
        if announced >= 0:
            self.send_header("Content-Length", str(announced))
        for name, value in headers.items():
            self.send_header(name, value)
        self.close_connection = announced != len(body)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        try:
            for at in range(0, len(body), 1 << 14):
                self.wfile.write(body[at : at + (1 << 14)])
                if slow:
                    self.wfile.flush()
                    time.sleep(_SLOW_S)
        except OSError:  # whoever asked has gone
            self.close_connection = True


def main() -> None:
    """Serve until standard input ends."""
    mirror = _Mirror(Path(sys.argv[1]))
    threading.Thread(target=mirror.serve_forever, daemon=True).start()
    print(mirror.server_address[1], flush=True)
    sys.stdin.read()
    os._exit(0)


if __name__ == "__main__":
    main()
