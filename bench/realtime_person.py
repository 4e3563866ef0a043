"""A person on the realtime server: one WebSocket, a microphone that never stops, and a stopwatch."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from websockets.asyncio.client import ClientConnection, connect

from bench.realtime_sounds import CHUNK_S, Saying, appends, room, saying

__all__ = ["SILENCE_MS", "Person", "SpokenTurn", "session_update"]

SILENCE_MS = 500
"""Of server_vad: the protocol's default."""
_TURN_S = 15.0
"""A turn that takes longer has failed."""
_DELTA, _STOPPED, _DONE, _STARTED, _ERROR = (
    f'{{"type":"{kind}"'
    for kind in (
        "response.output_audio.delta",
        "input_audio_buffer.speech_stopped",
        "response.done",
        "input_audio_buffer.speech_started",
        "error",
    )
)


@dataclass(slots=True)
class SpokenTurn:
    """One turn, in seconds of this process' monotonic clock. None: it did not happen."""

    person: int
    end_at: float = 0.0
    """When the last audible sample was spoken."""
    stopped_at: float | None = None
    """When it was told that the turn is over."""
    decided_at: float | None = None
    """When the chunk left with which, as the server says, the silence was long enough."""
    first_at: float | None = None
    """When the first sound came."""
    done_at: float | None = None
    problem: str = ""
    late_ms: list[float] = field(default_factory=list)
    """How much later than due the microphone's chunks left: this machine's load, not the server's."""

    def row(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def session_update(silence_ms: int = SILENCE_MS) -> str:
    """server_vad, and the person's words on the wire."""
    detection = {"type": "server_vad", "silence_duration_ms": silence_ms}
    heard = {"turn_detection": detection, "transcription": {"model": "whisper-1"}}
    return json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": {"input": heard}}})


class Person:
    """Speaks one turn after the other; in between the microphone hears the room."""

    def __init__(self, number: int, chance: random.Random) -> None:
        self.number, self._chance = number, chance
        self.turns: list[SpokenTurn] = []
        self._turn: SpokenTurn | None = None
        self._sent_at: deque[tuple[int, float]] = deque(maxlen=200)
        """Chunks and when they left."""
        self._sent = 0
        self._began = 0.0
        self._queue: deque[str] = deque()
        self._room = deque(appends(room(1.0)))
        self._done = asyncio.Event()

    async def hold(self, url: str, headers: dict[str, str], turns: int, stay: asyncio.Event) -> None:
        """Talk, and then be silent until ``stay`` is set."""
        async with connect(url, additional_headers=headers, proxy=None, compression=None, max_size=None) as socket:
            await socket.send(session_update())
            self._began = time.monotonic()
            reading = asyncio.create_task(self._read(socket))
            sending = asyncio.create_task(self._send(socket))
            try:
                for _ in range(turns):
                    await self._speak(saying(self._chance))
                await stay.wait()
            finally:
                sending.cancel()
                reading.cancel()
                await asyncio.gather(sending, reading, return_exceptions=True)

    async def _speak(self, said: Saying) -> None:
        chunks = appends(said.samples)
        turn = self._turn = SpokenTurn(self.number)
        self.turns.append(turn)
        self._done.clear()
        # What is queued now leaves behind the chunk that is being waited for.
        turn.end_at = self._began + self._sent * CHUNK_S + said.end_s
        self._queue.extend(chunks)
        try:
            async with asyncio.timeout(_TURN_S):
                await self._done.wait()
        except TimeoutError:
            turn.problem = turn.problem or "no answer"
        await asyncio.sleep(self._chance.uniform(0.1, 0.6))
        self._turn = None

    async def _send(self, socket: ClientConnection) -> None:
        """A chunk is there once its last sample was heard."""
        while True:
            due = self._began + (self._sent + 1) * CHUNK_S
            await asyncio.sleep(due - time.monotonic())
            self._room.rotate(-1)
            chunk = self._queue.popleft() if self._queue else self._room[0]
            now = time.monotonic()
            self._sent_at.append((self._sent, now))
            self._sent += 1
            if self._turn is not None:
                self._turn.late_ms.append(round((now - due) * 1000, 2))
            await socket.send(chunk)

    async def _read(self, socket: ClientConnection) -> None:
        async for message in socket:
            assert isinstance(message, str)
            self._took(message, time.monotonic())

    def _took(self, message: str, now: float) -> None:
        turn = self._turn
        if turn is None:
            return
        if message.startswith(_DELTA):
            turn.first_at = turn.first_at or now
        elif message.startswith(_STOPPED):
            turn.stopped_at = now
            chunk = int((json.loads(message)["audio_end_ms"] / 1000 - 1e-6) / CHUNK_S)
            turn.decided_at = next((at for number, at in self._sent_at if number == chunk), None)
        elif message.startswith(_STARTED) and turn.stopped_at is not None:
            turn.problem = "it took one utterance for two"
        elif message.startswith(_ERROR):
            turn.problem = str(json.loads(message)["error"]["code"])
        elif message.startswith(_DONE):
            status = json.loads(message)["response"]["status"]
            if status != "completed":
                turn.problem = f"the answer is {status}"
            turn.done_at = now
            self._done.set()
