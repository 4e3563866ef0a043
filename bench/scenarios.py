"""What is done to measure each row. A scenario is repeated; each repetition gives one mapping of figures."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from bench.alignment import dropouts, lateness_ms
from bench.person import Ears, MicrophoneWatch
from bench.room import MESSAGE, Room
from bench.stdio_client import StdioServer
from bench.turns import Figures, TurnFailedError, converse, speak

__all__ = ["SCENARIOS", "Recorder", "Scenario"]

_BARE = [sys.executable, str(Path(__file__).with_name("bare_server.py"))]
_TONE_S = 4.0
_STREAM_RATE_X = 1.2
_PIECE_S = 0.1
"""Seconds of sound the engine sends in one piece."""
_PING_EVERY_S = 0.1
_CANCEL_AFTER_S = 1.0
_GIVE_UP_S = 5.0


class Recorder:
    """Collects figures and problems while scenarios run."""

    def __init__(self, advance: Callable[[], None]) -> None:
        """``advance`` is called after each repetition."""
        self.results: dict[str, list[Figures]] = {}
        self.problems: list[str] = []
        self._advance = advance

    def add(self, scenario: str, figures: Figures) -> None:
        self.results.setdefault(scenario, []).append(figures)

    def problem(self, scenario: str, error: Exception) -> None:
        self.problems.append(f"{scenario}: {str(error) or type(error).__name__}")

    def advance(self) -> None:
        self._advance()


Scenario = Callable[[Room, Recorder, str, int], Awaitable[None]]
"""Runs under a name, so many times."""

_One = Callable[[Room, StdioServer, float], Awaitable[Figures]]
"""One repetition on a warm server; the number is how long ``MESSAGE`` is heard, in seconds."""


async def _start(room: Room, recorder: Recorder, name: str, n: int) -> None:
    """The product and the bare server in turn, so that a busy spell of the machine falls on both."""
    command, variables = room.product_command()
    for number in range(n + 1):
        for scenario, argv, env in ((name, command, variables), (f"{name}_bare", _BARE, {})):
            figures = await _one_start(room, argv, env)
            if number:  # the first start compiles, and reads the disk
                recorder.add(scenario, figures)
        recorder.advance()


async def _one_start(room: Room, argv: list[str], env: Mapping[str, str]) -> Figures:
    async with room.server(argv, **env) as server:
        initialize_s = await server.initialize()
        tools = await server.tools()
        await asyncio.sleep(0.3)
        seen = [{key: tool[key] for key in ("name", "description", "inputSchema") if key in tool} for tool in tools]
        return {
            "initialize_ms": 1000 * initialize_s,
            "resident_mb": server.resident_mb(),
            "cpu_ms": 1000 * server.cpu_s(),
            "tokens": len(json.dumps(seen)) // 4,
            "tools": len(tools),
        }


async def _cold(room: Room, recorder: Recorder, name: str, n: int) -> None:
    """The first call of a process, as after opening an editor."""
    for _ in range(n):
        room.configure()
        async with room.product() as server:
            spoken = await speak(room, server)
            first_sound_ms = 1000 * (spoken.first_sound - spoken.answer.sent_at)
            recorder.add(name, {"call_to_sound_ms": first_sound_ms, "called_mb": server.resident_mb()})
        recorder.advance()


def _warm(one: _One, **behaviour: Any) -> Scenario:
    """Repetitions on a server that has spoken once; one that failed is replaced."""

    async def run(room: Room, recorder: Recorder, name: str, n: int) -> None:
        done = 0
        while done < n:
            room.configure(**behaviour)
            async with room.product() as server:
                message_s = (await speak(room, server)).seconds
                while done < n:
                    done += 1
                    recorder.advance()
                    try:
                        recorder.add(name, await one(room, server, message_s))
                    except (TurnFailedError, TimeoutError, ConnectionError) as error:
                        recorder.problem(name, error)
                        break

    return run


async def _sentence(room: Room, server: StdioServer, message_s: float) -> Figures:
    return await converse(room, server, room.sentence, message_s=message_s, after_s=None)


async def _word(room: Room, server: StdioServer, message_s: float) -> Figures:
    return await converse(room, server, room.word, message_s=message_s, after_s=None)


def _eager(after_s: float) -> Scenario:
    async def one(room: Room, server: StdioServer, message_s: float) -> Figures:
        return await converse(room, server, room.sentence, message_s=message_s, after_s=after_s)

    return _warm(one)


async def _tone(room: Room, server: StdioServer, _: float) -> Figures:
    spoken = await speak(room, server)
    found = dropouts(spoken.heard.chunk)
    if found is None or found.tone_s < _TONE_S / 2:
        raise TurnFailedError(f"no tone was heard, but it said: {spoken.answer.text}")
    pieces = room.stub.events("tts")[-1]["at_pieces"]
    return {
        "engine_late_ms": lateness_ms(pieces, _PIECE_S / _STREAM_RATE_X),
        "dropouts": found.count,
        "silence_ms": found.total_ms,
        "longest_ms": found.longest_ms,
        "heard_s": found.tone_s,
        "result_after_sound_ms": 1000 * (spoken.answer.received_at - spoken.last_sound),
    }


async def _ping(room: Room, server: StdioServer, _: float) -> Figures:
    """A server that does nothing is asked as well: what it answers late is the machine's doing."""
    pings, bare_pings = [], []
    async with room.server(_BARE) as bare:
        await bare.initialize()
        call = server.converse(MESSAGE, wait_for_response=False)
        await asyncio.sleep(0.3)
        while not call.answer.done():
            pings.append(await server.ping())
            bare_pings.append(await bare.ping())
            await asyncio.sleep(_PING_EVERY_S)
        answer = await call.answer
    if answer.failed or len(pings) < _TONE_S / _PING_EVERY_S / 2:
        raise TurnFailedError(f"{len(pings)} pings in {answer.seconds:.1f} s; it said: {answer.text}")
    return {"slowest_ping_ms": 1000 * max(pings), "bare_ping_ms": 1000 * max(bare_pings), "pings": len(pings)}


