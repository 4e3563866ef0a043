"""``python -m bench.failover``: how much later a person hears, or an agent reads, when the endpoint in front has a fault.

Each cell of the fault matrix is taken with nothing known of any endpoint, which is the worst case. Its figure is the delay
over the same request without the faulty endpoint: until the first sound, or the longest silence in mid-message if that is
more; until the transcript; until the first word of an answer.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

from rich.console import Console

from bench.rows import Judged, Measured, Row
from bench.source import commit, fingerprint
from bench.table import table
from tests.failover.ear import Ear
from tests.failover.endpoints import connected, transcriber
from tests.failover.kinds import FOR_CHAT, FOR_STT, FOR_TTS, UNREACHABLE
from tests.stubs.client import SpeechStub
from tests.stubs.fault_client import AT_CONNECT, FaultProxy
from tests.stubs.sentence_tones import sentences
from voicemode.answers import AnswerRequest
from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.dialogue import Message
from voicemode.interfaces import SpeechRequest, TranscriptionRequest
from voicemode.providers.failover_chat import FailoverAnswerer
from voicemode.providers.failover_tts import FailoverSynthesizer
from voicemode.runtime.playback import speak
from voicemode.testing import texts, tone

__all__ = ["main"]

LIMIT_MS, LIMIT_AT_CONNECT_MS = 3000.0, 300.0
"""Issue 3, done when 1."""

_SENTENCES = 2
_ROOT = Path(__file__).parents[1]
_PLAIN_WIDTH = 150

Urls: TypeAlias = Sequence[str]
Take: TypeAlias = Callable[[Urls], Awaitable[float]]
"""Seconds of one request to these endpoints."""


async def _message(urls: Urls) -> float:
    """Until the first sound, or the longest silence after it."""
    ear = Ear()
    async with connected(urls) as registry:
        began = time.monotonic()
        await speak(sentences(_SENTENCES), SpeechRequest(""), FailoverSynthesizer(registry.tts), ear, lambda _: None)
        await ear.drain()
    ear.check(_SENTENCES)
    assert ear.first_sound_at is not None
    return max(ear.first_sound_at - began, ear.longest_gap_s)


def _utterance(seconds: float) -> Take:
    request = TranscriptionRequest(AudioChunk(tone(seconds), CAPTURE_RATE))

    async def take(urls: Urls) -> float:
        async with connected(urls) as registry:
            began = time.monotonic()
            await transcriber(registry).transcribe(request)
            return time.monotonic() - began

    return take


async def _answer(urls: Urls) -> float:
    """Until the first words, or the longest pause after them."""
    at = [time.monotonic()]
    async with connected(urls, chat_models="stub") as registry:
        answer = FailoverAnswerer(registry.chat).answer(AnswerRequest((Message("user", "Hello."),)))
        at += [time.monotonic() async for _ in texts(answer)]
    return max(later - earlier for earlier, later in pairwise(at))


def _cells() -> list[tuple[Row, Take, str, int]]:
    """Row, how to take it, the fault, and how many requests pass before it."""
    tts = [fault for kind in FOR_TTS.values() for fault in kind]
    stt = [fault for kind in FOR_STT.values() for fault in kind]
    chat = [fault for kind in FOR_CHAT.values() for fault in kind]
    cells: list[tuple[Row, Take, str, int]] = [(_row("speech", fault), _message, fault, 0) for fault in (*tts, *UNREACHABLE)]
    cells += [(_row("speech, 2nd sentence", fault, at_connect=False), _message, fault, 1) for fault in tts]
    cells += [(_row("2 s transcribed", fault), _utterance(2.0), fault, 0) for fault in stt]
    cells += [(_row("30 s transcribed", fault), _utterance(30.0), fault, 0) for fault in ("silent", "drip_body", "refused")]
    cells += [(_row("answer", fault), _answer, fault, 0) for fault in chat]
    return cells


def _row(task: str, fault: str, *, at_connect: bool = True) -> Row:
    return Row(
        name=f"{task}/{fault}",
        title=f"{task}: {fault.replace('_', ' ')}",
        unit="ms",
        scenario=task,
        figure="added",
        limit=LIMIT_AT_CONNECT_MS if at_connect and fault in AT_CONNECT else LIMIT_MS,
        judged=Judged.WORST,
    )


async def _measure(n: int, wanted: str) -> list[tuple[Row, Measured | None]]:
    outcomes: list[tuple[Row, Measured | None]] = []
    without: dict[str, float] = {}
    with SpeechStub(sites=2) as stub, FaultProxy() as faults:
        for site in range(2):
            stub.configure(site, voice="numbers", seconds_per_char=0.05)
        for row, take, fault, after in _cells():
            if wanted not in row.name:
                continue
            if row.scenario not in without:
                await take(stub.urls[1:])  # loads what the first request loads
                without[row.scenario] = statistics.median([await take(stub.urls[1:]) for _ in range(n)])
            try:
                urls = [(faults.open(fault, stub.urls[0], after=after), stub.urls[1]) for _ in range(n)]
                figures = [1000 * max(await take(each) - without[row.scenario], 0.0) for each in urls]
            except (AssertionError, TimeoutError) as error:
                print(f"FAILED  {row.name}: {error!r}", file=sys.stderr)
                outcomes.append((row, None))
            else:
                outcomes.append((row, Measured(row, tuple(figures), reference=None)))
    return outcomes


def main() -> int:
    """Exit status: 0, or 1 when a limit is broken or a cell failed."""
    parser = argparse.ArgumentParser(prog="python -m bench.failover", description=__doc__)
    parser.add_argument("-n", type=int, default=3, help="repetitions of each cell (default 3)")
    parser.add_argument("--only", default="", metavar="PART", help="cells whose name holds this, such as 'drip'")
    arguments = parser.parse_args()
    outcomes = asyncio.run(_measure(arguments.n, arguments.only))
    console = Console() if sys.stdout.isatty() else Console(width=_PLAIN_WIDTH)
    console.print(table(outcomes, title="added delay with a fault in front: median (smallest to largest), the worst is judged"))
    console.print(f"voicemode {commit(_ROOT)} (source {fingerprint(_ROOT / 'voicemode')}).", highlight=False)
    return int(any(outcome is None or not outcome.kept for _, outcome in outcomes))


if __name__ == "__main__":
    raise SystemExit(main())
