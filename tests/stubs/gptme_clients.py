"""gptme's clients, re-created from what its published sources do on the wire: the web UI's hook with its player, and the Python
client with its loudspeaker. They are not gptme's code; they behave as it does, good and bad.

https://github.com/gptme/gptme/blob/master/webui/src/hooks/useVoiceSession.ts and ../audio/pcm-player.ts,
https://github.com/gptme/gptme-contrib/tree/master/packages/gptme-voice (``realtime/client.py``, ``static/index.html``)

Time is real: what they play and when is what they are about.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import soxr
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from voicemode.audio import Samples

__all__ = ["OUT_RATE", "PythonClient", "WebUi", "talking"]

MIC_RATE, OUT_RATE = 16_000, 24_000
_TICK_S = 0.02


@dataclass
class Source:
    """One piece on its way to the loudspeaker."""

    starts: float
    samples: Samples
    stopped: float = float("inf")


@dataclass
class Player:
    """The web UI's: pieces are scheduled end to end, the first one 10 ms from now; a reset begins anew.

    ``stops``: a reset also stops all that was scheduled, as the hook's player did when it was read for this product; another
    published version of it only begins anew.
    """

    stops: bool = True
    sources: list[Source] = field(default_factory=list)
    next_start: float = 0.0
    resets: list[float] = field(default_factory=list)

    def feed(self, data: bytes) -> None:
        now = time.monotonic()
        samples = np.frombuffer(data, "<i2").astype(np.int16)
        starts = max(now + 0.01, self.next_start)
        self.sources.append(Source(starts, samples))
        self.next_start = starts + len(samples) / OUT_RATE

    def reset(self) -> None:
        now = time.monotonic()
        self.resets.append(now)
        self.next_start = 0.0
        if self.stops:
            for source in self.sources:
                source.stopped = min(source.stopped, now)

    @property
    def sounds(self) -> bool:
        """Whether anything is being heard."""
        now = time.monotonic()
        return any(each.starts <= now < min(each.stopped, each.starts + len(each.samples) / OUT_RATE) for each in self.sources)

    def heard(self) -> Samples:
        """What the loudspeaker has played by now, pauses included."""
        now = time.monotonic()
        if not self.sources:
            return np.zeros(0, np.int16)
        first = min(each.starts for each in self.sources)
        sound = np.zeros(max(round((now - first) * OUT_RATE), 0), np.int32)
        for each in self.sources:
            begin = round((each.starts - first) * OUT_RATE)
            end = round((min(each.stopped, now) - first) * OUT_RATE)
            piece = each.samples[: max(min(end - begin, len(each.samples)), 0)]
            piece = piece[: max(len(sound) - begin, 0)]
            sound[begin : begin + len(piece)] += piece
        return np.clip(sound, -32768, 32767).astype(np.int16)


class _Client:
    """A person with a microphone: silence, and what they say in it."""

    rate = MIC_RATE

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.texts: list[dict[str, Any]] = []
        """The messages that came, sound aside."""
        self.close_code: int | None = None
        self._saying = np.zeros(0, np.int16)
        self._said = 0

    def say(self, samples: Samples, rate: int) -> None:
        """Speak, behind what is being said."""
        sound = soxr.resample(samples, rate, self.rate).astype(np.int16)
        self._saying = np.concatenate((self._saying, sound))

    def kinds(self) -> list[str]:
        return [each["type"] for each in self.texts]

    def heard(self) -> Samples:
        raise NotImplementedError

    async def until(self, holds: Callable[[], bool], within_s: float = 30.0) -> None:
        try:
            async with asyncio.timeout(within_s):
                while not holds():
                    await asyncio.sleep(0.01)
        except TimeoutError:
            raise AssertionError(f"not within {within_s:g} s; it was told {self.texts[-20:]}") from None

    async def live(self) -> None:
        """Talk and listen until the connection ends."""
        receiving = asyncio.create_task(self._receive())
        talking = asyncio.create_task(self._talk())
        try:
            await asyncio.wait({receiving, talking}, return_when=asyncio.FIRST_COMPLETED)
            self.close_code = self.socket.close_code
        finally:
            for task in (receiving, talking):
                task.cancel()
            await asyncio.wait({receiving, talking})

    async def _receive(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            async for frame in self.socket:
                await self.take(frame)

    async def _talk(self) -> None:
        began = time.monotonic()
        with contextlib.suppress(ConnectionClosed):
            while True:
                await asyncio.sleep(_TICK_S)
                due = int((time.monotonic() - began) * self.rate) - self._said
                self._said += due
                piece, self._saying = self._saying[:due], self._saying[due:]
                await self.microphone(np.concatenate((piece, np.zeros(due - len(piece), np.int16))))

    async def take(self, frame: str | bytes) -> None:
        raise NotImplementedError

    async def microphone(self, samples: Samples) -> None:
        """So much more of the room was heard."""
        raise NotImplementedError


class WebUi(_Client):
    """The hook ``useVoiceSession``: it talks once it was told "ready", and plays while it talks."""

    _BLOCK = 42
    """Samples of one message: 128 of the browser's 48 kHz."""

    def __init__(self, socket: ClientConnection, *, stops: bool = True) -> None:
        super().__init__(socket)
        self.player = Player(stops)
        self._recording = False

    async def take(self, frame: str | bytes) -> None:
        if isinstance(frame, bytes):
            self.player.feed(frame)
            return
        message = json.loads(frame)
        self.texts.append(message)
        match message["type"]:
            case "ready":
                self._recording = True
            case "audio_end":
                self.player.reset()

    async def microphone(self, samples: Samples) -> None:
        if not self._recording:
            return
        for at in range(0, len(samples), self._BLOCK):
            await self.socket.send(samples[at : at + self._BLOCK].astype("<i2").tobytes())

    async def commit(self) -> None:
        """Offered by the hook, and sent by gptme's static page after each answer that it has played."""
        await self.socket.send('{"type": "commit"}')

    def heard(self) -> Samples:
        return self.player.heard()


class PythonClient(_Client):
    """``LocalVoiceTest``: it plays each piece before it reads the next message; deaf meanwhile, and for half a second more."""

    rate = OUT_RATE
    _COOLDOWN_S = 0.5
    _BUFFERED_S = 0.04
    """A sound card takes so much before it lets a writer wait."""

    def __init__(self, socket: ClientConnection) -> None:
        super().__init__(socket)
        self._played: list[Samples] = []
        self._playing = False
        self._ended_at = float("-inf")
        self._free_at = 0.0

    async def take(self, frame: str | bytes) -> None:
        message = json.loads(frame)
        match message["type"]:
            case "audio":
                self._playing = True
                samples = np.frombuffer(base64.b64decode(message["audio"]), "<i2").astype(np.int16)
                self._played.append(samples)
                self._free_at = max(self._free_at, time.monotonic()) + len(samples) / OUT_RATE
                await asyncio.sleep(max(self._free_at - self._BUFFERED_S - time.monotonic(), 0))
            case "audio_end":
                self.texts.append(message)
                self._playing, self._ended_at = False, time.monotonic()
            case _:
                self.texts.append(message)

    async def microphone(self, samples: Samples) -> None:
        if self._playing or time.monotonic() - self._ended_at < self._COOLDOWN_S:
            return
        message = {"type": "audio", "audio": base64.b64encode(samples.astype("<i2").tobytes()).decode()}
        await self.socket.send(json.dumps(message))

    @property
    def sounds(self) -> bool:
        return time.monotonic() < self._free_at

    def heard(self) -> Samples:
        return np.concatenate(self._played) if self._played else np.zeros(0, np.int16)


@contextlib.asynccontextmanager
async def talking(
    kind: type[WebUi] | type[PythonClient], url: str, headers: Mapping[str, str] | None = None, **options: Any
) -> AsyncIterator[Any]:
    """A client that is connected to ``url`` and talks. Raises what ``connect`` raises."""
    async with connect(url, additional_headers=dict(headers or {}), proxy=None) as socket:
        client = kind(socket, **options)
        living = asyncio.create_task(client.live())
        try:
            yield client
        finally:
            await socket.close()
            living.cancel()
            await asyncio.wait({living})
