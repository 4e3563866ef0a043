"""A circuit breaker for one endpoint: who failed is left alone for a while, and asked again by one request only.

    CLOSED ──a failure that counts──▶ OPEN ──its time is up──▶ HALF_OPEN (one request at a time may try)
       ▲                               ▲                           │
       └───────────it worked───────────┼───────────────────────────┤
                                       └────────it failed──────────┘

Times are seconds of any clock that only grows; they are passed in, and so is chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

__all__ = ["Breaker", "BreakerState", "Failure"]

BASE_S = 1.0
"""The shortest time to leave an endpoint alone: a restarted local service is back in a second or two."""

CAP_S = 60.0
"""The longest, unless the endpoint asks for more."""

RETRY_AFTER_CAP_S = 3600.0
"""However long a Retry-After asks for."""

LATE_STRIKES = 2
"""Being late once is an accident; in a row it is a state."""


class BreakerState(StrEnum):
    """The values are on the wire and in tables."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Failure(Enum):
    """What went wrong, as far as it matters for asking again."""

    UNREACHABLE = "unreachable"
    """No connection: refused, no such name, no TLS. Health checks can tell when that has changed."""
    BROKEN = "broken"
    """It answered, and the answer was no use: a 500, half a sentence, a web page."""
    LATE = "late"
    """Another endpoint had to do it."""
    BUSY = "busy"
    """It said so: 429, or 503 with a time."""
    FORBIDDEN = "forbidden"
    """401 or 403: the next request would fare no better until the settings change."""
    DECLINED = "declined"
    """It is well and said no to this one request, as with 400."""


@dataclass(slots=True)
class Breaker:
    """The breaker of one endpoint. ``state`` is changed here and nowhere else."""

    chance: Callable[[], float]
    """Gives a number from 0 to 1, evenly; back-off is spread by it."""
    state: BreakerState = BreakerState.CLOSED
    until: float = 0.0
    """While OPEN: when a request may try again; infinite until settings change."""
    cause: Failure | None = None
    """While not CLOSED: what opened it."""
    _pause_s: float = 0.0
    """The last back-off; 0 after a success."""
    _strikes: int = 0
    """Times late in a row."""
    _trying: bool = False
    """While HALF_OPEN: the one request is under way."""

    def admits(self, now: float) -> bool:
        """Whether a request may be sent now. Changes nothing."""
        match self.state:
            case BreakerState.CLOSED:
                return True
            case BreakerState.OPEN:
                return now >= self.until
            case BreakerState.HALF_OPEN:
                return not self._trying

    def is_probe(self, now: float) -> bool:
        """Whether a request sent now would be the one that tries. Changes nothing."""
        return self.state is not BreakerState.CLOSED and self.admits(now)

    def admits_early(self) -> bool:
        """Whether one request may try before the time is up, because nobody else is left: only our own back-off forbids it."""
        return self.state is BreakerState.OPEN and self.cause not in (Failure.FORBIDDEN, Failure.BUSY)

    def begin(self, now: float) -> None:
        """A request is sent. Raises ValueError unless ``admits`` or ``admits_early`` says yes."""
        if not self.admits(now) and not self.admits_early():
            raise ValueError(f"{self.state} until {self.until}")
        if self.state is not BreakerState.CLOSED:
            self.state = BreakerState.HALF_OPEN
            self._trying = True

    def worked(self) -> None:
        """A request was served, so the endpoint is well."""
        self.state, self.cause = BreakerState.CLOSED, None
        self.until = self._pause_s = 0.0
        self._strikes, self._trying = 0, False

    def failed(self, now: float, failure: Failure, retry_after_s: float | None = None) -> None:
        """A request failed. ``retry_after_s`` is how long the endpoint itself asked to be left alone."""
        match failure:
            case Failure.DECLINED:
                self.worked()
                return
            case Failure.FORBIDDEN:
                self._open(math.inf, failure)
                return
            case Failure.LATE:
                self._strikes += 1
                if self.state is BreakerState.CLOSED and self._strikes < LATE_STRIKES:
                    return
            case Failure.UNREACHABLE | Failure.BROKEN | Failure.BUSY:
                pass
        asked_s = 0.0 if retry_after_s is None else min(retry_after_s, RETRY_AFTER_CAP_S)
        if self.state is BreakerState.OPEN:
            # It began before the breaker opened. Requests that fail together are one failure, not a row of them.
            self.until = max(self.until, now + asked_s)
            return
        self._pause_s = self._next_pause_s()
        self._open(now + max(self._pause_s, asked_s), failure)

    def abandoned(self, now: float) -> None:
        """The request was given up from this side: nothing was learnt, and another one may try."""
        if self.state is BreakerState.HALF_OPEN and self._trying:
            self.state, self._trying = BreakerState.OPEN, False
            self.until = now

    def reachable(self, now: float) -> None:
        """A health check was answered: somebody listens again, which the next request may use."""
        if self.state is BreakerState.OPEN and self.cause is Failure.UNREACHABLE:
            self.until = min(self.until, now)

    def settings_changed(self) -> None:
        """Whatever was wrong may have been mended."""
        self.worked()

    def _open(self, until: float, cause: Failure) -> None:
        self.state, self.until, self.cause, self._trying = BreakerState.OPEN, until, cause, False

    def _next_pause_s(self) -> float:
        """Decorrelated jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/."""
        longest = max(BASE_S, 3 * self._pause_s)
        return min(CAP_S, BASE_S + self.chance() * (longest - BASE_S))
