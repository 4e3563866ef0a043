"""How much the server takes: bodies, messages and seconds of sound, over HTTP, WebSocket and WebRTC. (SECURITY 7.)

``tests/http/test_guard.py`` and ``tests/http/test_gateway.py`` have the uploads of the gateway.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from websockets.exceptions import ConnectionClosed

from tests.security.assembled import CALLS, SDP, SECRETS, House, house, in_webrtc
from tests.transports.test_webrtc_sdp import OFFER
from voicemode.transports.webrtc_sdp import MAX_MESSAGE_BYTES

pytestmark = pytest.mark.anyio

MIB = 1 << 20
SENT = 64 * MIB
KEPT = 40 * MIB
"""Of that at most, with what the test itself needs to send it."""


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[House]:
    async with house(tmp_path) as made:
        yield made


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """The process, which is client and server, has not grown much meanwhile."""
    process = psutil.Process(os.getpid())
    before = process.memory_info().rss
    yield
    assert process.memory_info().rss - before < KEPT


@pytest.mark.parametrize("announced", [True, False])
@pytest.mark.parametrize("path", [SECRETS, "/v1/realtime/sessions", CALLS, f"{CALLS}/rtc_none/hangup", "/v1/audio/speech"])
async def test_a_request_that_is_too_large_is_413_and_is_not_kept(here: House, path: str, announced: bool) -> None:
    """SECURITY 7, over HTTP, for what begins conversations as well; whether it was said before how much comes, or not."""
    chunk = b" " * MIB
    kind = SDP["Content-Type"] if path == CALLS else "application/json"

    async def body() -> AsyncIterator[bytes]:
        for _ in range(SENT // MIB):
            yield chunk

    headers = {"Content-Type": kind, **({"Content-Length": str(SENT)} if announced else {})}
    async with here.web() as web:
        with bounded():
            answer = await web.post(path, content=body(), headers=headers)
    if path.endswith("hangup") and not announced:
        assert answer.status_code == 404  # it reads no body at all
    else:
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert here.calls == 0


async def test_a_session_in_a_form_that_is_too_large_is_refused(here: House) -> None:
    """SECURITY 7, over HTTP: within the size of a request, its parts have sizes of their own."""
    large = json.dumps({"type": "realtime", "instructions": "x" * (300 << 10)})
    async with here.web() as web:
        for form in (
            {"sdp": (None, OFFER), "session": (None, large)},
            {"sdp": ("offer", OFFER), "session": ("session", large)},
            {"sdp": (None, OFFER + "a=x\r\n" * 50_000)},
            {str(number): (None, "x") for number in range(100)},
        ):
            answer = await web.post(CALLS, files=form)
            assert answer.status_code == 400, answer.text
    assert here.calls == 0


@pytest.mark.parametrize("query", ["", "?intent=transcription", "?call_id="])
async def test_a_message_without_end_is_closed_with_1009_and_is_not_kept(here: House, query: str) -> None:
    """SECURITY 7, over WebSocket: one message of ever more fragments; of sidebands as well."""
    async with here.socket() as first:
        await first.recv()
        (call,) = here.server.conversations.calls._open
        async with here.socket(f"{query}{call}" if query.endswith("=") else query) as socket:
            await socket.recv()
            with bounded():
                with contextlib.suppress(ConnectionClosed):
                    await socket.send(b" " * MIB for _ in range(SENT // MIB))
                assert await closed_with(socket) == 1009
        await cleared(first)


async def cleared(socket: Any) -> None:
    """It is still served."""
    await socket.send('{"type": "input_audio_buffer.clear"}')
    async with asyncio.timeout(10):
        while json.loads(await socket.recv())["type"] != "input_audio_buffer.cleared":
            pass


async def closed_with(socket: Any) -> int:
    async with asyncio.timeout(10):
        with contextlib.suppress(ConnectionClosed):
            async for _ in socket:
                pass
    code: int = socket.close_code
    return code


def appended(seconds: float) -> str:
    """Silence of 24 kHz in one message."""
    audio = base64.b64encode(bytes(2 * round(24_000 * seconds))).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": audio})


async def ended_with(here: House, code: int) -> bool:
    """Whether a conversation has ended so, as the server counts it."""
    async with here.web() as web:
        return f'voicemode_sessions_closed_total{{code="{code}"}} 1.0' in (await web.get("/metrics")).text


async def test_too_many_seconds_of_sound_end_a_conversation_over_websocket(tmp_path: Path) -> None:
    """SECURITY 7: 1009, when it is twice what can be said in the time that a session has."""
    async with house(tmp_path, serve_session_s="30") as here, here.socket() as socket:
        await socket.recv()
        await socket.send(appended(59))
        await cleared(socket)
        await socket.send(appended(2))
        assert await closed_with(socket) == 1009
        await here.idle()
        assert await ended_with(here, 1009)


async def test_too_many_seconds_of_sound_end_a_call_over_webrtc(tmp_path: Path) -> None:
    """SECURITY 7: by its data channel too, which carries sound as well as a WebSocket does."""
    async with house(tmp_path, serve_session_s="30") as here, in_webrtc(here) as far:
        for _ in range(21):
            far.channel.send(appended(3))
        await here.idle()
        assert await ended_with(here, 1009)


async def test_a_message_that_is_too_large_ends_a_call_over_webrtc(here: House) -> None:
    """SECURITY 7: nothing of it is handed on, and no memory is filled with what is sent behind it."""
    async with in_webrtc(here) as far:
        assert far.connection.sctp is not None
        far.connection.sctp._remote_max_message_size = 0  # a client that does not heed what it was told
        with bounded():
            far.channel.send("x" * (MAX_MESSAGE_BYTES + 1))
            for _ in range(16):
                far.channel.send("x" * MIB)
            await here.idle()
    async with in_webrtc(here) as other:
        assert json.loads(other.messages[0])["type"] == "session.created"


async def test_time_is_capped_as_well(tmp_path: Path) -> None:
    """SECURITY 7: over either transport a session ends when its time is over, and the client is told."""
    async with house(tmp_path, serve_session_s="3") as here:
        async with here.socket() as socket, in_webrtc(here) as far:
            await far.until(lambda: any("session_expired" in each for each in far.messages))
            assert await closed_with(socket) == 1001
        await here.idle()
