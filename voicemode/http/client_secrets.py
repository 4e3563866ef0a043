"""Short-lived secrets for clients that must not have the token, such as a page in a browser. In memory only.

They open realtime sessions and nothing else, each with the session that it was made for. As with OpenAI, one may be used again
until it expires.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from voicemode.http.errors import HttpError
from voicemode.http.sessions import SessionWish

__all__ = ["PREFIX", "ClientSecret", "ClientSecrets"]

PREFIX = "ek_"
LEAST_S, MOST_S, DEFAULT_S = 10, 7200, 600
"""Seconds that one may live: the API's reference, client_secrets, ``expires_after.seconds``."""
_MOST = 1000
"""Live ones of one server: each costs its session's configuration in memory."""
_BYTES = 24


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """One secret. Its value is in the answer that made it and nowhere else."""

    expires_at: int
    """Seconds since 1970."""
    wish: SessionWish = field(repr=False)
    """The session it opens, as it was asked for."""


class ClientSecrets:
    """Those that live."""

    def __init__(self, *, clock: Callable[[], float] = time.time, most: int = _MOST) -> None:
        """``clock`` gives seconds since 1970."""
        self._clock, self._most = clock, most
        self._alive: dict[bytes, ClientSecret] = {}
        """By the digest of the value: to look one up takes no longer for a value that is nearly right."""

    def make(self, seconds: int, wish: SessionWish) -> tuple[str, ClientSecret]:
        """A new one. Raises HttpError: 400 for a time that is not allowed, 429 when too many live."""
        if not LEAST_S <= seconds <= MOST_S:
            allowed = f"{LEAST_S} to {MOST_S}"
            raise HttpError(400, "invalid_value", f"A secret lives {allowed} seconds.", param="expires_after.seconds")
        now = self._forget_old()
        if len(self._alive) >= self._most:
            first = min(each.expires_at for each in self._alive.values())
            raise HttpError(429, "too_many_secrets", "Too many client secrets are alive.", retry_after_s=first - now)
        value = PREFIX + secrets.token_urlsafe(_BYTES)
        secret = ClientSecret(int(now) + seconds, wish)
        self._alive[_digest(value.encode())] = secret
        return value, secret

    def find(self, given: Iterable[bytes]) -> ClientSecret | None:
        """The first one that is alive."""
        now = self._forget_old()
        found = [self._alive.get(_digest(each)) for each in given]
        return next((each for each in found if each is not None and each.expires_at > now), None)

    def _forget_old(self) -> float:
        now = self._clock()
        for key in [key for key, each in self._alive.items() if each.expires_at <= now]:
            del self._alive[key]
        return now


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
