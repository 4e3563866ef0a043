"""A service that is a stub: a process that answers /health, and does what it is told to through its settings.

Copied into the environment of a service under test as the module ``stub_service``, as voicemode_whisper is into a real one.
VOICEMODE_STUB_BEHAVIOUR: "" answers; "usage" ends at once as for a wrong setting; "crash" ends at once; "mute" never listens;
"child" also has a child process; "stubborn" heeds no SIGTERM.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        facts = {"status": "ok", "service": "voicemode-stub", "version": "7.8.9", "model": os.environ["VOICEMODE_STUB_MODEL"]}
        facts["environment"] = json.dumps(dict(os.environ))
        body = json.dumps(facts).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A service logs no requests."""


class _Server(HTTPServer):
    allow_reuse_address = True


def main() -> int:
    """The exit status."""
    if "--help" in sys.argv:
        return 0
    behaviour = os.environ.get("VOICEMODE_STUB_BEHAVIOUR", "")
    print(f"stub begins as {os.getpid()}", flush=True)
    if behaviour == "usage":
        print("stub: error: argument --port: invalid int value", flush=True)
        return 2
    if behaviour == "crash":
        print("stub: the model is corrupt", flush=True)
        return 1
    if behaviour == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if behaviour == "child":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        print(f"stub has child {child.pid}", flush=True)
    if behaviour == "mute":
        signal.pause()
    _Server(("127.0.0.1", int(os.environ["VOICEMODE_STUB_PORT"])), _Handler).serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
