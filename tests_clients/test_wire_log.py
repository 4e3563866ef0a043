"""What is read from a wire is what was said on it, however it was framed; else no judgement of it would be worth anything."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve

from tests_clients.recording_proxy import RecordingProxy
from tests_clients.wire_log import Piece, messages

_EVENTS = [{"type": "short"}, {"type": "long", "text": "word " * 40_000}, {"type": "umlaut", "text": "ä" * 130}]
_HEAD = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"


@pytest.mark.parametrize("compression", ["deflate", None])
def test_both_directions_of_a_real_connection_are_read(compression: str | None) -> None:
    """Events of any length, compressed or not, masked or not, are the same on both sides of the proxy."""

    async def talk() -> RecordingProxy:
        async def echo(socket: ServerConnection) -> None:
            async for message in socket:
                await socket.send(message)

        async with serve(echo, "127.0.0.1", 0, compression=compression) as server:
            with RecordingProxy(server.sockets[0].getsockname()[1]) as proxy:
                address = f"ws://127.0.0.1:{proxy.port}"
                async with asyncio.timeout(10), connect(address, compression=compression, proxy=None) as client:
                    for event in _EVENTS:
                        await client.send(json.dumps(event))
                        assert json.loads(await client.recv()) == event
            return proxy

    (connection,) = asyncio.run(talk()).connections
    assert [carried.event for carried in connection.sent] == _EVENTS
    assert [carried.event for carried in connection.received] == _EVENTS


def test_a_message_in_pieces_comes_when_its_last_byte_does() -> None:
    """Fragments are joined, a ping between them is none of it, and its instant is that of the end."""
    frames = [b"\x01\x05" + b'{"typ', b"\x89\x00", b"\x80\x07" + b'e":"a"}', b"\x81\x0c" + b'{"type":"b"}'[:4]]
    pieces = [Piece(at, data) for at, data in enumerate([_HEAD + frames[0], frames[1], frames[2], frames[3]])]
    (carried,) = messages(pieces)
    assert carried.event == {"type": "a"}
    assert carried.at_s == 2


def test_what_is_no_websocket_has_no_messages() -> None:
    """An answer over HTTP is not taken for events."""
    assert messages([Piece(0.0, b"HTTP/1.1 200 OK\r\n\r\n{}")]) == []
