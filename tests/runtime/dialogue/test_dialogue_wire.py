"""From the person's sound to the client's events: an engine behind a Realtime session, in virtual time."""

from __future__ import annotations

import asyncio
import itertools
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.runtime.dialogue.stage import Talk, in_virtual_time, quiet
from tests.runtime.tone_words import WordTranscriber, said
from tests.runtime.word_streams import WordStreams
from voicemode.dialogue import Report
from voicemode.runtime.dialogue_engine import DialogueEngine
from voicemode.wire.realtime import Playout, RealtimeSession

HANGS = 600.0


class OnTheWire:
    """An engine behind a Realtime session, and what its client sees."""

    def __init__(self, held: Talk) -> None:
        names = itertools.count(1)
        self.events: list[Any] = []
        self.session = RealtimeSession(
            "sess", playout=Playout.CLIENT, new_id=lambda word: f"{word}_{next(names)}", kind="transcription"
        )
        self.engine = held.engine = DialogueEngine(held.parts, report=self.report)
        self.take(self.session.open(0))

    def report(self, report: Report) -> None:
        self.take(self.session.report(report, 0))

    def take(self, step: Any) -> None:
        self.events += step.events
        for command in step.commands:
            self.engine.command(command)

    def items(self) -> dict[str, list[str]]:
        """The kinds of the events of each item, in order; each run of deltas once."""
        items: dict[str, list[str]] = {}
        for event in self.events:
            if "item_id" in event:
                kinds = items.setdefault(event["item_id"], [])
                kinds += [event["type"].rsplit(".")[-1]] if kinds[-1:] != [event["type"].rsplit(".")[-1]] else []
        return items

    def words(self, item_id: str, kind: str) -> list[str]:
        return [
            event.get("delta", event.get("transcript"))
            for event in self.events
            if event.get("item_id") == item_id and event["type"].endswith(f"input_audio_transcription.{kind}")
        ]


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    turns=st.lists(st.lists(st.sampled_from(["I", "want", "tea", "no", "please"]), min_size=1, max_size=6), max_size=3),
    every_s=st.sampled_from([0.05, 0.1, 0.5]),
    delay_s=st.sampled_from([0.0, 0.2, 1.0, HANGS]),
    block_s=st.sampled_from([0.01, 0.02, 0.1]),
)
def test_deltas_add_up_to_what_is_completed(
    tmp_path: Path, turns: list[list[str]], every_s: float, delay_s: float, block_s: float
) -> None:
    """Whatever is said and however slow the stream is: between the beginning of a turn and its end, then the rest, then all."""

    spoken = [" ".join(word for word, _ in itertools.groupby(words)) for words in turns]  # a tone that goes on is one word

    async def whole() -> None:
        changes = {"streams": WordStreams(every_s=every_s, delay_s=delay_s)}
        held = Talk(tmp_path, transcriber=WordTranscriber(delay_s=0.3), changes=changes, answers=False)
        wire = OnTheWire(held)
        async with held.held():
            for words in spoken:
                await held.hear(quiet(0.5), said(words), quiet(1.5), block_s=block_s)
            await asyncio.sleep(3.0)
        for (item_id, kinds), words in zip(wire.items().items(), spoken, strict=True):
            assert wire.words(item_id, "completed") == [words]
            assert "".join(wire.words(item_id, "delta")) in ("", words)
            assert all(wire.words(item_id, "delta"))
            assert kinds[0] == "speech_started"
            assert [kind for kind in kinds if kind != "delta"] == ["speech_started", "speech_stopped", "committed", "completed"]
            assert kinds[-1] == "completed"

    in_virtual_time(whole)
