"""Run one request through the endpoints of a shelf: ask, wait, hedge, replace, and tell each one's health how it went.

Who is asked when is decided in ``core.failover`` and ``core.race``; here are the tasks and the clock.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from voicemode.core.breaker import BreakerState, Failure
from voicemode.core.failover import Choice, Need, Task, absence
from voicemode.core.race import Drop, Lost, Race, Start, Wait
from voicemode.errors import (
    EndpointError,
    EngineError,
    LanguageError,
    RequestError,
    SpeechFailedError,
    VoicemodeError,
)
from voicemode.providers.shelf import Engine, Entry, Shelf

__all__ = ["THEIR_FAULT", "Won", "called_off", "failure_of", "race", "why_nobody"]

THEIR_FAULT = (EndpointError, EngineError, LanguageError, RequestError, SpeechFailedError)
"""What another engine may do better; everything else is a bug here and is not hidden by trying the next."""

_TRIAL_S = 2.0
"""So long a request with nobody else to ask waits for another one's trial: a failure is to be known after 3 s."""
_LOOK_S = 0.02
"""How often it looks; the health of an endpoint is on several shelves, and tells only one of them."""

_DECLINES = frozenset({400, 413, 415, 422})
_FORBIDS = frozenset({401, 403})
_TASKS: dict[Task, str] = {"tts": "text-to-speech", "stt": "speech-to-text", "chat": "chat"}

E = TypeVar("E", bound=Engine)
T = TypeVar("T")


@dataclass(frozen=True, slots=True, eq=False)
class Won(Generic[E, T]):
    """An answer, and whose it is."""

    entry: Entry[E]
    ticket: int
    """Of ``entry.health``. The request is still open: whoever takes the answer says how it ended."""
    answer: T
    attempts: tuple[VoicemodeError, ...]
    """Why those who were asked before did not serve."""


@dataclass(frozen=True, slots=True, eq=False)
class _Asked(Generic[E, T]):
    entry: Entry[E]
    ticket: int
    task: asyncio.Task[T]
    since: float


async def race(
    shelf: Shelf[E],
    need: Need,
    ask: Callable[[Entry[E], Choice], Awaitable[T]],
    discard: Callable[[T], Awaitable[None]],
    *,
    load: float = 1.0,
    spare_s: float = 0.0,
) -> Won[E, T]:
    """The first answer. ``ask`` returns when there is something to go on with; ``discard`` takes back what nobody wants.

    Raises SpeechFailedError with every endpoint's reason, or the only reason when it is the caller's to mend. Every task
    started here has ended when it returns.
    """
    heat = _Heat(shelf, need, ask, discard, load=load, spare_s=spare_s)
    try:
        won = await heat.run()
    except BaseException:
        await heat.aclose()
        raise
    try:
        await heat.aclose()
    except BaseException:  # cancelled while the losers were being closed: the winner is not wanted either
        won.entry.health.abandoned(won.ticket, shelf.clock())
        await discard(won.answer)
        raise
    return won


async def called_off(racing: asyncio.Future[Won[E, T]]) -> Won[E, T] | None:
    """End a race that nobody waits for any more; its winner, if there was one already, is the caller's to take back."""
    if not racing.done():
        racing.cancel()
        await asyncio.wait({racing})
    return None if racing.cancelled() or racing.exception() is not None else racing.result()


