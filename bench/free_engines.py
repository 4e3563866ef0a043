"""Engines that cost nothing: ``python -m bench.free_engines``.

A speech and chat service whose every answer is ready before the question came: what a client then waits for is the server in
between. It prints its port and leaves when standard input ends. It checks nothing and knows keep-alive HTTP/1.1 only.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Mapping

import numpy as np

from tests.stubs.sound import RATE, speech

__all__ = ["ANSWER", "ANSWER_S", "HEARD", "answers", "main"]

HEARD = "Go forward ten meters."
"""What every recording says."""
ANSWER = "Very well."
"""One clause, so that one request to the voice is one answer."""
ANSWER_S = 2.0
"""Seconds of sound of every clause: people listen about as long as they speak."""

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"


def answers() -> Mapping[str, bytes]:
    """The whole response, by the last word of the path."""
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "free"}
    usage = {"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 23}
    chunks = [
        head | {"choices": [{"index": 0, "delta": {"content": ANSWER}, "finish_reason": None}]},
        head | {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        head | {"choices": [], "usage": usage},
    ]
    lines = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"
    sound = speech(ANSWER, "tone", ANSWER_S / len(ANSWER))[: round(ANSWER_S * RATE)].astype(np.dtype("<i2")).tobytes()
    models = [{"id": name, "object": "model"} for name in ("tts-1", "whisper-1", "free")]
    return {
        "models": _response("application/json", json.dumps({"object": "list", "data": models}).encode()),
        "transcriptions": _response("application/json", json.dumps({"text": HEARD}).encode()),
        "speech": _response("audio/pcm", sound),
        "completions": _response("text/event-stream", lines),
    }


def _response(label: str, body: bytes, status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {label}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


class _Connection(asyncio.Protocol):
    """Reads requests, one behind the other."""

    nothing = _response("application/json", b"{}", "404 Not Found")

    def __init__(self, ready: Mapping[bytes, bytes]) -> None:
        self._ready = ready
        self._transport: asyncio.Transport | None = None
        self._waiting = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._waiting += data
        while (end := self._waiting.find(_END)) >= 0:
            head = bytes(self._waiting[:end])
            whole = end + len(_END) + _length(head)
            if len(self._waiting) < whole:
                return
            del self._waiting[:whole]
            name = head.split(b" ", 2)[1].split(b"?")[0].rpartition(b"/")[2]
            assert self._transport is not None
            self._transport.write(self._ready.get(name, self.nothing))


def _length(head: bytes) -> int:
    lines = (line for line in head.lower().split(b"\r\n") if line.startswith(_LENGTH))
    return int(next(lines, _LENGTH + b"0")[len(_LENGTH) :])


async def _serve() -> None:
    ready = {name.encode(): answer for name, answer in answers().items()}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(ready), "127.0.0.1", 0)
    ended = asyncio.Event()

    def wait_for_eof() -> None:
        sys.stdin.buffer.read()
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=wait_for_eof, daemon=True).start()
    print(server.sockets[0].getsockname()[1], flush=True)
    async with server:
        await ended.wait()


def main() -> None:
    """Serve until standard input ends."""
    asyncio.run(_serve())


if __name__ == "__main__":
    main()
