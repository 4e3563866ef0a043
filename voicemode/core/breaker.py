"""A circuit breaker for one endpoint: who failed is left alone for a while, and asked again by one request only.

    CLOSED ──a failure that counts──▶ OPEN ──its time is up──▶ HALF_OPEN (one request at a time may try)
       ▲                               ▲                           │
       └───────────it worked───────────┼───────────────────────────┤
                                       └────────it failed──────────┘

Every change of state begins a new *era*. A request carries the era it was sent in, and what becomes of it counts only while
that era lasts: requests that fail together are one failure, a request from before the failure cannot end the try of another
one, and an answer to an old key says nothing about the new one.

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
    """HALF_OPEN: exactly one request that was sent to try is under way."""
    until: float = 0.0
    """While OPEN: when a request may try again; infinite until settings change."""
    cause: Failure | None = None
    """While not CLOSED: what opened it."""
    era: int = 0
    """Counts the changes of state and of settings."""
    pause_s: float = 0.0
    """The last back-off of ours; 0 after a success."""
    _strikes: int = 0
    """Times late in a row."""
    _told: bool = False
    """While OPEN: the endpoint said itself not to be asked for some of the time; the rest is our guess."""

    def admits(self, now: float) -> bool:
        """Whether a request may be sent now. Changes nothing."""
        return self.state is BreakerState.CLOSED or (self.state is BreakerState.OPEN and now >= self.until)

    def is_probe(self, now: float) -> bool:
        """Whether a request sent now would be the one that tries. Changes nothing."""
        return self.state is not BreakerState.CLOSED and self.admits(now)

    def admits_early(self) -> bool:
        """Whether one request may try before the time is up, because nobody else is left: only our own back-off forbids it."""
        return self.state is BreakerState.OPEN and not self._told

    def begin(self, now: float) -> int:
        """A request is sent; the era it belongs to. Raises ValueError unless ``admits`` or ``admits_early`` says yes."""
        if not self.admits(now) and not self.admits_early():
            raise ValueError(f"{self.state} until {self.until}")
        if self.state is BreakerState.OPEN:
            self._turn(BreakerState.HALF_OPEN)
        return self.era

    def worked(self, era: int | None = None) -> None:
        """A request was served, so the endpoint is well. ``era`` is what ``begin`` returned; None: the present one."""
        if era in (None, self.era):
            self._close()

    def failed(self, now: float, failure: Failure, retry_after_s: float | None = None, era: int | None = None) -> None:
        """A request failed. ``retry_after_s`` is how long the endpoint itself asked to be left alone, and then goes before our
        own back-off; ``era`` as in ``worked``.
        """
        asked_s = min(retry_after_s or 0.0, RETRY_AFTER_CAP_S)
        if self.state is BreakerState.OPEN or era not in (None, self.era):
            if asked_s > 0:
                self._heed(now + asked_s)
            return
        match failure:
            case Failure.DECLINED:
                self._close()
                return
            case Failure.FORBIDDEN:
                self._open(math.inf, failure, told=True)
                return
            case Failure.LATE:
                self._strikes += 1
                if self.state is BreakerState.CLOSED and self._strikes < LATE_STRIKES:
                    return
            case Failure.UNREACHABLE | Failure.BROKEN | Failure.BUSY:
                pass
        self.pause_s = self._next_pause_s()
        pause_s = asked_s if asked_s > 0 else self.pause_s
        self._open(now + pause_s, failure, told=asked_s > 0 or failure is Failure.BUSY)

    def abandoned(self, era: int | None = None) -> None:
        """The request was given up from this side: nothing was learnt, and all is as before it. ``era`` as in ``worked``."""
        if self.state is BreakerState.HALF_OPEN and era in (None, self.era):
            self._turn(BreakerState.OPEN)

    def reachable(self, now: float) -> None:
        """A health check was answered: somebody listens again, which the next request may use."""
        if self.state is BreakerState.OPEN and self.cause is Failure.UNREACHABLE:
            self.until = min(self.until, now)

    def settings_changed(self) -> None:
        """Whatever was wrong may have been mended, and what was sent before tells nothing about it."""
        self._close()
        self.era += 1

    def _heed(self, until: float) -> None:
        """A request of an earlier era brings a wish of the endpoint's; an open breaker can still grant it."""
        if self.state is BreakerState.OPEN:
            self.until, self._told = max(self.until, until), True

    def _open(self, until: float, cause: Failure, *, told: bool) -> None:
        self._turn(BreakerState.OPEN)
        self.until, self.cause, self._told = until, cause, told

    def _close(self) -> None:
        self._turn(BreakerState.CLOSED)
        self.until = self.pause_s = 0.0
        self.cause, self._strikes = None, 0

    def _turn(self, state: BreakerState) -> None:
        if state is not self.state:
            self.state, self.era = state, self.era + 1

    def _next_pause_s(self) -> float:
        """Decorrelated jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/."""
        longest = max(BASE_S, 3 * self.pause_s)
        return min(CAP_S, BASE_S + self.chance() * (longest - BASE_S))
