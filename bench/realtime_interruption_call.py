"""A call in which an answer is interrupted: over WebSocket the client plays it, over WebRTC the server does."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import numpy as np

from bench.realtime_interruption_trial import Happened, Player, sound_of
from bench.realtime_person import Line, session_update
from bench.realtime_socket_line import socket_line
from bench.realtime_sounds import WIRE_RATE, saying
from bench.realtime_webrtc_line import is_loud, media_line
from tests.transports.webrtc_client import RATE
from voicemode.audio import Samples

__all__ = ["Call", "MediaCall", "SocketCall", "interrupt"]

_STEP_S = 20.0
"""Each thing that is waited for comes in less, or never."""
_LAG_S = 0.3
"""So long after the decision sound is the old answer's; the next one does not come before the silence that ends a turn."""


class Call(ABC):
    """What one client sees and does."""

    def __init__(self, seen: Happened, *, truncates: bool) -> None:
        """``truncates``: it says how much it played."""
        self.seen, self._truncates = seen, truncates
        self._line: Line | None = None
        self._changed = asyncio.Event()

    @abstractmethod
    def connect(self, url: str, headers: dict[str, str]) -> AbstractAsyncContextManager[Line]: ...

    @abstractmethod
    def playing_since(self) -> float | None:
        """When the first sound of the answer was audible; None: none was."""

    @abstractmethod
    def interrupted(self, now: float) -> None:
        """The decision has come."""

    @abstractmethod
    def close(self) -> None:
        """Nothing more is to be seen."""

    async def until(self, reached: Callable[[], Any]) -> None:
        """Wait for something that comes with an event or a packet. Raises TimeoutError."""
        async with asyncio.timeout(_STEP_S):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    def begin(self, line: Line) -> None:
        self._line = line

    def count(self, kind: str) -> int:
        return sum(event["type"] == kind for _, event in self.seen.events)

    def message(self, text: str, now: float) -> None:
        event = json.loads(text)
        seen, kind = self.seen, event["type"]
        if kind == "response.output_audio.delta":
            self.sound(event, now)
            event["delta"] = ""
        seen.events.append((now, event))
        if kind == "error":
            seen.problem = f"{event['error']['code']}: {event['error']['message']}"
        elif kind == "response.created" and not seen.old_id:
            seen.old_id = event["response"]["id"]
        elif kind == "response.output_audio_transcript.delta" and event["response_id"] == seen.old_id:
            seen.pieces.append(event["delta"].strip())
        elif kind == "input_audio_buffer.speech_started" and seen.spoke_at and seen.noticed_at is None:
            seen.noticed_at = now
            self.interrupted(now)
        self._changed.set()

    @abstractmethod
    def sound(self, event: dict[str, Any], now: float) -> None:
        """A delta of sound came."""


class SocketCall(Call):
    """Plays what it gets."""

    def __init__(self, seen: Happened, *, truncates: bool) -> None:
        super().__init__(seen, truncates=truncates)
        self._player = Player()
        self._began: float | None = None
        self._item = ""

    def connect(self, url: str, headers: dict[str, str]) -> AbstractAsyncContextManager[Line]:
        return socket_line(url, headers, self.message)

    def playing_since(self) -> float | None:
        return self._began

    def sound(self, event: dict[str, Any], now: float) -> None:
        if event["response_id"] != self.seen.old_id:
            return
        self._began = self._began or now
        self._item = event["item_id"]
        self.seen.last_sound_at = now
        self._player.add(len(base64.b64decode(event["delta"])) / 2 / WIRE_RATE, now)

    def interrupted(self, now: float) -> None:
        self.seen.played_s = self._player.played_s(now)
        if self._truncates and self._line is not None:
            told = {"item_id": self._item, "content_index": 0, "audio_end_ms": int(self.seen.played_s * 1000)}
            self._line.send(json.dumps({"type": "conversation.item.truncate", **told}))

    def close(self) -> None:
        """Everything was told."""


class MediaCall(Call):
    """Hears what the server plays."""

    def __init__(self, seen: Happened, *, truncates: bool) -> None:
        super().__init__(seen, truncates=truncates)
        self._heard: list[Samples] = []
        self._began: float | None = None

    def connect(self, url: str, headers: dict[str, str]) -> AbstractAsyncContextManager[Line]:
        return media_line(url, headers, heard=self._packet, message=self.message)

    def playing_since(self) -> float | None:
        return self._began

    def interrupted(self, now: float) -> None:
        """It plays nothing itself."""

    def sound(self, event: dict[str, Any], now: float) -> None:
        self.seen.problem = f"{event['type']} on the data channel at {now:.3f}"

    def close(self) -> None:
        self.seen.recording = sound_of(self._heard, RATE)

    def _packet(self, samples: Samples, now: float) -> None:
        noticed = self.seen.noticed_at
        if not self.seen.old_id or (noticed is not None and now > noticed + _LAG_S):
            return
        if is_loud(samples):
            if self._began is None:
                self._began = now
                self._changed.set()
            self.seen.last_sound_at = now
        self._heard.append(samples)


async def interrupt(call: Call, url: str, headers: dict[str, str], name: str, chance: random.Random) -> None:
    """Ask, be answered, talk into it at the offset, and wait for the next answer. Raises TimeoutError, OSError."""
    seen = call.seen
    async with call.connect(url, headers) as line:
        call.begin(line)
        with contextlib.ExitStack() as ending:
            ending.callback(call.close)
            line.send(session_update(instructions=name))
            await call.until(lambda: call.count("session.updated"))
            line.say(saying(chance).samples)
            await call.until(call.playing_since)
            began = call.playing_since()
            assert began is not None
            said = saying(chance, lead_s=(0.0, 0.02))
            await asyncio.sleep(began + seen.offset_s - said.begin_s - asyncio.get_running_loop().time())
            seen.spoke_at = line.say(np.asarray(said.samples)) + said.begin_s
            await call.until(lambda: seen.noticed_at is not None)
            await call.until(lambda: call.count("response.created") == 2)
