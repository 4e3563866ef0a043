"""Are realtime answers interrupted as they should be? ``python -m bench.realtime_interruption [-n 20] [--json FILE]``.

A ``voicemode serve`` of its own; the voice is a stub that speaks words of known times. A person talks into the answer at evenly
spread offsets, in four series: over WebSocket with a client that says how much it played, with one that does not, and with an
answer that was there whole long before; and over WebRTC. Judged: the last sound of the old answer after the decision (at most
50 ms), events of it after its end (none), and its words in the next request for an answer (as many as were audible,
within one).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from bench.heard import MESSAGES
from bench.realtime_interruption_call import MediaCall, SocketCall, interrupt
from bench.realtime_interruption_trial import Happened, Trial, judged
from bench.realtime_server import RealtimeProcess, realtime_server
from bench.source import commit
from tests.stubs.client import SpeechStub
from tests.stubs.spoken_words import spoken_words

__all__ = ["SERIES", "main"]

_ROOT = Path(__file__).parents[1]
_ANSWER = MESSAGES[0]
_LIKE_ENGINES = 1.3
"""Times as fast as a person listens: so the answer is under way until nearly its end."""
_NOT_BEFORE_S = 0.4
_WORDS_LEFT_S = 1.5
"""So much of the answer is left at the latest offset."""


@dataclass(frozen=True, slots=True)
class Series:
    name: str
    transport: str = "ws"
    truncates: bool = True
    rate_x: float = _LIKE_ENGINES


SERIES = (
    Series("WebSocket"),
    Series("WebSocket, client says nothing", truncates=False),
    Series("WebSocket, answer was whole", rate_x=0.0),
    Series("WebRTC", "webrtc", truncates=False),
)


def offsets(count: int) -> list[float]:
    """Seconds of the answer, evenly spread."""
    last = spoken_words(_ANSWER)[0].size / 24_000 - _WORDS_LEFT_S
    return [_NOT_BEFORE_S + (last - _NOT_BEFORE_S) * n / max(count - 1, 1) for n in range(count)]


async def _one(server: RealtimeProcess, series: Series, number: int, offset_s: float) -> Happened:
    make = MediaCall if series.transport == "webrtc" else SocketCall
    call = make(Happened(offset_s), truncates=series.truncates)
    url = server.socket_url if series.transport == "ws" else f"{server.url}/v1/realtime/calls"
    name = f"{series.name} {number}"
    try:
        await interrupt(call, url, server.headers, name, random.Random(name))
    except (TimeoutError, OSError) as error:
        call.seen.problem = call.seen.problem or f"{type(error).__name__}: {error}"
    return call.seen


async def _series(
    server: RealtimeProcess, stub: SpeechStub, series: Series, n: int, at_once: int, progress: Progress
) -> list[Trial]:
    stub.configure(voice="words", chat_text=_ANSWER, stt_text="Stop, please.", rate_x=series.rate_x)
    bar = progress.add_task(series.name, total=n)
    places = asyncio.Semaphore(at_once)

    async def one(number: int, offset_s: float) -> Happened:
        async with places:
            seen = await _one(server, series, number, offset_s)
            progress.advance(bar)
            return seen

    happened = await asyncio.gather(*(one(number, offset_s) for number, offset_s in enumerate(offsets(n))))
    asked = [event["body"]["messages"] for event in await asyncio.to_thread(stub.events, "chat") if "body" in event]
    for number, seen in enumerate(happened):
        seen.context = _second(asked, f"{series.name} {number}")
    return [judged(series.name, seen) for seen in happened]


def _second(asked: Sequence[list[dict[str, Any]]], name: str) -> list[dict[str, Any]]:
    """The last request of a conversation, if the person had spoken twice by then."""
    mine = [messages for messages in asked if messages[0]["content"].split("\n")[0] == name]
    twice = [messages for messages in mine if sum(message["role"] == "user" for message in messages) == 2]
    return twice[-1] if twice else []


async def _measure(arguments: argparse.Namespace, progress: Progress, folder: Path) -> list[Trial]:
    trials = []
    with SpeechStub(sites=1) as stub:
        named = dict.fromkeys(("tts_base_urls", "stt_base_urls", "chat_base_urls"), stub.url)
        with realtime_server(folder, **named, chat_models="stub", speech_cache="off") as server:
            for series in SERIES:
                if arguments.only in series.name:
                    trials += await _series(server, stub, series, arguments.n, arguments.at_once, progress)
    return trials


def _table(trials: Sequence[Trial]) -> Table:
    table = Table(title="realtime answers that were interrupted")
    for column in ("series", "n", "kept", "decided after", "last sound, worst", "late events", "words: errors", "old answers"):
        table.add_column(column, justify="left" if column == "series" else "right")
    for name in dict.fromkeys(trial.series for trial in trials):
        mine = [trial for trial in trials if trial.series == name]
        good = [trial for trial in mine if not trial.problem]
        decided = f"{statistics.median(trial.noticed_ms for trial in good):.0f} ms" if good else ""
        last = f"{max(trial.last_ms for trial in good):.0f} ms" if good else ""
        errors = " ".join(f"{trial.error:+d}" for trial in good)
        statuses = ", ".join(f"{sum(t.status == s for t in good)} {s}" for s in dict.fromkeys(t.status for t in good))
        kept = f"{sum(trial.kept for trial in mine)}"
        table.add_row(name, str(len(mine)), kept, decided, last, str(sum(t.late for t in mine)), errors, statuses)
    return table


def main() -> int:
    """Exit status 0, or 1 where an interruption missed a bar."""
    parser = argparse.ArgumentParser(prog="python -m bench.realtime_interruption", description=__doc__)
    parser.add_argument("-n", type=int, default=20, help="offsets of each series (default 20)")
    parser.add_argument("--at-once", type=int, default=4, help="conversations at the same time (default 4)")
    parser.add_argument("--only", default="", metavar="PART", help="series whose name holds this, such as 'WebRTC'")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every interruption there")
    arguments = parser.parse_args()
    load = os.getloadavg()[0]
    console = Console() if sys.stdout.isatty() else Console(width=170)
    with tempfile.TemporaryDirectory() as folder, Progress(console=console, transient=True) as progress:
        trials = asyncio.run(_measure(arguments, progress, Path(folder)))
    console.print(_table(trials))
    console.print(f"voicemode {commit(_ROOT)}, load {load:.1f} before, {os.getloadavg()[0]:.1f} after", highlight=False)
    for trial in trials:
        if not trial.kept:
            console.print(f"FAILED  {trial}", highlight=False, markup=False)
    if arguments.json is not None:
        arguments.json.write_text(
            json.dumps([asdict(trial) | {"error": trial.error} for trial in trials], indent=1) + "\n", "utf-8"
        )
    return int(not trials or not all(trial.kept for trial in trials))


if __name__ == "__main__":
    raise SystemExit(main())
