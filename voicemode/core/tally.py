"""What is known of one endpoint's speed and reliability, from the requests it has had.

A request's *first byte* is when its first useful sound, word or whole transcript was there. Some tasks take longer the more
there is to do; ``load`` says how much longer than the least one, so that requests of all sizes can be compared.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["Figures", "Tally"]

KEPT = 64
"""Requests that are remembered: an hour of talking, and few enough that an endpoint that changes is noticed."""

ENOUGH = 8
"""Requests before a p95 means anything."""

WEIGHT = 0.4
"""Of the newest request in the expected latency: two slow ones in a row outweigh the past."""

STALE_S = 30.0
"""After so many seconds without a request nothing is known of how fast the endpoint is now."""


@dataclass(frozen=True, slots=True)
class Figures:
    """For people: seconds, and None where there were no requests."""

    requests: int
    success_rate: float | None
    """0 to 1."""
    first_byte_median_s: float | None
    first_byte_p95_s: float | None
    total_median_s: float | None
    total_p95_s: float | None
    in_flight: int


@dataclass(slots=True)
class _Flight:
    began: float
    load: float
    first_byte_s: float | None = None


class Tally:
    """The tally of one endpoint. Times are seconds of any clock that only grows."""

    def __init__(self) -> None:
        self._flights: dict[int, _Flight] = {}
        self._tickets = 0
        self._outcomes: deque[bool] = deque(maxlen=KEPT)
        self._first: deque[float] = deque(maxlen=KEPT)
        self._usual: deque[float] = deque(maxlen=KEPT)
        """First bytes divided by their load."""
        self._total: deque[float] = deque(maxlen=KEPT)
        self._expected_s: float | None = None
        self._heard_at = 0.0
        self.last_used = float("-inf")
        """When the last request began."""

    @property
    def in_flight(self) -> int:
        return len(self._flights)

    def began(self, now: float, load: float = 1.0) -> int:
        """A request was sent; the ticket names it from here on. ``load`` is 1 or more."""
        self._tickets += 1
        self._flights[self._tickets] = _Flight(now, load)
        self.last_used = now
        return self._tickets

    def first_byte(self, ticket: int, now: float) -> None:
        """It answered. Only the first time counts."""
        flight = self._flights.get(ticket)
        if flight is not None and flight.first_byte_s is None:
            flight.first_byte_s = now - flight.began
            self._first.append(flight.first_byte_s)
            self._learn(flight.first_byte_s / flight.load, now)
            self._usual.append(flight.first_byte_s / flight.load)

    def worked(self, ticket: int, now: float) -> None:
        self.first_byte(ticket, now)
        flight = self._flights.pop(ticket, None)
        if flight is not None:
            self._total.append(now - flight.began)
            self._outcomes.append(True)

    def failed(self, ticket: int) -> None:
        if self._flights.pop(ticket, None) is not None:
            self._outcomes.append(False)

    def abandoned(self, ticket: int, now: float) -> None:
        """Nobody waits for it any more. That it took so long without an answer is still worth knowing."""
        flight = self._flights.pop(ticket, None)
        if flight is not None and flight.first_byte_s is None:
            waited_s = (now - flight.began) / flight.load
            if self._expected_s is not None and waited_s > self._expected_s:
                self._learn(waited_s, now)

    def expected_s(self, now: float) -> float | None:
        """First byte of the least request if it were sent now; None when nothing fresh is known."""
        waiting = max(((now - f.began) / f.load for f in self._flights.values() if f.first_byte_s is None), default=0.0)
        if self._expected_s is None or (now - self._heard_at > STALE_S and not self._flights):
            return waiting or None
        return max(self._expected_s, waiting)

    def usual_p95_s(self) -> float | None:
        """p95 of the first byte per load; None with fewer than ENOUGH requests."""
        return percentile(self._usual, 95) if len(self._usual) >= ENOUGH else None

    def figures(self) -> Figures:
        count = len(self._outcomes)
        return Figures(
            requests=count,
            success_rate=sum(self._outcomes) / count if count else None,
            first_byte_median_s=percentile(self._first, 50),
            first_byte_p95_s=percentile(self._first, 95),
            total_median_s=percentile(self._total, 50),
            total_p95_s=percentile(self._total, 95),
            in_flight=len(self._flights),
        )

    def _learn(self, seconds: float, now: float) -> None:
        fresh = self._expected_s is None or now - self._heard_at > STALE_S
        self._expected_s = seconds if fresh else WEIGHT * seconds + (1 - WEIGHT) * (self._expected_s or 0.0)
        self._heard_at = now


def percentile(values: Iterable[float], percent: int) -> float | None:
    """The nearest-rank percentile: a value that really occurred. None of no values."""
    ordered = sorted(values)
    return ordered[max(-(-len(ordered) * percent // 100) - 1, 0)] if ordered else None
