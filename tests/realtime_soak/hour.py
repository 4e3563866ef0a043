"""An hour of conversation in a minute: protocol, call and engine as they are served, models that are fakes, virtual time."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import tracemalloc
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.realtime_sounds import WIRE_RATE, appends, room
from tests.runtime.realtime_fakes import FakePeer
from tests.virtual_time import VirtualTimeLoop
from voicemode.dialogue import Report
from voicemode.runtime.dialogue_engine import DialogueEngine
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.journal import Journal
from voicemode.runtime.realtime import RealtimeCall
from voicemode.testing import FakeAnswerer, FakeDetector, FakeScorer, FakeSynthesizer, FakeTranscriber, tone
from voicemode.wire.realtime import Playout, RealtimeSession

__all__ = ["Minute", "hold"]

_CYCLE_S = 10.0
"""A turn and its answer: six in a minute."""
_CHUNK_S = 0.2
_SPEECH_S = 1.2
_INTERRUPTED = 3
"""Every third answer is; the client says that it played so much of it:"""
_PLAYED_MS = 300


@dataclass(frozen=True, slots=True)
class Minute:
    """What there is at the end of a minute, when nobody speaks."""

    memory_mb: float
    """In use by Python, garbage collected."""
    tasks: int
    turns: int
    """So far."""
    kept_mb: float
    """Sound that the session has of earlier utterances."""
    cut: int
    """Answers that were interrupted, so far."""
    recordings: int
    """On disk, of what was not written down."""


def hold(folder: Path, minutes: int, told: Callable[[int], None] = lambda _: None) -> list[Minute]:
    """Talk for so long; ``told`` is told each minute."""
    tracemalloc.start()
    try:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(_talk(folder, minutes, told))
    finally:
        tracemalloc.stop()


async def _talk(folder: Path, minutes: int, told: Callable[[int], None]) -> list[Minute]:
    loop, ids, peer = asyncio.get_running_loop(), itertools.count(1), _Counting()
    session = RealtimeSession("sess_1", playout=Playout.CLIENT, new_id=lambda word: f"{word}_{next(ids)}")
    voice, ear, answerer = FakeSynthesizer(), FakeTranscriber(["what is the weather like"]), FakeAnswerer()
    detector = FakeDetector()
    parts = DialogueParts(
        make_detector=lambda: detector,
        synthesizer=voice,
        transcriber=ear,
        scorer=FakeScorer([0.9]),
        journal=Journal(folder / "pending"),
        answerer=answerer,
        session_id="sess",
    )

    def make_engine(report: Callable[[Report], None]) -> DialogueEngine:
        return DialogueEngine(parts, report=report)

    call = RealtimeCall(session, make_engine, peer.peer, clock=loop.time)
    running = asyncio.create_task(call.run())
    await asyncio.sleep(0)
    call.received(json.dumps({"type": "session.update", "session": _SESSION}))
    said = np.concatenate((tone(_SPEECH_S, sample_rate=WIRE_RATE), room(_CYCLE_S - _SPEECH_S)))
    cycle, found = appends(said, _CHUNK_S), list[Minute]()
    for minute in range(minutes):
        for number in range(round(60 / _CYCLE_S)):
            await _cycle(call, peer, cycle, interrupted=number % _INTERRUPTED == 0)
        for remembered in (detector.frames, voice.requests, voice.syntheses, ear.requests, answerer.requests, answerer.answers):
            remembered.clear()  # fakes keep what they were asked
        gc.collect()
        memory, tasks = tracemalloc.get_traced_memory()[0], len(asyncio.all_tasks())
        recordings = sum(1 for _ in folder.rglob("*.wav"))
        kept_mb = session._state.kept._bytes / 1e6
        found.append(Minute(memory / 1e6, tasks, peer.turns, kept_mb, peer.cut, recordings))
        told(minute + 1)
    call.closed()
    await running
    return found


async def _cycle(call: RealtimeCall, peer: _Counting, cycle: list[str], *, interrupted: bool) -> None:
    for number, chunk in enumerate(cycle):
        call.received(chunk)
        await asyncio.sleep(_CHUNK_S)
        if interrupted and peer.sounding and number * _CHUNK_S > _SPEECH_S + 1.0:
            told = {"item_id": peer.sounding, "content_index": 0, "audio_end_ms": _PLAYED_MS}
            call.received(json.dumps({"type": "conversation.item.truncate", **told}))
            peer.sounding = ""


class _Counting(FakePeer):
    """A client that keeps nothing."""

    turns = cut = 0
    sounding = ""
    """The item whose sound came last; empty once it was cut."""

    async def send(self, frame: str | bytes) -> None:
        event = json.loads(frame)
        if event["type"] == "response.output_audio.delta":
            self.sounding = event["item_id"]
        self.turns += event["type"] == "response.done" and event["response"]["status"] == "completed"
        self.cut += event["type"] == "conversation.item.truncated"
        assert event["type"] != "error", event


_SESSION = {
    "type": "realtime",
    "audio": {"input": {"turn_detection": {"type": "server_vad"}, "transcription": {"model": "whisper-1"}}},
}
