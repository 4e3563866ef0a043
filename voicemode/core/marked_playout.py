"""Sound on its way to a person whose end says how far it has played, by marks that come back: no clock is needed.

A little is sent ahead, so that the other end never runs dry, and what was not played can still be taken back.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from voicemode.audio import Samples
from voicemode.playout import PlayoutListener

__all__ = ["MarkedPlayout"]

_RATE = 24_000
"""Hertz, of what is written."""
_PIECE = _RATE // 10
"""Most samples between two marks: it is known to 100 ms what was heard, a short syllable."""
_AHEAD = 2 * _RATE
"""Samples that are sent before they were played. A mark takes one way through Twilio's network and one through ours; 2 s are
ten times that, so that only a network that is broken is heard."""
_END: Samples = np.zeros(_RATE // 50, dtype=np.int16)
"""20 ms of silence behind each answer. What changes its rate holds back its last 4 to 13 ms."""


@dataclass(slots=True, eq=False)
class _Answer:
    response_id: str
    waiting: deque[Samples] = field(default_factory=deque)
    finished: bool = False
    sent: int = 0
    played: int = 0
    """Samples."""


@dataclass(frozen=True, slots=True)
class _Piece:
    number: int
    answer: _Answer
    until: int
    """Samples of the answer that have played when it has."""


class MarkedPlayout:
    """A ``PlayoutSink``. Each piece that is sent has the next number, from 1 on; ``played`` is told the number of each mark."""

    def __init__(self, send: Callable[[Samples], None]) -> None:
        """``send`` is given the next piece, 24 kHz mono int16, and returns at once."""
        self._send = send
        self._listener: PlayoutListener | None = None
        self._answers: deque[_Answer] = deque()
        """The first one is being heard, as soon as something of it was sent."""
        self._pieces: deque[_Piece] = deque()
        """Those that were sent and not played."""
        self._number = 0
        self._ahead = 0

    def listen(self, listener: PlayoutListener | None) -> None:
        self._listener = listener
        if listener is None:
            self._forget()

    def write(self, response_id: str, samples: Samples) -> None:
        if not len(samples) or self._listener is None:
            return
        answer = next((each for each in self._answers if each.response_id == response_id), None)
        if answer is None:
            answer = _Answer(response_id)
            self._answers.append(answer)
        if not answer.finished:
            answer.waiting.append(samples)
            self._go_on()

    def finish(self, response_id: str) -> None:
        for answer in self._answers:
            if answer.response_id == response_id and not answer.finished:
                answer.waiting.append(_END)
                answer.finished = True
        self._go_on()

    def flush(self) -> int:
        heard = self._answers[0].played if self._answers else 0
        self._forget()
        return heard * 1000 // _RATE

    @property
    def queued_s(self) -> float:
        waiting = sum(len(each) for answer in self._answers for each in answer.waiting)
        return (waiting + self._ahead) / _RATE

    def played(self, number: int) -> None:
        """The mark of this number came back. One of sound that was flushed, or that nobody sent, says nothing."""
        while self._pieces and self._pieces[0].number <= number:
            piece = self._pieces.popleft()
            self._ahead -= piece.until - piece.answer.played
            piece.answer.played = piece.until
        self._go_on()

    def _go_on(self) -> None:
        """Tell what was heard to its end, and send what there is room for."""
        while self._answers and self._is_over(self._answers[0]):
            over = self._answers.popleft()
            if self._listener is not None:
                self._listener.playout_stopped(over.response_id)
        for answer in tuple(self._answers):
            while answer.waiting and self._ahead < _AHEAD:
                self._send_piece(answer)
            if answer.waiting or not answer.finished:
                return  # the next one follows when all of this one is on its way

    def _send_piece(self, answer: _Answer) -> None:
        piece = answer.waiting.popleft()
        if len(piece) > _PIECE:
            answer.waiting.appendleft(piece[_PIECE:])
            piece = piece[:_PIECE]
        first = not answer.sent
        self._number += 1
        answer.sent += len(piece)
        self._ahead += len(piece)
        self._pieces.append(_Piece(self._number, answer, answer.sent))
        if first and self._listener is not None:
            self._listener.playout_started(answer.response_id)
        self._send(piece)

    def _forget(self) -> None:
        self._answers.clear()
        self._pieces.clear()
        self._ahead = 0

    @staticmethod
    def _is_over(answer: _Answer) -> bool:
        return answer.finished and not answer.waiting and answer.played == answer.sent
