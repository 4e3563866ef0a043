"""Answers by whichever chat endpoint can: chosen, hedged, and replaced in mid-answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from voicemode.answers import AnswerDelta, Answerer, AnswerFlow, AnswerRequest, Finished, TextDelta, ToolDelta
from voicemode.core.breaker import Failure
from voicemode.core.continuation import Continuation
from voicemode.core.failover import Choice, Need
from voicemode.errors import EndpointError, SpeechFailedError, VoicemodeError
from voicemode.providers.racing import THEIR_FAULT, Won, called_off, failure_of, race
from voicemode.providers.shelf import Entry, Shelf

__all__ = ["FailoverAnswer", "FailoverAnswerer"]

SPOKEN_CHARS_PER_S = 15.0
"""So fast are words spoken: 150 a minute, of six letters with their space."""

SLOWEST_X = 0.25
"""Words that come at less than this part of it are waited for so long that another endpoint is faster in any case."""

GRACE_S = 0.4
"""On top of it: one late packet is no slowness."""

PAUSE_S = 2.0
"""No pause in mid-answer is longer if there is anyone else: with another one's first word it stays within three seconds."""


class FailoverAnswerer:
    """A Answerer over a shelf of them. Closing it closes them."""

    def __init__(self, shelf: Shelf[Answerer]) -> None:
        self._shelf = shelf

    @property
    def name(self) -> str:
        return ", ".join(entry.name for entry in self._shelf)

    @property
    def acts(self) -> bool:
        return False

    def answer(self, request: AnswerRequest) -> FailoverAnswer:
        return FailoverAnswer(self._shelf, request)

    async def leave(self, session_id: str) -> None:
        for entry in self._shelf:
            await entry.engine.leave(session_id)

    async def aclose(self) -> None:
        for entry in self._shelf:
            await entry.engine.aclose()


class _Opening:
    """An answer whose first new delta is there; without any it was closed."""

    def __init__(self, answer: AnswerFlow, given: str) -> None:
        self.answer, self._continuation = answer, Continuation(given)
        self.deltas = self._new_deltas()
        self.first: AnswerDelta | None = None

    async def begin(self) -> _Opening:
        try:
            self.first = await anext(self.deltas, None)
        except BaseException:
            await self.aclose()
            raise
        return self

    async def aclose(self) -> None:
        await self.answer.aclose()

    async def _new_deltas(self) -> AsyncGenerator[AnswerDelta]:
        async for delta in self.answer:
            if isinstance(delta, TextDelta):
                new = self._continuation.feed(delta.text)
                if new:
                    yield TextDelta(new)
            else:  # no words of a repetition come after a call
                rest = self._continuation.finish()
                if rest:
                    yield TextDelta(rest)
                yield delta


_Won = Won[Answerer, _Opening]


