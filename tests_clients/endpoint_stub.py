"""A stub of an OpenAI endpoint for chat and transcription: ``python -m tests_clients.endpoint_stub``.

It prints its port and leaves when standard input ends. Its answers follow from the conversation alone: where the last message
is a person's and says "forward", it calls the function ``move``; where it is that function's result, or there is none such, it
says eight sentences; where a person says "clubs", the ninth; "hello", the tenth; "call NAME {...}", it calls that, and tells
its result. It hears by comparing what was uploaded with the clips that it knows, so that words come back only where their sound
arrived whole. ``GET /chats`` returns the bodies of all chat requests.
"""

from __future__ import annotations

import io
import json
import re
import sys
import threading
import wave
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from tests.stubs.sentence_tones import NUMBERS, sentences
from tests.stubs.spoken_words import trimmed
from tests_clients.driving import CLIPS

__all__ = ["ARGUMENTS", "GREETING", "LONG", "LOST", "SAID", "SHORT", "TOLD"]

LONG = " ".join(sentences(8))
SHORT = f"This is sentence {NUMBERS[9]}."
GREETING = f"This is sentence {NUMBERS[10]}."
LOST = f"This is sentence {NUMBERS[12]}."
"""Said where none of the rules holds."""
ARGUMENTS = {"direction": "forward", "meters": 10}
SAID = {"go_forward_ten_meters": "go forward ten meters", "seven_of_clubs": "seven of clubs", "ten_of_clubs": "ten of clubs"}
"""The words of each clip."""

TOLD = "The tool says: "
"""And then what it said."""

_WISH = re.compile(r"call (?P<name>\w+) ?(?P<arguments>\{.*\})?")
_RATE = 16_000
_ALIKE = 0.7
"""Correlation from which on a sound is a clip. Opus at 24 kbit/s leaves 0.95; of two clips, one has 0.1 of the other."""
_HEAD = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "stub-chat"}
_USAGE = {"prompt_tokens": 20, "completion_tokens": 10, "total_tokens": 30}
_ANSWERS = {"clubs": SHORT, "hello": GREETING}
_PIECE = 7
"""Characters of one delta, so that words and arguments are cut anywhere."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 65_536
    chats: list[Any] = []  # noqa: RUF012 -- one list for all requests is the point

    def do_GET(self) -> None:
        answers = {
            "/chats": self.chats,
            "/v1/models": {"object": "list", "data": [{"id": "stub-chat", "object": "model"}]},
        }
        self._answer(200 if self.path in answers else 404, "application/json", json.dumps(answers.get(self.path, {})).encode())

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/transcriptions"):
            self._answer(200, "application/json", json.dumps({"text": _heard(data)}).encode())
        else:
            self._chat(json.loads(data))

    def _chat(self, body: dict[str, Any]) -> None:
        self.chats.append(body)
        chunks = [_HEAD | {"choices": [choice]} for choice in _choices(body)] + [_HEAD | {"choices": [], "usage": _USAGE}]
        lines = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks)
        self._answer(200, "text/event-stream", lines + b"data: [DONE]\n\n")

    def _answer(self, status: int, label: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", label)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nobody reads it."""


def _heard(upload: bytes) -> str:
    """The words of the clip that is in a form's WAV file; "" where none is."""
    with wave.open(io.BytesIO(upload[upload.index(b"RIFF") :])) as wav:
        sound = np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2").astype(np.float64)
        sound = np.asarray(soxr.resample(sound, wav.getframerate(), _RATE))
    alike, name = max((_correlation(sound, _clip(name)), name) for name in SAID)
    return SAID[name] if alike >= _ALIKE else ""


@cache
def _clip(name: str) -> NDArray[np.float64]:
    with wave.open(str(CLIPS / f"{name}.wav")) as wav:
        samples = np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2").astype(np.int16)
        return trimmed(samples, wav.getframerate(), 30.0).astype(np.float64)


def _correlation(sound: NDArray[np.float64], clip: NDArray[np.float64]) -> float:
    """How alike the clip and the piece of the sound are that is most like it, from 0 to 1."""
    padded = np.concatenate([np.zeros(len(clip)), sound, np.zeros(len(clip))])
    places = len(padded) - len(clip)
    size = len(padded) + len(clip)
    products = np.fft.irfft(np.fft.rfft(padded, size) * np.conj(np.fft.rfft(clip, size)), size)[:places]
    energy = np.cumsum(np.concatenate([[0.0], padded**2]))
    pieces = energy[len(clip) : len(clip) + places] - energy[:places]
    # Where little of the sound is under the clip, that little may be like it by chance.
    norm = np.sqrt(np.maximum(pieces, np.max(pieces) / 4) * np.sum(clip**2))
    return float(np.max(np.abs(products) / np.maximum(norm, 1.0)))


def _choices(body: dict[str, Any]) -> list[dict[str, Any]]:
    last = body["messages"][-1]
    said = last["content"] if last["role"] == "user" and isinstance(last["content"], str) else ""
    if "forward" in said:
        return _call("move", ARGUMENTS) if "move" in json.dumps(body.get("tools", [])) else _words(LONG)
    wished = _WISH.search(said)
    if wished:
        return _call(wished["name"], json.loads(wished["arguments"] or "{}"))
    if last["role"] == "tool":
        return _words(LONG if "moved" in str(last["content"]) else TOLD + str(last["content"]))
    return _words(next((answer for word, answer in _ANSWERS.items() if word in said), LOST))


def _words(text: str) -> list[dict[str, Any]]:
    return [_choice({"content": piece}) for piece in _cut(text)] + [_choice({}, "stop")]


def _call(name: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    begins = {"index": 0, "id": "call_stub1", "type": "function", "function": {"name": name, "arguments": ""}}
    goes_on = [{"index": 0, "function": {"arguments": piece}} for piece in _cut(json.dumps(arguments))]
    return [_choice({"tool_calls": [part]}) for part in (begins, *goes_on)] + [_choice({}, "tool_calls")]


def _choice(delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "finish_reason": finish_reason}


def _cut(text: str) -> list[str]:
    return [text[at : at + _PIECE] for at in range(0, len(text), _PIECE)]


def main() -> None:
    """Serve until standard input ends."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()
    server.shutdown()


if __name__ == "__main__":
    main()
