"""The stages of a turn are told from what engine and protocol say, and no words are among them."""

from __future__ import annotations

import numpy as np

from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    CancelAnswer,
    CancelReason,
    InputTranscribed,
    Respond,
    SpeechStarted,
    SpeechStopped,
)
from voicemode.http.turn_stages import Stage, TurnStages, TurnTimes
from voicemode.runtime.realtime_parts import Ended

SOUND = np.zeros(1, np.int16)


class Seen:
    def __init__(self) -> None:
        self.stages: list[tuple[Stage, float]] = []
        self.turns: list[TurnTimes] = []
        self.watch = TurnStages(lambda stage, seconds: self.stages.append((stage, seconds)), self.turns.append)

    @property
    def outcomes(self) -> list[str]:
        return [turn.outcome for turn in self.turns]


def test_a_spoken_turn_has_every_stage() -> None:
    """Each once, whatever comes after its first word and first sound."""
    seen = Seen()
    seen.watch.report(SpeechStarted(0), 1.0)
    seen.watch.report(SpeechStopped(900), 2.0)
    seen.watch.command(Respond("r", ()), 2.25)
    seen.watch.report(InputTranscribed("i", "private", 1.0), 2.5)
    for at in (3.0, 3.5):
        seen.watch.report(AnswerText("r", "private"), at)
        seen.watch.report(AnswerAudio("r", SOUND), at + 0.25)
    seen.watch.report(AnswerDone("r"), 5.0)
    assert seen.stages == [("transcription", 0.5), ("first_word", 0.75), ("first_sound", 0.25), ("answer", 1.25)]
    assert seen.outcomes == ["completed"]
    assert "private" not in repr(seen.turns)


def test_an_answer_that_nobody_spoke_for_counts_from_its_request() -> None:
    """As after a typed message."""
    seen = Seen()
    seen.watch.command(Respond("r", ()), 2.0)
    seen.watch.report(AnswerAudio("r", SOUND), 2.5)
    assert seen.stages == [("answer", 0.5)]


def test_every_end_has_its_name() -> None:
    """Cancelled, failed, and not answered at all; what follows an end belongs to no turn."""
    seen = Seen()
    seen.watch.command(Respond("a", ()), 1.0)
    seen.watch.command(CancelAnswer("a", CancelReason.TURN_DETECTED), 2.0)
    seen.watch.report(AnswerAudio("a", SOUND), 2.1)
    seen.watch.command(Respond("b", ()), 3.0)
    seen.watch.report(AnswerFailed("b", "x", "y"), 4.0)
    seen.watch.report(SpeechStopped(0), 5.0)
    seen.watch.ended(Ended(1000), 6.0)
    assert seen.outcomes == ["cancelled", "failed", "unanswered"]
    assert seen.stages == []
