"""How long the stages of each turn take, from what engine and protocol tell one another. Times and counts only, never words."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from voicemode.dialogue import (
    AnswerAudio,
    AnswerDone,
    AnswerFailed,
    AnswerText,
    CancelAnswer,
    Command,
    InputTranscribed,
    InputTranscriptFailed,
    Report,
    Respond,
    SpeechStarted,
    SpeechStopped,
)
from voicemode.runtime.outbox import Event
from voicemode.runtime.realtime_parts import Ended

__all__ = ["Outcome", "Stage", "TurnStages", "TurnTimes"]

Stage: TypeAlias = Literal["transcription", "first_word", "first_sound", "answer"]
"""From the end of speech to its words; from the request to the first word; from that to the first sound; from the end of speech
(or the request, if nobody spoke) to the first sound."""

Outcome: TypeAlias = Literal["completed", "cancelled", "failed", "unanswered"]


@dataclass(slots=True)
class TurnTimes:
    """One turn. Instants are of the call's clock; None: it did not happen, or not yet."""

    began: float
    stopped: float | None = None
    """The end of the person's speech was decided."""
    requested: float | None = None
    first_word: float | None = None
    first_sound: float | None = None
    response_id: str = ""
    stages: dict[Stage, float] = field(default_factory=dict)
    """Seconds of each that is over."""
    ended: float | None = None
    outcome: Outcome = "unanswered"


class TurnStages:
    """An observer of one call. ``on_stage`` and ``on_turn`` are told as each is over."""

    def __init__(
        self, on_stage: Callable[[Stage, float], None] = lambda *_: None, on_turn: Callable[[TurnTimes], None] = lambda _: None
    ) -> None:
        self._on_stage, self._on_turn = on_stage, on_turn
        self._turn: TurnTimes | None = None
        """The turn that is under way."""

    def command(self, command: Command, now: float) -> None:
        match command:
            case Respond(response_id=response_id):
                turn = self._turn
                if turn is None or turn.response_id:
                    self._finish("unanswered", now)
                    turn = self._turn = TurnTimes(now)
                turn.requested, turn.response_id = now, response_id
            case CancelAnswer(response_id=response_id) if self._is_of(response_id):
                self._finish("cancelled", now)
            case _:
                pass

    def report(self, report: Report, now: float) -> None:
        match report:
            case SpeechStarted():
                if self._turn is None:
                    self._turn = TurnTimes(now)
            case SpeechStopped():
                turn = self._turn
                if turn is None or turn.response_id:
                    self._finish("unanswered", now)
                    turn = self._turn = TurnTimes(now)
                turn.stopped = now
            case InputTranscribed() | InputTranscriptFailed():
                if self._turn is not None and self._turn.stopped is not None:
                    self._stage("transcription", now - self._turn.stopped)
            case AnswerText(response_id=response_id) if self._is_of(response_id):
                self._first_word(now)
            case AnswerAudio(response_id=response_id) if self._is_of(response_id):
                self._first_sound(now)
            case AnswerDone(response_id=response_id) if self._is_of(response_id):
                self._finish("completed", now)
            case AnswerFailed(response_id=response_id) if self._is_of(response_id):
                self._finish("failed", now)
            case _:
                pass

    def event(self, event: Event, now: float) -> None:
        """Nothing of the wire counts here."""

    def ended(self, ended: Ended, now: float) -> None:
        del ended
        self._finish("unanswered", now)

    def _is_of(self, response_id: str) -> bool:
        return self._turn is not None and self._turn.response_id == response_id

    def _first_word(self, now: float) -> None:
        turn = self._turn
        if turn is not None and turn.first_word is None and turn.requested is not None:
            turn.first_word = now
            self._stage("first_word", now - turn.requested)

    def _first_sound(self, now: float) -> None:
        turn = self._turn
        if turn is not None and turn.first_sound is None and turn.requested is not None:
            turn.first_sound = now
            if turn.first_word is not None:
                self._stage("first_sound", now - turn.first_word)
            self._stage("answer", now - (turn.stopped if turn.stopped is not None else turn.requested))

    def _stage(self, stage: Stage, seconds: float) -> None:
        if self._turn is not None and stage not in self._turn.stages:
            self._turn.stages[stage] = seconds
            self._on_stage(stage, seconds)

    def _finish(self, outcome: Outcome, now: float) -> None:
        turn, self._turn = self._turn, None
        if turn is not None:
            turn.outcome, turn.ended = outcome, now
            self._on_turn(turn)
