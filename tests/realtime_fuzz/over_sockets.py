"""A running server under frames of a fuzzer: many sockets, one after the other and some at once."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from bench.realtime_server import RealtimeProcess
from tests.realtime_fuzz.frames import frames

__all__ = ["Barrage", "barrage"]

_PER_SOCKET = 250
_AT_ONCE = 4
_ANSWER_S = 30.0
_QUESTION = "did-you-live"


@dataclass(slots=True)
class Barrage:
    """What came of it."""

    sent: int = 0
    refused: int = 0
    """Sockets that the server closed with a code that the protocol has for what came."""
    problems: list[str] = field(default_factory=list)


async def barrage(server: RealtimeProcess, count: int, seed: int, sent: Callable[[int], None] = lambda _: None) -> Barrage:
    """So many frames; every socket is asked something when its frames are through."""
    outcome = Barrage()
    for first in range(0, count, _PER_SOCKET * _AT_ONCE):
        rounds = range(first, min(first + _PER_SOCKET * _AT_ONCE, count), _PER_SOCKET)
        await asyncio.gather(*(_one(server, min(_PER_SOCKET, count - at), seed + at, outcome) for at in rounds))
        sent(outcome.sent)
    return outcome


async def _one(server: RealtimeProcess, count: int, seed: int, outcome: Barrage) -> None:
    chance = random.Random(seed)
    async with connect(server.socket_url, additional_headers=server.headers, proxy=None, max_size=None) as socket:
        asking = asyncio.create_task(_asked(socket))
        try:
            for frame in frames(count, seed, huge=int(chance.random() < 0.1)):
                await socket.send(_sendable(frame))
                outcome.sent += 1
            detection = {"audio": {"input": {"turn_detection": None}}}
            await socket.send(json.dumps({"type": "session.update", "session": {"type": "realtime", **detection}}))
            await socket.send(json.dumps({"type": "conversation.item.retrieve", "item_id": "none", "event_id": _QUESTION}))
            async with asyncio.timeout(_ANSWER_S):
                await asking
        except ConnectionClosed as error:
            code = error.rcvd.code if error.rcvd is not None else None
            if code == 1009:  # too much sound in one session, or too large a frame
                outcome.refused += 1
            else:
                outcome.problems.append(f"seed {seed}: closed with {code}")
        except TimeoutError:
            outcome.problems.append(f"seed {seed}: no answer after {count} frames")
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)


async def _asked(socket: ClientConnection) -> None:
    """Read until the question is answered."""
    async for message in socket:
        event = json.loads(message)
        if event["type"] == "error" and event["error"]["event_id"] == _QUESTION:
            return


def _sendable(frame: str | bytes) -> str | bytes:
    """A WebSocket's text is UTF-8."""
    return frame.encode("utf-8", "replace").decode() if isinstance(frame, str) else frame
