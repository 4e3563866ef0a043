"""What pages of other origins are told: nothing but for those that the guard let through, and never with cookies.

https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from starlette.types import Send

__all__ = ["allowed", "preflight"]

_METHODS = "GET, POST, DELETE"
_HEADERS = re.compile(rb"[A-Za-z0-9-]{1,64}(\s*,\s*[A-Za-z0-9-]{1,64}){0,63}")
_KEEP_S = 600
"""A browser asks again after ten minutes."""


def allowed(origin: bytes) -> dict[str, str]:
    """The headers of an answer to a page of an allowed origin; none when no page asks.

    No wildcard and no credentials: a page proves itself by a key in its request, not by what the browser sends along.
    """
    if not origin:
        return {}
    return {
        "access-control-allow-origin": origin.decode("latin-1"),
        "access-control-expose-headers": "Location, Retry-After, Voicemode-Cloud",
        "vary": "Origin",
    }


async def preflight(headers: Sequence[tuple[bytes, bytes]], origin: bytes, send: Send) -> None:
    """Answer OPTIONS. It changes nothing, so it wants no key: browsers send none."""
    answer = {"content-length": "0", "allow": _METHODS, **allowed(origin)}
    wanted = next((value for name, value in headers if name == b"access-control-request-headers"), b"")
    if origin:
        answer |= {"access-control-allow-methods": _METHODS, "access-control-max-age": str(_KEEP_S)}
        if _HEADERS.fullmatch(wanted):
            answer["access-control-allow-headers"] = wanted.decode("ascii")
    pairs = [(name.encode(), value.encode("latin-1")) for name, value in answer.items()]
    await send({"type": "http.response.start", "status": 204, "headers": pairs})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
