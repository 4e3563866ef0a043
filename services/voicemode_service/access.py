"""Who may ask, and how much they may send: pure ASGI middleware around a service.

A service listens on loopback, and everything that runs on this machine may use it; so may every web page the person has open,
unless it is told apart. Hence Host and Origin are checked (DNS rebinding, https://portswigger.net/web-security/host-header),
and a listener that others can reach wants a token.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable
from ipaddress import ip_address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicemode_service.errors import ServiceError, TooLargeError

__all__ = ["Guard", "is_loopback"]

_FORBIDDEN_ORIGIN = "a web page of another site asked"


def is_loopback(host: str) -> bool:
    """Whether the name can only mean this machine: localhost, 127.0.0.0/8, ::1."""
    name = host.strip("[]").lower()
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


class Guard:
    """Refuses foreign hosts with 421, foreign pages with 403, a missing token with 401, and too long bodies with 413."""

    def __init__(self, app: ASGIApp, *, max_body: int, token: str | None = None, hosts: Iterable[str] = ()) -> None:
        """``hosts`` are the names besides loopback by which the service is reached; ``max_body`` is in bytes."""
        self._app, self._max_body, self._token = app, max_body, token
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(scope, send, *refusal)
            return
        await self._app(scope, self._capped(receive) if scope["type"] == "http" else receive, send)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
        if not self._is_ours(_hostname(headers.get(b"host", ""))):
            return 421, "this service is not known by that name"
        origin = headers.get(b"origin")
        if origin is not None and not self._is_ours(_hostname(origin.partition("://")[2])):
            return 403, _FORBIDDEN_ORIGIN
        if self._token is not None and scope["path"] != "/health":
            given = headers.get(b"authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(given.encode(), self._token.encode()):
                return 401, "this service wants its token: Authorization: Bearer ..."
        length = headers.get(b"content-length", "0")
        if not length.isdecimal() or int(length) > self._max_body:
            return 413, self._too_large().message
        return None

    def _is_ours(self, host: str) -> bool:
        return is_loopback(host) or host.lower() in self._hosts

    def _capped(self, receive: Receive) -> Receive:
        """Count what arrives: a body without Content-Length has a limit too."""
        received = 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > self._max_body:
                raise self._too_large()
            return message

        return counted

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"The request is larger than {self._max_body >> 20} MiB.")


def _hostname(netloc: str) -> str:
    """The host of "host:port"; brackets of IPv6 stay."""
    host, _, port = netloc.partition("/")[0].rpartition(":")
    return host if host and port.isdecimal() else netloc.partition("/")[0]


async def _refuse(scope: Scope, send: Send, status: int, message: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": message})
        return
    error = ServiceError(f"Refused: {message}.")
    error.kind = "invalid_request_error"
    body = json.dumps(error.as_body()).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
