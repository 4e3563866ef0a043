"""The person before a client: a microphone and a loudspeaker that run in real time, and what they say when.

Sound is 24 kHz 16-bit mono PCM, which is what OpenAI Realtime carries. What a driver saw goes to standard output, one JSON
object a line, and what was played to a WAV file.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "FRAME",
    "INSTRUCTIONS",
    "MOVE",
    "RATE",
    "Loudspeaker",
    "Microphone",
    "Order",
    "conversation",
    "drive",
    "move",
    "saw",
]

RATE = 24_000
FRAME = RATE // 50 * 2
"""Bytes of 20 ms, which is what microphones deliver."""
INSTRUCTIONS = "You steer a robot by voice."
MOVE = {
    "type": "object",
    "properties": {"direction": {"type": "string"}, "meters": {"type": "number"}},
    "required": ["direction", "meters"],
    "additionalProperties": False,
}
"""The JSON schema of what ``move`` takes."""

_SETTLE_S = 0.5
"""Before the first word, so that no utterance begins with the line."""
_LISTENS_S = 3.4
"""Of the assistant's sound before the person interrupts. LiveKit hands on silence for the microphone's sound during the first
3 s that its agent speaks (``aec_warmup_duration``)."""
_SILENT_S = 1.2
"""After which an answer is taken for finished."""
_SURELY_S = 0.3
"""Of sound that is more than the end of what was playing."""
_DEADLINE_S = 40.0
"""For each thing that is waited for."""


@dataclass(frozen=True, slots=True)
class Order:
    """What the test asks of a driver."""

    url: str
    """http://HOST:PORT"""
    key: str
    first: Path
    """What the person says first; 24 kHz WAV."""
    second: Path
    """What they say into the answer."""
    heard: Path
    """Where what the loudspeaker played is written."""

    @property
    def websocket(self) -> str:
        """ws://HOST:PORT/v1/realtime"""
        return self.url.replace("http://", "ws://") + "/v1/realtime"


def saw(what: str, **facts: object) -> None:
    """Tell the test."""
    print(json.dumps({"saw": what, "at": time.monotonic(), **facts}), flush=True)


def move(direction: str, meters: float) -> str:
    """What the function does that the assistant may call."""
    saw("function", name="move", arguments={"direction": direction, "meters": meters})
    return f"moved {meters:g} meters {direction}"


class Microphone:
    """Hands on 20 ms every 20 ms: what the person says, else silence."""

    def __init__(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        self._send = send
        self._saying = b""

    def say(self, clip: Path) -> None:
        """Begin to say it."""
        with wave.open(str(clip)) as wav:
            assert (wav.getframerate(), wav.getsampwidth(), wav.getnchannels()) == (RATE, 2, 1)
            self._saying = wav.readframes(wav.getnframes())
        saw("says", clip=clip.stem)

    async def run(self) -> None:
        """Until cancelled."""
        async for _ in _ticks():
            frame, self._saying = self._saying[:FRAME], self._saying[FRAME:]
            await self._send(frame.ljust(FRAME, b"\0"))


class Loudspeaker:
    """Plays what it is given, in real time, and knows what was heard."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._heard = bytearray()
        self._quiet_s = 0.0
        self._stops = 0
        self._ticked = asyncio.Condition()

    def play(self, pcm: bytes) -> None:
        """Behind what waits."""
        self._waiting += pcm

    def stop(self, *, spoke: bool = False) -> None:
        """Drop what waits. It counts as an interruption if something did, or where the client knows that it ``spoke``."""
        if self._waiting or spoke:
            self._stops += 1
            saw("stopped", heard_s=self.heard_s, dropped_s=self.waiting_s)
        self._waiting.clear()

    @property
    def waiting_s(self) -> float:
        return len(self._waiting) / RATE / 2

    @property
    def heard_s(self) -> float:
        return len(self._heard) / RATE / 2

    @property
    def stops(self) -> int:
        """How often the assistant was interrupted."""
        return self._stops

    async def run(self) -> None:
        """Until cancelled."""
        async for _ in _ticks():
            if self._waiting:
                self._heard += self._waiting[:FRAME]
                del self._waiting[:FRAME]
                self._quiet_s = 0.0
            else:
                self._quiet_s += 0.02
            async with self._ticked:
                self._ticked.notify_all()

    async def until(self, what: str, holds: Callable[[], bool]) -> None:
        """Raises TimeoutError after 40 s."""
        try:
            async with asyncio.timeout(_DEADLINE_S), self._ticked:
                await self._ticked.wait_for(holds)
        except TimeoutError:
            raise TimeoutError(f"{what}: not within {_DEADLINE_S:.0f} s") from None

    def silent_for(self, seconds: float) -> bool:
        return self._quiet_s >= seconds

    def save(self, path: Path) -> None:
        with wave.open(str(path), "wb") as wav:
            wav.setnchannels(1)
            wav.setsampwidth(2)
            wav.setframerate(RATE)
            wav.writeframes(bytes(self._heard))


async def conversation(order: Order, microphone: Microphone, loudspeaker: Loudspeaker, *, greeted: bool = False) -> None:
    """The person asks for something, talks into the answer, and hears the next one to its end.

    ``greeted``: the assistant speaks first, and the person hears it out.
    """
    if greeted:
        await loudspeaker.until("a greeting", lambda: loudspeaker.heard_s > _SURELY_S)
    await loudspeaker.until("a quiet beginning", lambda: loudspeaker.silent_for(_SILENT_S if greeted else _SETTLE_S))
    begin = loudspeaker.heard_s
    saw("begins", heard_s=begin)
    microphone.say(order.first)
    await loudspeaker.until("the first answer is heard", lambda: loudspeaker.heard_s >= begin + _LISTENS_S)
    microphone.say(order.second)
    await loudspeaker.until("the answer is interrupted", lambda: loudspeaker.stops > 0)
    before = loudspeaker.heard_s
    await loudspeaker.until("the second answer is heard", lambda: loudspeaker.heard_s > before + _SURELY_S)
    await loudspeaker.until("the second answer ends", lambda: loudspeaker.silent_for(_SILENT_S))
    saw("finished", heard_s=loudspeaker.heard_s)


def drive(client: Callable[[Order], Awaitable[None]]) -> None:
    """Run a driver as a program."""
    parser = argparse.ArgumentParser()
    for name in ("--url", "--key", "--first", "--second", "--heard"):
        parser.add_argument(name, required=True, type=str if name in ("--url", "--key") else Path)
    order = Order(**vars(parser.parse_args()))

    async def run() -> None:
        await client(order)

    try:
        asyncio.run(run())
    except Exception as error:
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        saw("failed", error=f"{type(error).__name__}: {error}")
        sys.exit(1)


async def _ticks() -> AsyncIterator[None]:
    """Every 20 ms by the clock; late ones come at once, as a sound card's do."""
    due = time.monotonic()
    while True:
        yield None
        due += 0.02
        await asyncio.sleep(max(0.0, due - time.monotonic()))
