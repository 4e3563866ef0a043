"""Small engines that do as they are told, and shelves of them whose clock is the event loop's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from voicemode.audio import AudioChunk
from voicemode.core.failover import Declared, Origin
from voicemode.errors import EndpointError, RequestError
from voicemode.interfaces import SpeechRequest, Transcript, TranscriptionRequest
from voicemode.providers.shelf import Engine, Entry, Shelf

__all__ = ["CHUNK", "Ear", "Speech", "Voice", "in_flight", "loop_time", "put", "refused", "shelf_of"]

CHUNK = AudioChunk(np.ones(2400, dtype=np.int16), 24_000)
"""100 ms."""

E = TypeVar("E", bound=Engine)


def loop_time() -> float:
    """Seconds of the running event loop's clock."""
    return asyncio.get_running_loop().time()


@dataclass
class Voice:
    """A synthesizer that speaks after ``after_s`` a chunk every ``every_s``, then raises ``error`` if there is one."""

    name: str
    chunks: int = 2
    error: Exception | None = None
    after_s: float = 0.0
    every_s: float = 0.0
    knows: str | None = None
    """The only voice it has; None: it takes any name."""
    asked: list[SpeechRequest] = field(default_factory=list)
    speeches: list[Speech] = field(default_factory=list)
    closed: int = 0

    def synthesize(self, request: SpeechRequest) -> Speech:
        self.speeches.append(Speech(self, request))
        return self.speeches[-1]

    async def aclose(self) -> None:
        self.closed += 1

    @property
    def connected(self) -> int:
        """Speeches whose connection is open."""
        return sum(speech.connected for speech in self.speeches)


@dataclass
class Speech:
    """One piece of text on its way."""

    voice: Voice
    request: SpeechRequest
    connected: bool = False
    closed: bool = False

    @property
    def failed(self) -> tuple[str, ...]:
        return ()

    @property
    def engine(self) -> str:
        return self.voice.name

    async def __aiter__(self) -> AsyncGenerator[AudioChunk]:
        self.voice.asked.append(self.request)
        self.connected = True
        await asyncio.sleep(self.voice.after_s)
        if self.voice.knows and self.request.voice not in (None, self.voice.knows):
            raise RequestError("voice", "is unknown", self.voice.knows)
        for number in range(self.voice.chunks):
            if number:
                await asyncio.sleep(self.voice.every_s)
            if self.closed:
                return
            yield CHUNK
        if self.voice.error is not None:
            raise self.voice.error

    async def aclose(self) -> None:
        self.closed, self.connected = True, False


@dataclass
class Ear:
    """A transcriber that hears its name after ``after_s``, or fails then."""

    name: str
    error: Exception | None = None
    after_s: float = 0.0
    prepared: list[tuple[str, ...]] = field(default_factory=list)
    asked: int = 0
    cancelled: int = 0
    closed: int = 0

    async def prepare(self, options: Sequence[str] = ()) -> None:
        self.prepared.append(tuple(options))

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        self.asked += 1
        try:
            await asyncio.sleep(self.after_s)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error is not None:
            raise self.error
        return Transcript(f"heard by {self.name}", self.name, failed=())

    async def aclose(self) -> None:
        self.closed += 1


def shelf_of(task: str, *engines: E) -> Shelf[E]:
    """Named endpoints in this order, on the clock of the event loop, without chance."""
    shelf: Shelf[E] = Shelf("stt" if task == "stt" else "tts", clock=loop_time, chance=lambda: 0.0)
    for rank, engine in enumerate(engines):
        put(shelf, engine, rank=rank)
    return shelf


def put(
    shelf: Shelf[E],
    engine: E,
    *,
    origin: Origin = Origin.NAMED,
    rank: int = 0,
    remote: bool = False,
    declared: Declared | None = None,
    variant: str = "",
) -> Entry[E]:
    """One endpoint more."""
    entry = Entry(
        engine=engine,
        origin=origin,
        rank=rank,
        remote=remote,
        declared=declared or Declared(),
        health=shelf.new_health(),
        variant=variant,
    )
    return shelf.put(entry)


def in_flight(shelf: Shelf[E]) -> dict[str, int]:
    """Requests that nobody said the end of, by endpoint."""
    return {entry.name: entry.health.tally.in_flight for entry in shelf if entry.health.tally.in_flight}


def refused(name: str) -> EndpointError:
    """No connection."""
    return EndpointError(name, "connection refused", reached=False)
