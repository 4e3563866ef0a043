"""Says what was said: the answer of a server for which no responder is configured."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator

from voicemode.answers import AnswerDelta, AnswerRequest, Finished, TextDelta
from voicemode.dialogue import Message

__all__ = ["ECHO", "EchoAnswerer"]

ECHO = "echo (no responder is configured)"


class EchoAnswerer:
    """Repeats the person's last words, so that a client can be tried before there is anyone to talk to."""

    @property
    def name(self) -> str:
        return ECHO

    @property
    def acts(self) -> bool:
        return False

    def answer(self, request: AnswerRequest) -> _Echo:
        said = [
            turn.text for turn in request.history if isinstance(turn, Message) and turn.role == "user" and turn.text.strip()
        ]
        text = f"You said: {said[-1].strip()}" if said else "You have said nothing yet."
        return _Echo(text.removeprefix(request.partial))

    async def leave(self, session_id: str) -> None:
        """Nothing is kept for a session."""

    async def aclose(self) -> None:
        """Nothing to free."""


class _Echo:
    """One answer."""

    def __init__(self, text: str) -> None:
        self._text, self._closed = text, False

    @property
    def engine(self) -> str:
        return ECHO

    @property
    def engines(self) -> tuple[str, ...]:
        return (ECHO,)

    @property
    def failed(self) -> tuple[str, ...]:
        return ()

    async def __aiter__(self) -> AsyncGenerator[AnswerDelta]:
        for word in re.findall(r"\s*\S+", self._text):
            if self._closed:
                return
            yield TextDelta(word)
        if not self._closed:
            yield Finished()

    async def aclose(self) -> None:
        self._closed = True
