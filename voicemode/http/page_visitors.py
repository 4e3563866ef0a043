"""Browsers that were let in by a link: a one-time key becomes a cookie, which counts for pages of the server's own origin only.

Cookies are sent along by the browser whoever asks, and to every port of a host alike
(https://www.rfc-editor.org/rfc/rfc6265#section-8.5). So one counts only where the request says itself that a page of this very
origin made it. In memory only: all of them end with the server.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = ["COOKIE", "KEPT_S", "PageVisitors"]

COOKIE = "voicemode_page"
"""The name's beginning; the port follows, since a browser does not keep the cookies of two ports apart."""
KEPT_S = 12 * 3600
"""A day of work."""
_KEY_S = 12 * 3600
"""A link that nobody followed."""
_BYTES = 32
_MOST = 1000


class PageVisitors:
    """Keys that nobody used yet, and those who used one."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._keys: dict[bytes, float] = {}
        self._visitors: dict[bytes, float] = {}
        """By digest, so that to look one up takes no longer for one that is nearly right; until when."""

    def new_key(self) -> str:
        """For one link."""
        return self._put(self._keys, _KEY_S)

    def admit(self, key: str) -> str | None:
        """The value of a cookie, for a key that is not used yet; it is from now on."""
        if not self._holds(self._keys, key.encode()):
            return None
        del self._keys[_digest(key.encode())]
        return self._put(self._visitors, KEPT_S)

    def knows(self, headers: Sequence[tuple[bytes, bytes]], host: str) -> bool:
        """Whether this is a request of a page of the server's own origin, by a browser that was let in.

        ``host`` is what the request calls the server, with its port, in lower case.
        """
        return _from_own_page(headers, host) and any(self._holds(self._visitors, value) for value in _cookies(headers))

    def _put(self, those: dict[bytes, float], seconds: float) -> str:
        now = self._clock()
        for each in [each for each, until in those.items() if until <= now]:
            del those[each]
        while len(those) >= _MOST:
            del those[next(iter(those))]
        value = secrets.token_urlsafe(_BYTES)
        those[_digest(value.encode())] = now + seconds
        return value

    def _holds(self, those: dict[bytes, float], value: bytes) -> bool:
        return those.get(_digest(value), 0.0) > self._clock()


def _from_own_page(headers: Sequence[tuple[bytes, bytes]], host: str) -> bool:
    """By Origin, which pages cannot set; a GET has none, and then says where it is from in another way."""
    origins = [value.decode("latin-1").lower() for name, value in headers if name == b"origin"]
    if origins:
        return origins in ([f"http://{host}"], [f"https://{host}"])
    return [value for name, value in headers if name == b"sec-fetch-site"] == [b"same-origin"]


def _cookies(headers: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    for name, value in headers:
        if name == b"cookie":
            for pair in value.split(b";"):
                cookie, _, held = pair.strip().partition(b"=")
                if cookie.startswith(COOKIE.encode()):
                    yield held


def _digest(value: bytes) -> bytes:
    return hashlib.sha256(value).digest()
