"""How much one address and all of them may take: places for calls and requests, and tries with a wrong token."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator

from voicemode.http.errors import HttpError
from voicemode.providers.address import is_loopback

__all__ = ["Places", "WrongTokens"]

_RETRY_S = 5.0
"""When a place may be free again: a guess, since calls end when people like."""
_TRIES, _PER_S = 10, 60.0
"""So many wrong tokens at once, and one more every six seconds."""
_ADDRESSES = 4096
"""Addresses that are remembered; beyond it the one that was quiet for longest is forgotten."""


class Places:
    """A number of places, of which one address gets only some. Programs of this machine share all of them."""

    def __init__(self, most: int, most_per_address: int, what: str) -> None:
        """``what`` is named when there is none left."""
        self._most, self._most_per_address, self._what = most, most_per_address, what
        self._taken: Counter[str] = Counter()
        self.closed = False
        """No more are given: the server drains."""
        self._empty = asyncio.Event()
        self._empty.set()

    @property
    def taken(self) -> int:
        return self._taken.total()

    def check(self, address: str) -> None:
        """Raises HttpError (503 with Retry-After; 429 for one address) when there is no place for it."""
        if self.closed:
            raise HttpError(503, "server_draining", "The server is about to end.", retry_after_s=_RETRY_S)
        if self.taken >= self._most:
            raise HttpError(503, "server_full", f"All places for {self._what} are taken.", retry_after_s=_RETRY_S)
        if not is_loopback(address) and self._taken[address] >= self._most_per_address:
            raise HttpError(429, "too_many_from_address", f"This address has too many {self._what}.", retry_after_s=_RETRY_S)

    @contextlib.contextmanager
    def one(self, address: str) -> Iterator[None]:
        """Hold a place meanwhile. Raises as ``check``."""
        self.check(address)
        self._taken[address] += 1
        self._empty.clear()
        try:
            yield
        finally:
            self._taken[address] -= 1
            if not self._taken[address]:
                del self._taken[address]
            if not self._taken:
                self._empty.set()

    async def empty(self) -> None:
        """Returns when none is taken."""
        await self._empty.wait()


class WrongTokens:
    """Counts the wrong tokens of each address: a bucket of tries that fills again with time."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tries that are left, and when that was so."""

    def wait_s(self, address: str) -> float:
        """Seconds until the address may try again; 0 when it may now."""
        missing = 1.0 - self._left(address)
        return max(math.ceil(missing * _PER_S / _TRIES), 0) if missing > 0 else 0.0

    def count(self, address: str) -> None:
        """It tried a wrong one."""
        left = self._left(address)
        self._tries[address] = (max(left - 1.0, 0.0), self._clock())
        self._tries.move_to_end(address)
        while len(self._tries) > _ADDRESSES:
            self._tries.popitem(last=False)

    def _left(self, address: str) -> float:
        left, since = self._tries.get(address, (float(_TRIES), self._clock()))
        return min(left + (self._clock() - since) * _TRIES / _PER_S, float(_TRIES))