class FailoverAnswer:
    """One answer, by the first endpoint that can.

    An endpoint that breaks off in mid-answer is replaced inside of it: the next one is given what was said so far, to go on
    from there, and what it repeats of that is dropped. Once a call of a function was given out, nobody can go on: another
    endpoint would call it again.
    """

    def __init__(self, shelf: Shelf[Answerer], request: AnswerRequest) -> None:
        self._shelf, self._request = shelf, request
        self._need = Need(task="chat", streaming=True)
        self._given = [request.partial]
        """All that was said so far."""
        self._called = False
        """A call of a function was given out."""
        self._racing: asyncio.Task[_Won] | None = None
        """None before it began, and after its result was taken or given back."""
        self._won: _Won | None = None
        self._engines: list[str] = []
        self._attempts: list[VoicemodeError] = []
        self._broke_off: set[str] = set()
        """Who broke off in mid-answer; to do so twice is the end of it."""
        self._closed = False

    @property
    def engine(self) -> str:
        """Who gives the words now; empty until the first ones are there."""
        return self._won.entry.name if self._won is not None else ""

    @property
    def engines(self) -> tuple[str, ...]:
        return tuple(self._engines)

    @property
    def attempts(self) -> tuple[VoicemodeError, ...]:
        """Why those who were asked before did not serve, or not to the end."""
        return tuple(self._attempts)

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(error.problem for error in self._attempts)

    async def __aiter__(self) -> AsyncGenerator[AnswerDelta]:
        """Raises SpeechFailedError with the reason of each endpoint, after all the deltas that there were."""
        try:
            while (won := None if self._closed else await self._next()) is not None:
                async with aclosing(self._stream(won)) as deltas:
                    async for delta in deltas:
                        self._note(delta)
                        yield delta
                if self._won is won:  # it was not taken back, so this was the end of the answer
                    return
        finally:
            await self.aclose()

    def _note(self, delta: AnswerDelta) -> None:
        if isinstance(delta, TextDelta):
            self._given.append(delta.text)
        elif isinstance(delta, ToolDelta):
            self._called = True

    async def aclose(self) -> None:
        self._closed = True
        racing, self._racing = self._racing, None
        if racing is not None:
            self._won = await called_off(racing) or self._won
        if self._won is not None:
            # Nothing happens to a request whose end was told already.
            self._won.entry.health.abandoned(self._won.ticket, self._shelf.clock())
            await self._won.answer.aclose()

    async def _next(self) -> _Won | None:
        """Whoever gives the first, or the next, words; None when it was closed from outside."""
        # In a task, so that closing from outside ends it too.
        racing = self._racing = asyncio.ensure_future(race(self._shelf, self._need, self._open, _Opening.aclose))
        await asyncio.wait({racing})
        if self._closed:  # and what came of it was taken back
            return None
        self._racing = None
        try:
            won = self._won = racing.result()
        except THEIR_FAULT as error:
            if not self._attempts:
                raise
            raise SpeechFailedError("chat", self._all_reasons(error)) from error
        self._attempts += won.attempts
        return won

    def _all_reasons(self, last: VoicemodeError) -> list[VoicemodeError]:
        """One of each endpoint: the first, since those that follow from it say less."""
        reasons = [*self._attempts, *(last.attempts if isinstance(last, SpeechFailedError) else (last,))]
        first: dict[str, VoicemodeError] = {}
        for error in reasons:
            first.setdefault(error.endpoint if isinstance(error, EndpointError) else error.problem, error)
        return list(first.values())

    async def _open(self, entry: Entry[Answerer], _: Choice) -> _Opening:
        given = "".join(self._given)
        return await _Opening(entry.engine.answer(replace(self._request, partial=given)), given).begin()

    async def _stream(self, won: _Won) -> AsyncGenerator[AnswerDelta]:
        """Its deltas. When it breaks off, its health is told and it is taken back, and another one may go on."""
        finished: Finished | None = None
        try:
            if won.answer.first is not None and not isinstance(won.answer.first, Finished):
                self._engines.append(won.entry.name)
            async with aclosing(self._paced(won)) as deltas:
                async for delta in deltas:
                    if isinstance(delta, Finished):
                        finished = delta
                    else:
                        yield delta
        except THEIR_FAULT as error:
            if not self._closed:
                await self._take_back(won, error)
        else:
            won.entry.health.worked(won.ticket, self._shelf.clock())
            if finished is not None:
                yield finished

    async def _take_back(self, won: _Won, error: VoicemodeError) -> None:
        """Raises SpeechFailedError when the same endpoint broke off before, or nobody else could go on."""
        failure, retry_after_s = failure_of(error)
        if failure is Failure.DECLINED:  # it had accepted; whatever it says now, going on with it would lead to the same
            failure = Failure.BROKEN
        won.entry.health.failed(won.ticket, self._shelf.clock(), failure, error.problem, retry_after_s, error=error)
        self._attempts.append(error)
        self._won = None
        await won.answer.aclose()
        if won.entry.name in self._broke_off or self._called:
            raise SpeechFailedError("chat", self._all_reasons(error)) from error
        self._broke_off.add(won.entry.name)

    async def _paced(self, won: _Won) -> AsyncGenerator[AnswerDelta]:
        """The deltas, as long as words come fast enough to be spoken or nobody else could do it faster."""
        loop = asyncio.get_running_loop()
        delta = won.answer.first
        spoken_s, waited_s = 0.0, 0.0
        while delta is not None:
            spoken_s += len(delta.text) / SPOKEN_CHARS_PER_S if isinstance(delta, TextDelta) else 0.0
            yield delta  # the time the consumer takes is not the engine's
            asked_at = loop.time()
            patience_s = min((spoken_s + GRACE_S) / SLOWEST_X - waited_s, PAUSE_S)
            replaceable = not self._called and self._has_another(won.entry.name)
            try:
                async with asyncio.timeout(patience_s if replaceable else None):
                    delta = await anext(won.answer.deltas, None)
            except TimeoutError:
                waited_s += loop.time() - asked_at
                problem = f"is too slow: {spoken_s * SPOKEN_CHARS_PER_S:.0f} characters in {waited_s:.1f} s after the first"
                raise EndpointError(won.entry.name, problem) from None
            waited_s += loop.time() - asked_at

    def _has_another(self, name: str) -> bool:
        """Not one that failed a moment ago, as the shelf would offer when there is nobody else."""
        now = self._shelf.clock()
        order = self._shelf.decide(self._need, without=(name,)).order
        return any(self._shelf[choice.name].health.breaker.admits(now) for choice in order)