async def _cancel_speaking(room: Room, server: StdioServer, _: float) -> Figures:
    ears = Ears(room.card)
    try:
        await asyncio.sleep(0.5)
        call = server.converse(MESSAGE, wait_for_response=False)
        await ears.first_sound(_GIVE_UP_S)
        await asyncio.sleep(_CANCEL_AFTER_S)
        told = server.cancel(call)
        await ears.catch_up(told + 1.5)
        last = ears.heard().sounds()[-1][1]
    finally:
        ears.close()
    await server.ping()
    return {"freed_ms": 1000 * (last - told)}


async def _cancel_listening(room: Room, server: StdioServer, _: float) -> Figures:
    with MicrophoneWatch(room.card) as watch:
        await asyncio.sleep(0.3)
        called = time.monotonic()
        call = server.converse("", listen_duration_max=20)
        await watch.opened(called, _GIVE_UP_S)
        await asyncio.sleep(_CANCEL_AFTER_S)
        told = server.cancel(call)
        closed = await watch.closed(told, _GIVE_UP_S)
    await server.ping()
    return {"freed_ms": 1000 * (closed - told)}


SCENARIOS: Mapping[str, Scenario] = {
    "start": _start,
    "cold": _cold,
    "sentence": _warm(_sentence),
    "word": _warm(_word),
    "eager_0": _eager(0.0),
    "eager_200": _eager(0.2),
    "eager_500": _eager(0.5),
    "tone": _warm(_tone, voice="steady", seconds_per_char=_TONE_S / len(MESSAGE), rate_x=_STREAM_RATE_X, piece_s=_PIECE_S),
    "ping": _warm(_ping, voice="steady", seconds_per_char=_TONE_S / len(MESSAGE)),
    "cancel_speaking": _warm(_cancel_speaking, voice="steady", seconds_per_char=_TONE_S / len(MESSAGE)),
    "cancel_listening": _warm(_cancel_listening),
}
