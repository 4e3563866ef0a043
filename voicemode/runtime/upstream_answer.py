"""One answer of an upstream, told as it comes, but never far ahead of what the person can have heard."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from voicemode.answers import AnswerRequest
from voicemode.dialogue import AnswerAudio, AnswerDone, AnswerFailed, AnswerText, Respond
from voicemode.runtime.dialogue_answer import Answer, AnswerReport
from voicemode.runtime.dialogue_kinds import AnswerLike
from voicemode.runtime.dialogue_parts import ANSWER_RATE, DialogueParts
from voicemode.runtime.dialogue_words import TurnWords
from voicemode.runtime.upstream_link import UNAVAILABLE, UpstreamLink
from voicemode.wire.upstream import UpstreamSession

__all__ = ["UpstreamAnswer"]

_LEAST_S, _LOOK_AGAIN_S = 0.01, 0.5
"""How often it is looked whether the person has caught up."""


class UpstreamAnswer:
    """Our own engines answer where there is no upstream, and they may."""

    def __init__(
        self,
        link: UpstreamLink,
        session: UpstreamSession,
        *,
        falls_back: Callable[[], bool],
        parts: DialogueParts,
        request: Respond,
        tell: Callable[[AnswerReport], None],
        words: TurnWords,
        ahead_s: Callable[[AnswerLike], float],
        most_ahead_s: float,
    ) -> None:
        self._link, self._session, self._falls_back, self._parts = link, session, falls_back, parts
        self.request, self._report, self._words = request, tell, words
        self._ahead_s, self._most_ahead_s = ahead_s, most_ahead_s
        self.asked: AnswerRequest | None = None
        self.task: asyncio.Task[None] | None = None
        self._waiting: asyncio.Queue[AnswerReport] = asyncio.Queue()
        self._own: Answer | None = None
        """Of our own engines."""
        self._over = False
        self._text = ""
        self._emitted_s = 0.0

    @property
    def response_id(self) -> str:
        return self.request.response_id

    @property
    def is_held(self) -> bool:
        return False

    @property
    def emitted_s(self) -> float:
        return self._own.emitted_s if self._own is not None else self._emitted_s

    @property
    def text(self) -> str:
        return self._own.text if self._own is not None else self._text

    def begin(self) -> None:
        self.task = asyncio.create_task(self._run())
        unavailable = self._link.unavailable
        if unavailable is not None:
            self._told(AnswerFailed(self.response_id, UNAVAILABLE, str(unavailable)))
            return
        self._link.asked()
        self._link.send(self._session.respond(self.request, self._told))

    def open(self, request: Respond) -> None:
        """It is never held back."""
        self.request = request

    def cancel(self) -> None:
        """Nothing of it is reported from now on. Idempotent."""
        if self._over:
            return
        self._over = True
        heard_s = max(self._emitted_s - self._ahead_s(self), 0.0)
        if self._own is None:
            self._link.send(self._session.cancel(self.response_id, heard_s * 1000))
        else:
            self._own.cancel()
        if self.task is not None:
            self.task.cancel()

    async def _run(self) -> None:
        while not self._over:
            report = await self._waiting.get()
            if isinstance(report, AnswerAudio):
                await self._let_catch_up()
            if isinstance(report, AnswerFailed) and self._may_fall_back(report):
                await self._fall_back()
                return
            self._emit(report)

    async def _let_catch_up(self) -> None:
        # Only time tells: nobody reports each sample that is heard.
        while (too_far_s := self._ahead_s(self) - self._most_ahead_s) > 0:  # noqa: ASYNC110
            await asyncio.sleep(min(max(too_far_s, _LEAST_S), _LOOK_AGAIN_S))

    def _told(self, report: AnswerReport) -> None:
        """What is not in anybody's way is passed on at once."""
        waits = isinstance(report, AnswerFailed) or not self._waiting.empty()
        if waits or (isinstance(report, AnswerAudio) and self._ahead_s(self) > self._most_ahead_s):
            self._waiting.put_nowait(report)
        else:
            self._emit(report)

    def _emit(self, report: AnswerReport) -> None:
        if self._over:
            return
        match report:
            case AnswerText():
                self._text += report.delta
            case AnswerAudio():
                self._report(report)
                self._emitted_s += len(report.samples) / ANSWER_RATE
                return
            case AnswerDone() | AnswerFailed():
                self._over = True
                if self.task is not None and self.task is not asyncio.current_task():
                    self.task.cancel()
            case _:
                pass
        self._report(report)

    def _may_fall_back(self, report: AnswerFailed) -> bool:
        return report.code == UNAVAILABLE and not self._text and not self._emitted_s and self._falls_back()

    async def _fall_back(self) -> None:
        own = self._own = Answer(
            self._parts,
            self.request,
            self._report,
            words=self._words,
            ahead_s=lambda _: self._ahead_s(self),
            most_ahead_s=self._most_ahead_s,
        )
        own.begin()
        assert own.task is not None  # noqa: S101 - it has just begun
        try:
            await own.task
        finally:
            own.cancel()
