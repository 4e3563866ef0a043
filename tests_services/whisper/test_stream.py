"""Sound in while it is spoken, words out: over a real socket."""

from __future__ import annotations

import json
import wave
from typing import Any

import httpx2
import pytest
from voicemode_whisper.stream import PROTOCOL
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from tests_services.running import CLIP, Running
from tests_services.whisper.conftest import TEXT


def address(service: Running, query: str = "") -> str:
    return f"ws://127.0.0.1:{service.port}/v1/audio/stream{query}"


def clip() -> bytes:
    with wave.open(str(CLIP)) as file:
        frames: bytes = file.readframes(file.getnframes())
        return frames


def received(socket: ClientConnection) -> list[dict[str, Any]]:
    """Everything up to the close."""
    messages = []
    try:
        while True:
            messages.append(json.loads(socket.recv(timeout=30)))
    except ConnectionClosed:
        return messages


def test_a_stream_is_heard_to_its_end(whisper: Running) -> None:
    """What was settled on the way is the beginning of the final text."""
    sound = clip() * 3
    with connect(address(whisper)) as socket:
        for at in range(0, len(sound), 3200):
            socket.send(sound[at : at + 3200])
        socket.send('{"type": "end"}')
        messages = received(socket)
        assert socket.protocol.close_code == 1000
    assert messages[0] == {"type": "ready", "sample_rate": 16000, "model": "toy-fixture"}
    final = messages[-1]
    assert (final["type"], final["language"]) == ("final", "en")
    assert final["duration"] == pytest.approx(len(sound) / 32_000, abs=0.001)
    assert final["text"].startswith("Hello")
    assert "".join(m["settled"] for m in messages if "settled" in m) == final["text"]


def test_a_short_stream_needs_no_partial_result(whisper: Running) -> None:
    """All of it in one message, and the end at once."""
    with connect(address(whisper, "?language=en&model=whisper-1")) as socket:
        socket.send(clip())
        socket.send('{"type": "end"}')
        assert received(socket)[-1]["text"] == TEXT


def test_silence_and_nothing_have_no_words(whisper: Running) -> None:
    """An empty final text."""
    for sound in (b"", bytes(96_000)):
        with connect(address(whisper)) as socket:
            socket.send(sound)
            socket.send('{"type": "end"}')
            assert received(socket)[-1] == {
                "type": "final",
                "text": "",
                "settled": "",
                "language": "und",
                "duration": len(sound) / 32_000,
            }


@pytest.mark.parametrize(
    ("query", "message", "code"),
    [
        ("?model=other", None, 1008),
        ("?language=klingon", clip(), 1008),
        ("", b"odd", 1008),
        ("", "what?", 1008),
        ("", '{"type": "dance"}', 1008),
        ("", bytes(2 << 20), 1009),
    ],
)
def test_a_wrong_stream_is_told_why_and_closed(whisper: Running, query: str, message: bytes | str | None, code: int) -> None:
    """With an error in OpenAI's shape; nothing stays."""
    with connect(address(whisper, query)) as socket:
        if message is not None:
            socket.send(message)
        messages = received(socket)
        assert socket.protocol.close_code == code
    assert messages[-1]["type"] == "error"
    assert messages[-1]["error"]["message"]
    assert whisper.idle()


def answer(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """The next message of that kind."""
    while True:
        message: dict[str, Any] = json.loads(socket.recv(timeout=30))
        if message["type"] == kind:
            return message


def test_a_flush_has_the_words_of_all_that_came_as_an_upload_has_them(whisper: Running) -> None:
    """And the stream goes on, to another flush and to its end."""
    with connect(address(whisper)) as socket:
        socket.send('{"type": "flush"}')
        assert answer(socket, "flushed") == {"type": "flushed", "text": "", "until": 0.0}
        socket.send(clip())
        socket.send('{"type": "flush"}')
        flushed = answer(socket, "flushed")
        assert (flushed["text"], flushed["until"]) == (TEXT, pytest.approx(len(clip()) / 32_000, abs=0.001))
        socket.send(clip())
        for _ in range(2):
            socket.send('{"type": "flush"}')
        assert [answer(socket, "flushed")["until"] for _ in range(2)] == [pytest.approx(len(clip()) / 16_000, abs=0.001)] * 2
        socket.send('{"type": "end"}')
        assert answer(socket, "final")["text"].startswith("Hello")


def test_a_flush_of_a_long_stream_has_all_that_was_settled(whisper: Running) -> None:
    """Its beginning is not heard any more by then."""
    with connect(address(whisper)) as socket:
        for _ in range(12):
            socket.send(clip())
        socket.send('{"type": "flush"}')
        messages: list[dict[str, Any]] = []
        while not messages or messages[-1]["type"] != "flushed":
            messages.append(json.loads(socket.recv(timeout=30)))
        settled = "".join(m["settled"] for m in messages if "settled" in m)
        assert messages[-1]["text"].startswith(settled.strip())
        assert messages[-1]["until"] == pytest.approx(12 * len(clip()) / 32_000, abs=0.001)


def test_the_list_of_models_says_that_there_is_a_stream(whisper: Running) -> None:
    """Nobody has to try."""
    rows = httpx2.get(f"{whisper.url}/v1/models", timeout=10).json()["data"]
    assert {row["audio_stream"] for row in rows} == {PROTOCOL}


def test_a_client_that_leaves_a_stream_frees_its_place(whisper: Running) -> None:
    """Without a word, in the middle of it."""
    with connect(address(whisper)) as socket:
        socket.send(clip())
        assert json.loads(socket.recv(timeout=10))["type"] == "ready"
        assert whisper.health()["jobs"] == 1
        socket.socket.close()
    assert whisper.idle(within_s=3)


def test_a_page_of_another_site_may_not_listen(whisper: Running) -> None:
    """The upgrade is refused (SECURITY 3)."""
    with pytest.raises(InvalidStatus), connect(address(whisper), origin=Origin("https://evil.example")):
        pass
