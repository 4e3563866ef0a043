"""A person on the realtime server: a line, a microphone that never stops, and a stopwatch."""

from __future__ import annotations

import asyncio
import json
import random
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from bench.free_engines import ANSWER_S
from bench.realtime_socket_line import socket_line
from bench.realtime_sounds import saying
from voicemode.audio import Samples

__all__ = ["SILENCE_MS", "Line", "Person", "SocketPerson", "SpokenTurn", "session_update"]

SILENCE_MS = 500
"""Of server_vad: the protocol's default."""
_TURN_S = 15.0
"""A turn that takes longer has failed."""
_PAUSE_S = (0.2, 0.7)
"""Between an answer and the next turn."""


@dataclass(slots=True)
class SpokenTurn:
    """One turn, in seconds of this process' monotonic clock. None: it did not happen."""

    person: int
    end_at: float = 0.0
    """When the last audible sample was spoken."""
    stopped_at: float | None = None
    """When it was told that the turn is over."""
    decided_at: float | None = None
    """When the chunk left with which, as the server says, the silence was long enough. Only over WebSocket."""
    first_at: float | None = None
    """When the first sound came."""
    done_at: float | None = None
    """When the answer was there, and heard where the server plays it."""
    problem: str = ""
    late_ms: list[float] = field(default_factory=list)
    """How much later than due the microphone's chunks left: this machine's load, not the server's."""

    def row(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def session_update(silence_ms: int = SILENCE_MS, **session: Any) -> str:
    """server_vad, and the person's words on the wire."""
    detection = {"type": "server_vad", "silence_duration_ms": silence_ms}
    heard = {"turn_detection": detection, "transcription": {"model": "whisper-1"}}
    return json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": {"input": heard}, **session}})


class Line(Protocol):
    """A call, whatever carries it."""

    def send(self, text: str) -> None: ...
    def say(self, samples: Samples) -> float:
        """Speak 24 kHz sound; when its first sample is spoken."""


class Person(ABC):
    """Speaks one turn after the other; in between the microphone hears the room."""

    listens_s = 0.0
    """From the end of the turn to the end of the answer's sound."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.number, self._chance = number, chance
        self.turns: list[SpokenTurn] = []
        self.turn: SpokenTurn | None = None
        """The one under way."""
        self._over = asyncio.Event()

    @abstractmethod
    def line(self, url: str, headers: dict[str, str]) -> AbstractAsyncContextManager[Line]:
        """Be connected."""

    async def hold(self, url: str, headers: dict[str, str], turns: int, stay: asyncio.Event) -> None:
        """Talk, and then be silent until ``stay`` is set."""
        async with self.line(url, headers) as line:
            line.send(session_update())
            for _ in range(turns):
                await self._speak(line)
            await stay.wait()

    async def _speak(self, line: Line) -> None:
        said = saying(self._chance)
        self._over.clear()
        turn = self.turn = SpokenTurn(self.number)
        turn.end_at = line.say(said.samples) + said.end_s
        self.turns.append(turn)
        try:
            async with asyncio.timeout(_TURN_S):
                await self._over.wait()
        except TimeoutError:
            turn.problem = turn.problem or "no answer"
        self.turn = None
        await asyncio.sleep(self.listens_s + self._chance.uniform(*_PAUSE_S))

    def over(self, now: float) -> None:
        """The turn under way is."""
        if self.turn is not None:
            self.turn.done_at = now
        self._over.set()

    def took(self, event: dict[str, Any], now: float) -> None:
        """An event that may tell something about the turn."""
        turn = self.turn
        if turn is None:
            return
        match event["type"]:
            case "input_audio_buffer.speech_stopped":
                turn.stopped_at = now
            case "input_audio_buffer.speech_started" if turn.stopped_at is not None:
                turn.problem = "it took one utterance for two"
            case "error":
                turn.problem = str(event["error"]["code"])
            case "response.done" if event["response"]["status"] != "completed":
                turn.problem = f"the answer is {event['response']['status']}"
                self._over.set()


class SocketPerson(Person):
    """Over WebSocket, where the answer is there long before it was heard."""

    listens_s = ANSWER_S

    _DELTA = '{"type":"response.output_audio.delta"'

    @asynccontextmanager
    async def line(self, url: str, headers: dict[str, str]) -> AsyncIterator[Line]:
        async with socket_line(url, headers, self._message) as self._line:
            yield self._line

    def _message(self, text: str, now: float) -> None:
        turn = self.turn
        if turn is None:
            self._line.late_ms.clear()
            return
        if text.startswith(self._DELTA):  # it is long, and what is in it is of no interest
            turn.first_at = turn.first_at or now
            return
        event = json.loads(text)
        self.took(event, now)
        if event["type"] == "input_audio_buffer.speech_stopped":
            turn.decided_at = self._line.left_at(event["audio_end_ms"])
        elif event["type"] == "response.done":
            turn.late_ms, self._line.late_ms = self._line.late_ms, []
            self.over(now)