class _Heat(Generic[E, T]):
    """One race's tasks."""

    def __init__(
        self,
        shelf: Shelf[E],
        need: Need,
        ask: Callable[[Entry[E], Choice], Awaitable[T]],
        discard: Callable[[T], Awaitable[None]],
        *,
        load: float,
        spare_s: float,
    ) -> None:
        self._shelf, self._need, self._ask, self._discard = shelf, need, ask, discard
        self._load, self._spare_until = load, shelf.clock() + spare_s
        self._had_their_turn: set[str] = set()
        self._asked: list[_Asked[E, T]] = []
        self._dropped: list[asyncio.Task[T]] = []
        self._attempts: list[VoicemodeError] = []
        self._skipped: dict[str, VoicemodeError] = {}
        """Who was not asked when their turn came, and why."""
        self._looks_left = round(_TRIAL_S / _LOOK_S)
        self._line_up()

    def _line_up(self) -> bool:
        """Put those at the start who may be asked and were not yet; False when there is nobody.

        Who was passed over at first is better than an error: their time may have come, or they are asked before it.
        """
        now = self._shelf.clock()
        self._decision = decision = self._shelf.decide(self._need, without=self._had_their_turn)
        self._choices = {choice.name: choice for choice in decision.order}
        self._race = Race(self._shelf.runners(decision, self._load), spare_s=max(self._spare_until - now, 0.0))
        return bool(decision.order)

    async def run(self) -> Won[E, T]:
        while True:
            now = self._shelf.clock()
            match self._race.next(now):
                case Start(name):
                    self._start(name, now)
                case Drop(name):
                    self._drop(next(asked for asked in self._asked if asked.entry.name == name), now)
                case Wait(until):
                    won = await self._wait(None if math.isinf(until) else max(until - now, 0.0))
                    if won is not None:
                        return won
                case Lost():
                    if not self._line_up() and not await self._after_the_trial():
                        raise why_nobody(self._shelf, self._attempts, self._decision.passed_over)

    async def _after_the_trial(self) -> bool:
        """Line up when another request has found out about whoever is left; False when that takes too long, or nobody is."""
        while self._is_tried() and self._looks_left:
            self._looks_left -= 1
            await asyncio.sleep(_LOOK_S)
        return self._line_up()

    def _is_tried(self) -> bool:
        able = [choice.name for choice in self._shelf.in_order(self._need) if choice.name not in self._had_their_turn]
        return any(self._shelf[name].health.breaker.state is BreakerState.HALF_OPEN for name in able)

    async def aclose(self) -> None:
        """Nobody waits any more: end what runs and take back what came too late."""
        now = self._shelf.clock()
        for asked in self._asked:
            _leave(asked, now)
        rest = [*self._dropped, *(asked.task for asked in self._asked)]
        self._asked, self._dropped = [], []
        for task in rest:
            task.cancel()
        for answer in await asyncio.gather(*rest, return_exceptions=True):
            if not isinstance(answer, BaseException):
                await self._discard(answer)

    def _start(self, name: str, now: float) -> None:
        choice = self._choices[name]
        if name not in self._shelf:  # it left while others were asked
            self._race.failed(name)
            return
        entry = self._shelf[name]
        breaker = entry.health.breaker
        if not breaker.admits(now) and not (breaker.admits_early() and len(self._choices) == 1):
            # Another request found out in the meantime, or is trying it right now. Its turn may come when nobody else is left.
            self._race.failed(name)
            self._skipped[name] = _why_unasked(self._shelf, Choice(name, (absence(entry.health, now),)))
            return
        self._had_their_turn.add(name)
        self._skipped.pop(name, None)
        ticket = entry.health.begin(now, self._load)
        task = asyncio.ensure_future(self._ask(entry, choice))
        self._asked.append(_Asked(entry, ticket, task, now))

    def _drop(self, asked: _Asked[E, T], now: float) -> None:
        self._asked.remove(asked)
        self._dropped.append(asked.task)
        asked.task.cancel()
        reason = EndpointError(asked.entry.name, f"had not answered after {now - asked.since:.1f} s")
        self._attempts.append(reason)
        asked.entry.health.late(asked.ticket, now, reason.problem)

    async def _wait(self, timeout_s: float | None) -> Won[E, T] | None:
        tasks = {asked.task for asked in self._asked}
        await asyncio.wait(tasks, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        for asked in [each for each in self._asked if each.task.done()]:
            won = self._take(asked)
            if won is not None:
                return won
        return None

    def _take(self, asked: _Asked[E, T]) -> Won[E, T] | None:
        now = self._shelf.clock()
        self._asked.remove(asked)
        health = asked.entry.health
        error = _error_of(asked)
        if error is None:
            health.first_byte(asked.ticket, now)
            self._outrun(asked, now)
            return Won(asked.entry, asked.ticket, asked.task.result(), (*self._attempts, *self._skipped.values()))
        if not isinstance(error, THEIR_FAULT):
            health.abandoned(asked.ticket, now)
            raise error
        _tell_failed(asked, now, error)
        self._race.failed(asked.entry.name)
        self._attempts.append(error)
        return None

    def _outrun(self, winner: _Asked[E, T], now: float) -> None:
        """Somebody who was asked later was faster: those before were late."""
        for slower in [each for each in self._asked if each.since < winner.since and not each.task.done()]:
            self._drop(slower, now)


def _error_of(asked: _Asked[E, T]) -> BaseException | None:
    """Why a task that has ended gave no answer; None when it gave one."""
    if asked.task.cancelled():  # not by us: we do not look again at whom we cancelled
        return EndpointError(asked.entry.name, "gave up")
    return asked.task.exception()


def _tell_failed(asked: _Asked[E, T], now: float, error: VoicemodeError) -> None:
    failure, retry_after_s = failure_of(error)
    asked.entry.health.failed(asked.ticket, now, failure, error.problem, retry_after_s, error=error)


def _leave(asked: _Asked[E, T], now: float) -> None:
    """Nobody waits for it any more; if it has ended all the same, that counts."""
    error = _error_of(asked) if asked.task.done() else None
    if isinstance(error, THEIR_FAULT):
        _tell_failed(asked, now, error)
        return
    if asked.task.done() and error is None:
        asked.entry.health.first_byte(asked.ticket, now)
    asked.entry.health.abandoned(asked.ticket, now)


def failure_of(error: VoicemodeError) -> tuple[Failure, float | None]:
    """What a failed request means for asking the endpoint again, and for how long it asked to be left alone."""
    match error:
        case RequestError() | LanguageError():
            return Failure.DECLINED, None
        case EndpointError(status=status) if status in _DECLINES:
            return Failure.DECLINED, None
        case EndpointError(status=status) if status in _FORBIDS:
            return Failure.FORBIDDEN, None
        case EndpointError(status=429) | EndpointError(status=503, retry_after_s=float()):
            return Failure.BUSY, error.retry_after_s
        case EndpointError(reached=False):
            return Failure.UNREACHABLE, None
        case EndpointError():
            return Failure.BROKEN, error.retry_after_s
        case _:
            return Failure.BROKEN, None


def why_nobody(shelf: Shelf[E], attempts: Sequence[VoicemodeError], passed_over: Sequence[Choice]) -> VoicemodeError:
    """One error of all reasons, those who were not even asked included."""
    if len(attempts) == 1 and not passed_over and isinstance(attempts[0], (RequestError, LanguageError)):
        return attempts[0]
    return SpeechFailedError(_TASKS[shelf.task], [*attempts, *(_why_unasked(shelf, choice) for choice in passed_over)])


def _why_unasked(shelf: Shelf[E], choice: Choice) -> EndpointError:
    """The failure that closed the way to it, with its facts; else the reason of the choice."""
    entry = shelf.get(choice.name)
    last = entry.health.error if entry is not None and entry.health.breaker.state is not BreakerState.CLOSED else None
    if entry is None or not isinstance(last, EndpointError):
        return EndpointError(choice.name, "; ".join(choice.reasons))
    return EndpointError(
        choice.name,
        f"{last.detail}; it {absence(entry.health, shelf.clock())}",
        last.status,
        retryable=last.retryable,
        retry_after_s=last.retry_after_s,
        reached=last.reached,
    )
