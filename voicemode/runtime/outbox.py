"""What waits to be sent to one peer: in order, bounded, written by one task."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

__all__ = ["MAX_BYTES", "STALL_S", "Event", "Frame", "Outbox", "Send", "SlowPeerError"]

Event: TypeAlias = Mapping[str, Any]
"""One message of the protocol, ready to be JSON."""
Frame: TypeAlias = Event | bytes
"""A message, or what a protocol sends as it is: sound in binary frames."""
Send: TypeAlias = Callable[[str | bytes], Awaitable[None]]
"""Returns when the transport has taken the text or frame, which may wait for the peer; may raise when the peer is gone."""

MAX_BYTES = 16 << 20
"""Four minutes of 24 kHz speech in base64: engines are that much faster than a person listens, at the very most."""

STALL_S = 15.0
"""Seconds in which a peer takes nothing at all before it counts as gone. A phone changes its network in less."""

_SOUND = "response.output_audio.delta"
_BETA_SOUND = "response.audio.delta"


class SlowPeerError(Exception):
    """The peer does not read what it is sent. The text says which bound it passed."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    content: str | bytes
    sound_of: str
    """The response whose sound it is; empty for everything else."""


class Outbox:
    """Filled by anyone, at once; emptied by ``run``."""

    def __init__(self, send: Send, *, max_bytes: int = MAX_BYTES, stall_s: float = STALL_S) -> None:
        self._send, self._max_bytes, self._stall_s = send, max_bytes, stall_s
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._closed = False

    @property
    def waiting_bytes(self) -> int:
        """Of texts the characters, to be exact; the protocol's JSON is ASCII."""
        return self._bytes

    def put(self, frame: Frame) -> None:
        """Queue it. Raises SlowPeerError when more waits than anyone should have to keep."""
        waiting = _Waiting(frame, "") if isinstance(frame, bytes) else self._written(frame)
        if self._bytes + len(waiting.content) > self._max_bytes:
            raise SlowPeerError(f"more than {self._max_bytes >> 20} MiB wait to be read")
        self._waiting.append(waiting)
        self._bytes += len(waiting.content)
        self._changed.set()

    def _written(self, event: Event) -> _Waiting:
        kind = event.get("type")
        if kind == "response.done":
            self._withdraw(event)
        sound_of = str(event.get("response_id", "")) if kind in (_SOUND, _BETA_SOUND) else ""
        return _Waiting(json.dumps(event, separators=(",", ":")), sound_of)

    def _withdraw(self, done: Event) -> None:
        """Sound of an answer that was cancelled is not sent after all: nobody would play it, and what follows would wait."""
        response = done.get("response")
        if not isinstance(response, Mapping) or response.get("status") != "cancelled":
            return
        kept = [each for each in self._waiting if each.sound_of != response.get("id") or not each.sound_of]
        self._waiting = deque(kept)
        self._bytes = sum(len(each.content) for each in kept)

    def close(self) -> None:
        """Nothing more is put; ``run`` returns when all was sent. Idempotent."""
        self._closed = True
        self._changed.set()

    async def run(self) -> None:
        """Send until closed and empty. Raises SlowPeerError when the peer stalls, and whatever ``send`` raises."""
        while True:
            while self._waiting:
                try:
                    async with asyncio.timeout(self._stall_s):
                        await self._send(self._pop())
                except TimeoutError:
                    raise SlowPeerError(f"took nothing for {self._stall_s:g} s") from None
            if self._closed:
                return
            self._changed.clear()
            await self._changed.wait()

    def _pop(self) -> str | bytes:
        waiting = self._waiting.popleft()
        self._bytes -= len(waiting.content)
        return waiting.content
