"""A session without I/O under frames of a fuzzer, with an engine that answers, reports at random, and is sometimes late."""

from __future__ import annotations

import json
import random
import tracemalloc
from dataclasses import dataclass

from tests.realtime_fuzz.frames import frames
from tests.wire.realtime.wire_client import Event, WireClient, sound
from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    CancelAnswer,
    CommitInput,
    IdleTimedOut,
    InputTranscribed,
    InputTranscriptFailed,
    Report,
    Respond,
    SpeechStarted,
    SpeechStopped,
    ToolCallBegan,
    ToolCallDone,
)
from voicemode.wire.realtime import Playout

__all__ = ["Outcome", "fuzz"]

_SILENT = frozenset({"input_audio_buffer.append", "output_audio_buffer.clear"})
"""What may be followed without an event: sound is not acknowledged, and a flush tells when it is done."""


@dataclass(slots=True)
class Outcome:
    """What a session made of so many frames."""

    frames: int
    unanswered: list[str]
    """Frames other than sound that led to no event."""
    still_answers: bool
    grown_mb: float
    """Of memory in use, from the first tenth of the frames to the last."""


def fuzz(count: int, seed: int, playout: Playout = Playout.CLIENT, *, huge: int = 2) -> Outcome:
    """Raises what the session raises, with the frame that did it as a note."""
    chance = random.Random(seed)
    client = WireClient(playout=playout)
    engine = _Engine(client, chance)
    outcome = Outcome(count, [], False, 0.0)
    tracemalloc.start()
    try:
        early = 0
        for number, frame in enumerate(frames(count, seed, huge=huge)):
            try:
                client.now_ms += chance.choice((0, 1, 20, 500))
                if not client.send_raw(frame) and json.loads(frame)["type"] not in _SILENT:
                    outcome.unanswered.append(str(frame[:200]))
                engine.go_on()
            except Exception as error:
                error.add_note(f"frame {number} of seed {seed}: {frame[:500]!r}")
                raise
            # They are the test's, and would be taken for the session's growth.
            client.log.clear()
            client.all_commands.clear()
            if number == count // 10:
                early, _ = tracemalloc.get_traced_memory()
        outcome.grown_mb = (tracemalloc.get_traced_memory()[0] - early) / 1e6
    finally:
        tracemalloc.stop()
    outcome.still_answers = _answers(client, engine)
    return outcome


class _Engine:
    """Takes the session's commands, and reports."""

    def __init__(self, client: WireClient, chance: random.Random) -> None:
        self._client, self._chance = client, chance
        self._answers: list[str] = []
        self._items: list[str] = []
        self._at_ms = 0

    def go_on(self) -> None:
        """Hear the commands of the last step, and say something of one's own."""
        self._take()
        if self._chance.random() < 0.5:
            self._client.hear(*self._reports())
            self._take()

    def finish(self) -> list[Event]:
        """End every answer."""
        self._take()
        ended = [event for name in self._answers for event in self._client.hear(AnswerText(name, "Yes."), AnswerDone(name))]
        self._answers.clear()
        return ended

    def _take(self) -> None:
        for command in self._client.commands:
            match command:
                case Respond():
                    self._answers.append(command.response_id)
                case CancelAnswer() if command.response_id in self._answers and self._chance.random() < 0.8:
                    self._answers.remove(command.response_id)
                case CommitInput():
                    self._items.append(command.item_id)
        self._client.commands = ()

    def _reports(self) -> list[Report]:
        self._at_ms += self._chance.randrange(500)
        if self._items and self._chance.random() < 0.5:
            item_id = self._items.pop(0)
            failed = InputTranscriptFailed(item_id, "x", "Nobody could.")
            return [failed if self._chance.random() < 0.2 else InputTranscribed(item_id, "Hello.", 1.0)]
        if self._answers and self._chance.random() < 0.7:
            return self._of_answer(self._chance.choice(self._answers))
        return [self._chance.choice((SpeechStarted(self._at_ms), SpeechStopped(self._at_ms), IdleTimedOut(0, self._at_ms)))]

    def _of_answer(self, name: str) -> list[Report]:
        if self._chance.random() < 0.3:
            self._answers.remove(name)
            return [AnswerFailed(name, "x", "It broke.") if self._chance.random() < 0.2 else AnswerDone(name)]
        if self._chance.random() < 0.2:
            call_id = f"c{self._chance.randrange(5)}"
            return [ToolCallBegan(name, call_id, "f"), ToolCallDone(name, call_id)]
        return [AnswerText(name, "Well, "), AnswerAudio(name, sound(40), "Well,")]


def _answers(client: WireClient, engine: _Engine) -> bool:
    """Is a question still asked, answered, and the answer ended?"""
    engine.finish()
    events = client.send("session.update", session={"type": "realtime", "audio": {"input": {"turn_detection": None}}})
    events += client.send("response.create", response={"conversation": "none", "input": []})
    events += engine.finish()
    kinds = [event["type"] for event in events]
    return kinds[0] == "session.updated" and "response.created" in kinds and kinds[-1] == "response.done"
