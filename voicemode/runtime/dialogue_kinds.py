"""What the engine of a continuous conversation hears, writes down and answers with: its own parts, or those of an upstream."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from voicemode.answers import AnswerRequest
from voicemode.dialogue import Report, Respond
from voicemode.runtime.dialogue_answer import Answer, AnswerReport
from voicemode.runtime.dialogue_input import TurnInput, TurnWatcher
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.dialogue_words import TurnWords

__all__ = ["AnswerLike", "EngineKinds", "MakeAnswer"]


class AnswerLike(Protocol):
    """One answer under way: ``dialogue_answer.Answer``."""

    @property
    def asked(self) -> AnswerRequest | None: ...
    @property
    def text(self) -> str: ...
    @property
    def task(self) -> asyncio.Task[None] | None: ...
    @property
    def response_id(self) -> str: ...
    @property
    def request(self) -> Respond: ...
    @property
    def is_held(self) -> bool: ...
    @property
    def emitted_s(self) -> float: ...
    def begin(self) -> None: ...
    def open(self, request: Respond) -> None: ...
    def cancel(self) -> None: ...


class MakeAnswer(Protocol):
    """As ``dialogue_answer.Answer`` is made."""

    def __call__(
        self,
        parts: DialogueParts,
        request: Respond,
        tell: Callable[[AnswerReport], None],
        *,
        words: TurnWords,
        ahead_s: Callable[[AnswerLike], float],
        most_ahead_s: float,
        asked: AnswerRequest | None = None,
    ) -> AnswerLike: ...


@dataclass(frozen=True, slots=True)
class EngineKinds:
    """How the engine makes its parts."""

    words: Callable[[DialogueParts, Callable[[Report], None]], TurnWords] = TurnWords
    ear: Callable[[DialogueParts, TurnWords, TurnWatcher], TurnInput] = TurnInput
    answer: MakeAnswer = Answer
