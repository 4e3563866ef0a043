"""Sound on its way to a person over a transport without a clock of its own, such as a WebSocket: sent little by little.

What a client has and has not played can be taken back only by clients that know how. So it has little: half a second, enough
for a network that hesitates. And by the clock it is known what was heard, and when the last of it was.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from voicemode.audio import Samples
from voicemode.playout import PlayoutListener

__all__ = ["PacedPlayout", "Pacing"]

_RATE = 24_000
"""Hertz, of what is written."""
_PIECE_S = 0.1
"""Most sound in one message, and how often there is one: ten times a second."""


@dataclass(frozen=True, slots=True)
class Pacing:
    """How sound is sent. Seconds."""

    ahead_s: float = 0.5
    """So much is sent before it is due: home networks hesitate for 0.1 to 0.3 s, and a player that runs dry is heard."""
    delay_s: float = 0.01
    """From the arrival of a first sample to its sounding: gptme's player adds 10 ms."""
    tail_s: float = 0.2
    """A client whose network hesitated at the first sample plays that much longer than the clock says: home networks again."""


class Timer(Protocol):
    def cancel(self) -> None: ...


@dataclass(slots=True)
class _Answer:
    response_id: str
    waiting: deque[Samples] = field(default_factory=deque)
    finished: bool = False
    sent: int = 0
    """Samples."""


def _call_later(delay_s: float, callback: Callable[[], None]) -> Timer:
    return asyncio.get_running_loop().call_later(delay_s, callback)


class PacedPlayout:
    """A ``PlayoutSink`` for one client."""

    def __init__(
        self,
        send: Callable[[Samples], None],
        pacing: Pacing | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        call_later: Callable[[float, Callable[[], None]], Timer] = _call_later,
    ) -> None:
        """``send`` is given sound that is due, 24 kHz mono int16, and returns at once."""
        self._send, self._pacing, self._clock, self._call_later = send, pacing or Pacing(), clock, call_later
        self._listener: PlayoutListener | None = None
        self._answers: deque[_Answer] = deque()
        """The first one is being heard, as soon as something of it was sent."""
        self._plays_until = 0.0
        """When all that was sent will have sounded."""
        self._timer: Timer | None = None

    def listen(self, listener: PlayoutListener | None) -> None:
        self._listener = listener
        if listener is None:
            self._rest()
            self._answers.clear()

    def write(self, response_id: str, samples: Samples) -> None:
        if not len(samples) or self._listener is None:
            return
        answer = next((each for each in self._answers if each.response_id == response_id), None)
        if answer is None:
            answer = _Answer(response_id)
            self._answers.append(answer)
        answer.waiting.append(samples)
        self._go_on()

    def finish(self, response_id: str) -> None:
        for answer in self._answers:
            if answer.response_id == response_id:
                answer.finished = True
        self._go_on()

    def flush(self) -> int:
        heard_ms = self._heard_ms()
        self._rest()
        self._answers.clear()
        self._plays_until = 0.0
        return heard_ms

    @property
    def queued_s(self) -> float:
        samples = sum(len(each) for answer in self._answers for each in answer.waiting)
        return samples / _RATE

    def _heard_ms(self) -> int:
        if not self._answers:
            return 0
        ahead_s = max(self._plays_until - self._clock(), 0.0)
        return max(round(1000 * (self._answers[0].sent / _RATE - ahead_s)), 0)

    def _rest(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()

    def _go_on(self) -> None:
        """Send what is due, tell what was heard, and come back when more is."""
        self._rest()
        while self._answers and (wait_s := self._advance(self._answers[0])) is not None:
            if wait_s > 0:
                self._timer = self._call_later(wait_s, self._go_on)
                return

    def _advance(self, answer: _Answer) -> float | None:
        """One thing more, if it is time. How long to wait for the next; None: until there is more of the answer."""
        now = self._clock()
        if answer.waiting:
            # A piece less than what may be ahead: so that there are few messages, and none is late.
            wait_s = self._plays_until - self._pacing.ahead_s + _PIECE_S - now
            if answer.sent and wait_s > 0:
                return wait_s
            self._send_piece(answer, now)
            return 0.0
        if not answer.finished:
            return None
        wait_s = self._plays_until + self._pacing.tail_s - now
        if wait_s > 0:
            return wait_s
        self._answers.popleft()
        if self._listener is not None:
            self._listener.playout_stopped(answer.response_id)
        return 0.0

    def _send_piece(self, answer: _Answer, now: float) -> None:
        first = not answer.sent
        piece = _take(answer.waiting, round(_PIECE_S * _RATE))
        self._plays_until = max(self._plays_until, now + self._pacing.delay_s) + len(piece) / _RATE
        answer.sent += len(piece)
        if first and self._listener is not None:
            self._listener.playout_started(answer.response_id)
        self._send(piece)


def _take(waiting: deque[Samples], most: int) -> Samples:
    """Up to so many samples, off the front."""
    taken: list[Samples] = []
    while waiting and most:
        samples = waiting.popleft()
        if len(samples) > most:
            waiting.appendleft(samples[most:])
            samples = samples[:most]
        taken.append(samples)
        most -= len(samples)
    return np.concatenate(taken)
