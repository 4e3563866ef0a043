"""One endpoint's health: its circuit breaker, its figures, and what it last complained of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from voicemode.core.breaker import Breaker, Failure
from voicemode.core.tally import Tally

__all__ = ["Health"]


def _nobody() -> None:
    """Nobody wants to know."""


@dataclass(slots=True)
class Health:
    """Every request is told of three times at most: ``begin``, ``first_byte``, and how it ended. Only the first end counts.

    Times are seconds of any clock that only grows.
    """

    breaker: Breaker
    tally: Tally = field(default_factory=Tally)
    trouble: str = ""
    """The last failure in words; kept after a recovery, for whoever asks what happened."""
    trouble_at: float | None = None
    failures: int = 0
    """Requests that failed or came too late, since the process began."""
    error: Exception | None = None
    """The last failure as it was raised, for whoever wants its facts; None where only words were given."""
    on_settled: Callable[[], None] = _nobody
    """Called after each request's end, whichever it was."""
    _eras: dict[int, int] = field(default_factory=dict, repr=False)
    """The breaker's era in which each request under way was sent, by ticket."""

    @classmethod
    def new(cls, chance: Callable[[], float], on_settled: Callable[[], None] = _nobody) -> Health:
        """Of an endpoint nothing is known of yet; ``chance`` is the breaker's."""
        return cls(Breaker(chance), on_settled=on_settled)

    def begin(self, now: float, load: float = 1.0) -> int:
        """A request is sent; the ticket names it from here on. Raises ValueError where the breaker forbids it."""
        era = self.breaker.begin(now)
        ticket = self.tally.began(now, load)
        self._eras[ticket] = era
        return ticket

    def first_byte(self, ticket: int, now: float) -> None:
        self.tally.first_byte(ticket, now)

    def worked(self, ticket: int, now: float) -> None:
        if (era := self._eras.pop(ticket, None)) is None:
            return
        self.tally.worked(ticket, now)
        self.breaker.worked(era)
        self.on_settled()

    def failed(
        self,
        ticket: int,
        now: float,
        failure: Failure,
        reason: str,
        retry_after_s: float | None = None,
        *,
        error: Exception | None = None,
    ) -> None:
        """``reason`` is one sentence; ``retry_after_s`` is the endpoint's own wish."""
        if (era := self._eras.pop(ticket, None)) is None:
            return
        self.failures += 1
        self.trouble, self.trouble_at, self.error = reason, now, error
        if failure is Failure.DECLINED:
            self.tally.abandoned(ticket, now)
        else:
            self.tally.failed(ticket)
        self.breaker.failed(now, failure, retry_after_s, era)
        self.on_settled()

    def late(self, ticket: int, now: float, reason: str) -> None:
        """Another endpoint had to do it, or did it first although it was asked later."""
        if (era := self._eras.pop(ticket, None)) is None:
            return
        self.failures += 1
        self.trouble, self.trouble_at, self.error = reason, now, None
        self.tally.abandoned(ticket, now)
        self.breaker.failed(now, Failure.LATE, era=era)
        self.on_settled()

    def abandoned(self, ticket: int, now: float) -> None:
        """Nobody waits for the answer any more; the endpoint is not to blame."""
        if (era := self._eras.pop(ticket, None)) is None:
            return
        self.tally.abandoned(ticket, now)
        self.breaker.abandoned(era)
        self.on_settled()
