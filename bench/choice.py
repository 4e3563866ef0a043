"""What the choice of an endpoint costs a request: ``python -m bench.choice``.

The decision, the ticket and the bookkeeping of one request, with twelve endpoints and full tallies, beside the cheapest request
there is: one byte there and back over a loopback socket that is open already.
"""

from __future__ import annotations

import asyncio
import random
import time

from rich.console import Console
from rich.table import Table

from voicemode.core.failover import Candidate, Need, Origin, choose
from voicemode.core.health import Health
from voicemode.core.tally import KEPT, percentile

__all__ = ["main"]

ENDPOINTS = 12
REQUESTS = 5000
LIMIT_S = 0.001


def _candidates(chance: random.Random) -> list[Candidate]:
    candidates = []
    for number in range(ENDPOINTS):
        health = Health.new(chance.random)
        for second in range(KEPT):
            health.worked(health.begin(second), second + chance.random())
        candidates.append(Candidate(name=f"http://127.0.0.1:{9000 + number}/v1", origin=Origin.FOUND, health=health))
    return candidates


def _choices() -> list[float]:
    """Seconds of each request's choice and bookkeeping."""
    candidates = _candidates(random.Random(7))
    by_name = {candidate.name: candidate.health for candidate in candidates}
    need = Need(task="tts", voice="af_sky", language="en", streaming=True)
    took = []
    for number in range(REQUESTS):
        now = KEPT + number / 10
        began = time.perf_counter()
        health = by_name[choose(candidates, need, now).order[0].name]
        ticket = health.begin(now)
        health.first_byte(ticket, now + 0.05)
        health.tally.usual_p95_s()
        health.worked(ticket, now + 0.5)
        took.append(time.perf_counter() - began)
    return took


async def _exchanges() -> list[float]:
    """Seconds of each exchange of one byte over an open loopback connection."""

    ended = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1):
            writer.write(data)
        writer.close()
        ended.set()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    took = []
    for _ in range(REQUESTS):
        began = time.perf_counter()
        writer.write(b".")
        await reader.readexactly(1)
        took.append(time.perf_counter() - began)
    writer.close()
    await ended.wait()
    server.close()
    return took


def main() -> None:
    """Measure both and print the table."""
    choices, exchanges = _choices(), asyncio.run(_exchanges())
    table = Table(title=f"Choice and bookkeeping of one request, {ENDPOINTS} endpoints, n={REQUESTS}")
    for column in ("measured", "p50", "p99", "limit (p99)", "kept"):
        table.add_column(column)
    p99_s = percentile(choices, 99) or 0.0
    table.add_row("choice and bookkeeping", *_shown(choices), f"{LIMIT_S * 1000:g} ms", "yes" if p99_s <= LIMIT_S else "NO")
    table.add_row("one byte there and back on loopback", *_shown(exchanges), "", "")
    ratio = (percentile(choices, 50) or 0.0) / (percentile(exchanges, 50) or 1.0)
    table.caption = f"The choice takes {ratio:.2f} x as long as one byte there and back."
    Console().print(table)


def _shown(took: list[float]) -> tuple[str, str]:
    return f"{(percentile(took, 50) or 0) * 1e6:.0f} µs", f"{(percentile(took, 99) or 0) * 1e6:.0f} µs"


if __name__ == "__main__":
    main()
