"""Many conversations on one server in a storm, and one more turn of each when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from websockets.asyncio.client import connect

from bench.realtime_server import RealtimeProcess, realtime_server
from tests.realtime_chaos.storm import TASKS, Endpoint, Fault, Storm, Strike
from tests.realtime_chaos.talk import Talk, Turn, problems, well

__all__ = ["FAULTS", "Report", "hold", "struck_server"]

FAULTS: tuple[Fault, ...] = ("kill", "hang", "reset")
_AT_ONCE = 4


@dataclass(slots=True)
class Report:
    """What came of all of them."""

    conversations: int = 0
    turns: int = 0
    strikes: list[Strike] = field(default_factory=list)
    failed_words: int = 0
    failed_answers: int = 0
    problems: list[str] = field(default_factory=list)

    def count(self, turn: Turn) -> None:
        self.turns += 1
        self.failed_words += len(turn.of("conversation.item.input_audio_transcription.failed"))
        self.failed_answers += sum(event["response"]["status"] == "failed" for _, event in turn.of("response.done"))


@contextlib.contextmanager
def struck_server(folder: Path, *, spare: bool) -> Iterator[tuple[RealtimeProcess, list[Endpoint]]]:
    """A server, and the endpoints that may be struck; with ``spare`` there is another one for each task, which is well.

    Without, nobody can tell an engine that hangs from one that thinks but by waiting: a server with one engine for each task
    is told how long.
    """
    struck = [Endpoint(task) for task in TASKS]
    spares = [Endpoint(task) for task in TASKS] if spare else []
    try:
        named = {f"{task}_base_urls": ",".join(each.url for each in (*struck, *spares) if each.task == task) for task in TASKS}
        hasty = {} if spare else {"first_byte_timeout_s": "2.5", "stall_timeout_s": "2", "connect_timeout_s": "1"}
        with realtime_server(folder, **named, **hasty, chat_models="stub", speech_cache="off") as server:
            yield server, struck
    finally:
        for endpoint in (*struck, *spares):
            endpoint.stop()


async def hold(
    server: RealtimeProcess,
    endpoints: Sequence[Endpoint],
    count: int,
    *,
    seed: int,
    turns: int = 3,
    ended: Callable[[int], None] = lambda _: None,
) -> Report:
    """``ended`` is told how many conversations are over."""
    report = Report()
    for first in range(0, count, _AT_ONCE):
        await _batch(server, endpoints, range(first, min(first + _AT_ONCE, count)), (seed, turns), report)
        ended(report.conversations)
    return report


async def _batch(
    server: RealtimeProcess, endpoints: Sequence[Endpoint], numbers: range, plan: tuple[int, int], report: Report
) -> None:
    seed, turns = plan
    storm = Storm(endpoints, random.Random(f"{seed}/{numbers.start}"), FAULTS)
    over, healed, waiting = asyncio.Event(), asyncio.Event(), asyncio.Semaphore(0)

    async def one(number: int) -> None:
        chance = random.Random(f"{seed}/{number}/talk")
        async with connect(server.socket_url, additional_headers=server.headers, proxy=None, max_size=None) as socket:
            talk = Talk(socket, chance)
            reading = asyncio.create_task(talk.read())
            try:
                await talk.begin()
                for _ in range(turns):
                    await talk.speak()
                    await asyncio.sleep(chance.uniform(0.0, 0.3))
                waiting.release()
                await healed.wait()
                last = await talk.speak()
            finally:
                reading.cancel()
        found = [each for turn in talk.turns for each in problems(turn, storm.strikes, server.base / "pending")]
        found += [f"when all was well again: {each}" for each in well(last)]
        report.problems += [f"conversation {number}: {each}" for each in found]
        report.conversations += 1
        for turn in talk.turns:
            report.count(turn)

    raging = asyncio.create_task(storm.rage(over))
    talking = [asyncio.create_task(one(number)) for number in numbers]
    try:
        for _ in numbers:
            await _first(waiting.acquire(), *talking)
        over.set()
        await raging
        healed.set()
        for number, ended in zip(numbers, await asyncio.gather(*talking, return_exceptions=True), strict=True):
            if ended is not None:
                report.problems.append(f"conversation {number}: the session died: {ended!r}")
    finally:
        raging.cancel()
        report.strikes += storm.strikes


async def _first(acquiring: object, *talking: asyncio.Task[None]) -> None:
    """Somebody is through the storm, or died in it."""
    acquired = asyncio.ensure_future(acquiring)  # type: ignore[call-overload]
    alive = [task for task in talking if not task.done()]
    await asyncio.wait([acquired, *alive], return_when=asyncio.FIRST_COMPLETED)
    acquired.cancel()
