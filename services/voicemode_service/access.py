"""Who may ask, and how much they may send: pure ASGI middleware around a service.

A service listens on loopback, and every program of this machine may use it without a key, as OpenAI's clients expect of a local
server; so might every web page the person has open, unless it is told apart. Hence Host and Origin are checked always (DNS
rebinding: https://portswigger.net/web-security/host-header), and a listener that others can reach wants a token. Pages that
this machine itself serves may ask.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import logging
import traceback
from collections.abc import Iterable
from ipaddress import ip_address

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from voicemode_service.errors import (
    ForbiddenError,
    MisdirectedError,
    ServiceError,
    TooLargeError,
    UnauthorizedError,
)

__all__ = ["TRUSTED", "Guard", "is_loopback"]

TRUSTED = "voicemode.trusted"
"""Key of the ASGI scope: whether whoever asks may know what the machine is like. False only for /health without its token."""

_OPEN_PATH = "/health"
"""Answered without a token, but then not in detail: a container's health check has none."""

_DRAIN_S = 5.0
"""How long a refused upload is read and thrown away. Closing at once would reset the connection, and most clients would then
report that instead of the answer."""

_DIGITS = 15
"""Of a Content-Length: a petabyte. Longer numbers cost time to read."""

_log = logging.getLogger("voicemode.service")


def is_loopback(host: str) -> bool:
    """Whether the name can only mean this machine: localhost, 127.0.0.0/8, ::1."""
    name = host.strip("[]").lower()
    return name == "localhost" or (_is_address(name) and ip_address(name).is_loopback)


class Guard:
    """Refuses foreign hosts with 421, foreign pages with 403, a missing token with 401, and too long bodies with 413.

    What nobody expected is answered with 500 and logged without its message, which may hold what a person said.
    """

    def __init__(
        self, app: ASGIApp, *, max_body: int, token: str | None = None, remote: bool = False, hosts: Iterable[str] = ()
    ) -> None:
        """``max_body`` is in bytes. ``hosts`` are names besides loopback by which the service is reached; with ``remote``
        every address is one as well: only names can be bound to another address later."""
        self._app, self._max_body, self._remote = app, max_body, remote
        self._token = token.encode() if token is not None else None
        self._hosts = frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        if refusal is not None:
            await _refuse(scope, receive, send, refusal)
        elif scope["type"] == "http":
            await _Exchange(receive, send, self._max_body).run(self._app, scope)
        else:
            try:
                await self._app(scope, receive, send)
            except Exception as error:  # noqa: BLE001  (the boundary, as below; the server closes with 1011)
                raise _masked(error) from None

    def _refusal(self, scope: Scope) -> ServiceError | None:
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        hosts = [value.decode("latin-1").lower() for name, value in headers if name == b"host"]
        if len(hosts) != 1 or not self._is_ours(_hostname(hosts[0])):
            return MisdirectedError()
        if not all(self._may_ask(value.decode("latin-1").lower(), hosts[0]) for name, value in headers if name == b"origin"):
            return ForbiddenError()
        scope[TRUSTED] = self._token is None or self._token in _tokens(headers, self._token)
        if not scope[TRUSTED] and scope["path"] != _OPEN_PATH:
            return UnauthorizedError()
        lengths = [value for name, value in headers if name == b"content-length"]
        if any(not length.isdigit() or len(length) > _DIGITS or int(length) > self._max_body for length in lengths):
            return _too_large(self._max_body)
        return None

    def _is_ours(self, host: str) -> bool:
        return is_loopback(host) or host in self._hosts or (self._remote and _is_address(host.strip("[]")))

    def _may_ask(self, origin: str, host: str) -> bool:
        scheme, _, place = origin.partition("://")
        if scheme not in ("http", "https"):
            return False  # "null" among them: a file, or a frame that is kept apart
        return place == host or is_loopback(_hostname(place)) or _hostname(place) in self._hosts


class _Exchange:
    """One request: its body is counted, also where nobody said before how long it is, and its failures are told safely."""

    def __init__(self, receive: Receive, send: Send, max_body: int) -> None:
        self._receive, self._send, self._max_body = receive, send, max_body
        self._received = 0
        self._more, self._started = True, False
        """Whether some of the body is still to come, and whether the answer has begun."""

    async def run(self, app: ASGIApp, scope: Scope) -> None:
        try:
            await app(scope, self._counted, self._checked)
        except Exception as error:  # noqa: BLE001  (the boundary: only its kind and its place may be told)
            # Frameworks make something else of what reading a body raises.
            await self._fail(scope, _too_large(self._max_body) if self._too_much else _masked(error))

    @property
    def _too_much(self) -> bool:
        return self._received > self._max_body

    async def _counted(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        self._more = message.get("more_body", False)
        if self._too_much:
            raise _too_large(self._max_body)
        return message

    async def _checked(self, message: Message) -> None:
        if self._too_much and not self._started:
            raise _too_large(self._max_body)
        self._started = True
        await self._send(message)

    async def _fail(self, scope: Scope, error: ServiceError) -> None:
        if self._started:
            # The server breaks the answer off, so that no client takes it for whole.
            raise error from None
        await _refuse(scope, self._receive if self._more else None, self._send, error)


def _tokens(headers: Iterable[tuple[bytes, bytes]], token: bytes) -> list[bytes]:
    """The token as often as it was given, compared in a time that says nothing about it."""
    given = [value.split(None, 1) for name, value in headers if name == b"authorization"]
    bearers = [parts[1].strip() for parts in given if len(parts) == 2 and parts[0].lower() == b"bearer"]
    return [token for bearer in bearers if hmac.compare_digest(bearer, token)]


def _too_large(max_body: int) -> TooLargeError:
    return TooLargeError(f"The request is larger than {max_body >> 20} MiB.")


def _hostname(netloc: str) -> str:
    """The host of "host:port"; brackets of IPv6 stay."""
    host, _, port = netloc.rpartition(":")
    return host if host and port.isdecimal() else netloc


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _place_of(error: BaseException) -> str:
    """Files and lines, innermost first, without source or values."""
    frames = reversed(traceback.extract_tb(error.__traceback__, limit=-4))
    return " < ".join(f"{frame.filename}:{frame.lineno}" for frame in frames)


def _masked(error: Exception) -> ServiceError:
    if isinstance(error, ServiceError):
        return error
    _log.error("unexpected %s at %s", type(error).__name__, _place_of(error))
    return ServiceError("Something went wrong inside the service. Its log says where.")


async def _refuse(scope: Scope, receive: Receive | None, send: Send, error: ServiceError) -> None:
    """``receive`` gives the rest of the body; None when there is none."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get("extensions", {}):
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
        return
    kind = "websocket.http" if scope["type"] == "websocket" else "http"
    body = json.dumps(error.as_body()).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        *([(b"www-authenticate", b"Bearer")] if isinstance(error, UnauthorizedError) else []),
    ]
    await send({"type": f"{kind}.response.start", "status": error.status, "headers": headers})
    await send({"type": f"{kind}.response.body", "body": body, "more_body": True})
    if kind == "http" and receive is not None:
        await _drain(receive)
    await send({"type": f"{kind}.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    try:
        async with asyncio.timeout(_DRAIN_S):
            while (await receive()).get("more_body", False):
                pass
    except TimeoutError:
        return
