"""The way to one server of tools over HTTP, and to nowhere else: its name is resolved once, and its answers are bounded.

What keeps an answer away is told as a JSON-RPC error: so the client of package ``mcp`` fails that one request, where an
exception would end all that are under way.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx2

import voicemode
from voicemode.providers.address import is_public
from voicemode.providers.mcp_error import CLOSED, INVALID, ToolServerError
from voicemode.providers.mcp_places import HttpPlace

__all__ = ["ANSWER_BYTES", "HTTP_STATUS", "TOO_MUCH", "open_http"]

ANSWER_BYTES = 16 << 20
"""Of one answer. Text of this length is cut to a few pages; it is read as far as to say so."""
TOO_MUCH = f"it answered more than {ANSWER_BYTES >> 20} MiB"
HTTP_STATUS = "voicemode.http_status"
"""Where the data of a JSON-RPC error of ours has it."""
_CONNECT_S = 10.0
_ERROR_BYTES = 64 << 10
_RETURNING = (307, 308)
"""Redirects that keep method and body; within its own host a server may use them to add a slash."""


async def open_http(place: HttpPlace) -> httpx2.AsyncClient:
    """A client that reaches this place alone, and carries its headers. Raises ToolServerError; close it."""
    addresses = await _resolved(place)
    if not place.encrypted and place.headers and any(is_public(address) for address in addresses):
        raise ToolServerError(
            place.label, f"credentials are not sent to {place.host} without encryption; use https", reason="not_encrypted"
        )
    if place.encrypted:
        context = await asyncio.to_thread(httpx2.create_ssl_context)
    else:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # trusts nobody, and is not asked
    return httpx2.AsyncClient(
        transport=_OnePlace(place, addresses, httpx2.AsyncHTTPTransport(verify=context, trust_env=False)),
        # Each answer has the deadline of its request.
        timeout=httpx2.Timeout(None, connect=_CONNECT_S, write=_CONNECT_S),
        headers={"User-Agent": f"voicemode/{voicemode.__version__}", "Accept-Encoding": "identity", **place.headers},
        follow_redirects=False,
        trust_env=False,
    )


async def _resolved(place: HttpPlace) -> tuple[str, ...]:
    """Every address of the host, each of which may be connected to. Raises ToolServerError."""
    try:
        found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise ToolServerError(
            place.label, f"the name {place.host} cannot be resolved", reason="connection_failed", status=CLOSED
        ) from None
    addresses = tuple(dict.fromkeys(str(each[4][0]) for each in found))
    for address in addresses:
        # One that may not be is enough: whoever answers for the name decides which of them is tried first.
        if not place.admits(address):
            raise ToolServerError(
                place.label, f"{place.host} is {address}, which is not allowed for it", reason="address_refused"
            )
    return addresses


class _OnePlace(httpx2.AsyncBaseTransport):
    """Requests to the place go to its addresses; others are refused."""

    def __init__(self, place: HttpPlace, addresses: tuple[str, ...], inner: httpx2.AsyncBaseTransport) -> None:
        self._place, self._addresses, self._inner = place, addresses, inner
        self._origin = (place.url.partition(":")[0], place.host, place.port)

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if _origin(str(request.url)) != self._origin:
            return _told("it redirects elsewhere, which is not followed")
        try:
            response = await self._sent(request)
        except httpx2.ConnectTimeout:
            return _told(f"no connection within {_CONNECT_S:g} s", CLOSED)
        except httpx2.ConnectError as error:
            encryption = any(isinstance(cause, ssl.SSLError) for cause in _causes(error))
            return _told("its certificate or protocol was not accepted" if encryption else "nothing answers there", CLOSED)
        except httpx2.TransportError:
            return _told("it closed the connection without an answer", CLOSED)
        if response.status_code < 300 or self._follows(request, response):
            return httpx2.Response(response.status_code, headers=response.headers, stream=_Bounded(response.stream))
        return await _refusal(response)

    async def _sent(self, request: httpx2.Request) -> httpx2.Response:
        *others, last = self._addresses
        for address in others:
            try:
                return await self._inner.handle_async_request(self._at(request, address))
            except (httpx2.ConnectError, httpx2.ConnectTimeout):
                continue
        return await self._inner.handle_async_request(self._at(request, last))

    def _at(self, request: httpx2.Request, address: str) -> httpx2.Request:
        """The same request, whose Host header stays, to an address that was checked."""
        return httpx2.Request(
            request.method,
            request.url.copy_with(host=address),
            headers=request.headers,
            stream=request.stream,
            extensions={**request.extensions, "sni_hostname": self._place.host},
        )

    def _follows(self, request: httpx2.Request, response: httpx2.Response) -> bool:
        target = urljoin(str(request.url), response.headers.get("location", ""))
        return response.status_code in _RETURNING and _origin(target) == self._origin

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Bounded(httpx2.AsyncByteStream):
    """A body that breaks off where nobody can mean it any more."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        received = 0
        async for data in self._stream:
            received += len(data)
            if received > ANSWER_BYTES:
                # The kind of error that the client answers the request with.
                raise httpx2.StreamError(TOO_MUCH)
            yield data

    async def aclose(self) -> None:
        await self._stream.aclose()


async def _refusal(response: httpx2.Response) -> httpx2.Response:
    """Its JSON-RPC error where it has one, or its status as one."""
    status = response.status_code
    body = bytearray()
    try:
        async for data in response.aiter_raw():
            body += data
            if len(body) > _ERROR_BYTES:
                break
    except httpx2.HTTPError:
        body.clear()
    finally:
        await response.aclose()
    error = _json_rpc_error(bytes(body))
    if error is not None:
        return _rpc(error)
    where = ": it redirects elsewhere, which is not followed" if 300 <= status < 400 else ""
    return _told(f"HTTP {status}{where}", INVALID, {HTTP_STATUS: status})


def _json_rpc_error(body: bytes) -> Mapping[str, Any] | None:
    try:
        said = json.loads(body)
        error = said["error"]
        return {"code": int(error["code"]), "message": str(error["message"]), "data": error.get("data")}
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError):
        return None


def _told(message: str, code: int = INVALID, data: Mapping[str, Any] | None = None) -> httpx2.Response:
    return _rpc({"code": code, "message": message, "data": data})


def _rpc(error: Mapping[str, Any]) -> httpx2.Response:
    body = json.dumps({"jsonrpc": "2.0", "id": None, "error": {k: v for k, v in error.items() if v is not None}})
    # Its status is of no concern: what is 400 or more and has an error in it is answered with that error.
    return httpx2.Response(400, headers={"content-type": "application/json"}, content=body.encode())


def _origin(url: str) -> tuple[str, str, int]:
    parts = urlsplit(url)
    try:
        return parts.scheme, (parts.hostname or "").removesuffix("."), parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return "", "", 0


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes
