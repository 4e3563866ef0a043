"""The one HTTP client of the process: pooled, with deadlines, and with errors that say what happened.

Building a client costs little here, because the trust store is read when the first ``https`` address is used, not
before: on Linux that is 35 ms which a machine with local services never pays.
"""

from __future__ import annotations

import asyncio
import io
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.request import getproxies, proxy_bypass

import httpx2

import voicemode
from voicemode.errors import EndpointError
from voicemode.providers.address import Address, is_loopback
from voicemode.settings import Settings

__all__ = ["Answer", "Call", "HttpPool", "routes"]

KEEP_ALIVE_S = 60.0
"""How long an idle connection is kept. Servers that close sooner are noticed before the connection is used again."""

BODY_LIMIT = 1 << 20
"""Bytes read of an answer that is not streamed: a transcription of an hour is a tenth of it."""

ANSWER_LIMIT = 1 << 26
"""Bytes of any answer: 23 minutes of raw sound. Who announces or sends more is broken or hostile."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a speech endpoint."""

    address: Address
    name: str
    """What errors call the endpoint."""
    path: str
    """Such as "/audio/speech"."""
    method: str = "POST"
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    """May hold a key, hence in no repr."""
    content: bytes | None = field(default=None, repr=False)
    """A JSON body."""
    form: Mapping[str, str] = field(default_factory=dict, repr=False)
    upload: tuple[str, bytes, str] | None = field(default=None, repr=False)
    """File name, bytes and media type of the form's field "file"."""
    first_byte_s: float | None = None
    """Deadline of the first byte of the answer's body, in seconds after the call; None: the setting's."""
    once: bool = False
    """Never ask again by itself: what it does twice is not what it does once."""


class Answer:
    """An answer whose body is still arriving. Whoever opened it must close it."""

    def __init__(self, call: Call, response: httpx2.Response, *, first_byte_at: float, stall_s: float) -> None:
        self._call, self._response = call, response
        self._deadline, self._stall_s = first_byte_at, stall_s

    @property
    def status(self) -> int:
        return self._response.status_code

    @property
    def content_type(self) -> str:
        return self._response.headers.get("content-type", "")

    def header(self, name: str) -> str:
        """The header's value; empty when it is absent."""
        return self._response.headers.get(name, "")

    @property
    def delimited(self) -> bool:
        """HTTP itself tells where the body ends, so that one which ends too soon is an error of ``chunks``."""
        return bool(self.header("content-length") or self.header("transfer-encoding"))

    async def chunks(self) -> AsyncIterator[bytes]:
        """The body as it arrives, unbuffered. Raises EndpointError when it stops or breaks before its end, or is too long."""
        body = self._response.aiter_bytes()
        started, received = False, 0
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    data = await anext(body, None)
            except TimeoutError:
                what = f"paused for more than {self._stall_s:g} s in mid-answer" if started else "sent no first byte"
                raise EndpointError(self._call.name, what + ("" if started else " in time")) from None
            except httpx2.HTTPError as error:
                broke = "broke off in mid-answer" if started else _describe(error, self._call)
                raise EndpointError(self._call.name, broke) from error
            if data is None:
                return
            self._deadline = asyncio.get_running_loop().time() + self._stall_s
            received += len(data)
            if received > ANSWER_LIMIT:
                raise EndpointError(self._call.name, f"answered more than {ANSWER_LIMIT} bytes", retryable=False)
            if data:
                started = True
                yield data

    async def read(self) -> bytes:
        """The whole body, once its first byte is there within one stall's time.

        Raises EndpointError; an answer of more than BODY_LIMIT bytes is one.
        """
        body = bytearray()
        self._refuse_longer_than(BODY_LIMIT)
        try:
            async with asyncio.timeout_at(self._deadline + self._stall_s):
                async for data in self.chunks():
                    body += data
                    if len(body) > BODY_LIMIT:
                        raise EndpointError(self._call.name, f"answered more than {BODY_LIMIT} bytes", retryable=False)
        except TimeoutError:
            raise EndpointError(self._call.name, "did not finish its answer in time") from None
        return bytes(body)

    async def check(self) -> None:
        """Close an answer that announces more than anyone can mean. Raises EndpointError."""
        try:
            self._refuse_longer_than(ANSWER_LIMIT)
        except EndpointError:
            await self.aclose()
            raise

    def _refuse_longer_than(self, limit: int) -> None:
        announced = self.header("content-length")
        if announced.isascii() and announced.isdigit() and int(announced[:20]) > limit:
            raise EndpointError(self._call.name, f"announces an answer of {announced[:20]} bytes", self.status, retryable=False)

    async def aclose(self) -> None:
        """Free the connection; one whose answer was not read to its end is closed. Idempotent."""
        await self._response.aclose()


class HttpPool:
    """Keeps connections to speech endpoints warm and shares them among all calls of one event loop.

    Nothing is opened or loaded until the first call, or ``warm``.
    """

    def __init__(self, settings: Settings) -> None:
        self._client: httpx2.AsyncClient | None = None
        self.configure(settings)

    def configure(self, settings: Settings) -> None:
        """Heed these settings from the next call on; what is under way goes on under the former ones."""
        self.local_only = settings.local_only
        self.connect_s = settings.connect_timeout_s
        self.first_byte_s = settings.first_byte_timeout_s
        self.stall_s = settings.stall_timeout_s
        if self._client is not None:
            self._client.timeout = self._timeout()

    def _timeout(self) -> httpx2.Timeout:
        # Reads are timed by Answer, which knows the first byte from the others.
        return httpx2.Timeout(None, connect=self.connect_s, write=self.stall_s)

    def warm(self) -> httpx2.AsyncClient:
        """Build the client, so that the first call need not: about 35 ms, nearly all of it imports. Idempotent."""
        if self._client is None:
            self._client = httpx2.AsyncClient(
                transport=_Routes(lambda: self.local_only),
                timeout=self._timeout(),
                headers={"User-Agent": f"voicemode/{voicemode.__version__}", "Accept-Encoding": "identity"},
                follow_redirects=False,
                trust_env=False,
            )
        return self._client

    async def open(self, call: Call) -> Answer:
        """Send the call and return when the answer's head is there, whatever its status.

        Raises EndpointError: refused, unknown name, too late, broken, too long.
        """
        if self.local_only and not call.address.loopback:
            problem = "is not this machine, and VOICEMODE_LOCAL_ONLY is on"
            raise EndpointError(call.name, problem, retryable=False, reached=False)
        try:
            return await self._send(call)
        except _ClosedError as closed:
            if call.once:
                raise EndpointError(call.name, "closed the connection without an answer") from closed.__cause__
            # A kept connection that the server closed at the same moment. No byte was answered, so asking again is
            # safe (RFC 9112, 9.3.1), and a fresh connection answers or tells the real reason.
            try:
                return await self._send(call)
            except _ClosedError as again:
                raise EndpointError(call.name, "closed the connection without an answer") from again.__cause__

    async def _send(self, call: Call) -> Answer:
        client = self.warm()
        first_byte_s = self.first_byte_s if call.first_byte_s is None else call.first_byte_s
        request = client.build_request(
            call.method,
            call.address.url(call.path),
            headers=dict(call.headers),
            content=call.content,
            data=dict(call.form) or None,
            # From a file object httpx2 sends pieces, so that the write deadline counts for a piece, not for the whole.
            files={"file": (call.upload[0], io.BytesIO(call.upload[1]), call.upload[2])} if call.upload else None,
        )
        deadline = asyncio.get_running_loop().time() + first_byte_s
        try:
            async with asyncio.timeout_at(deadline):
                response = await client.send(request, stream=True)
        except TimeoutError:
            raise EndpointError(call.name, f"sent no first byte within {first_byte_s:g} s") from None
        except (httpx2.RemoteProtocolError, httpx2.ReadError, httpx2.WriteError) as error:
            raise _ClosedError from error
        except httpx2.HTTPError as error:
            reached = not isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError))
            raise EndpointError(call.name, _describe(error, call, self.connect_s), reached=reached) from error
        answer = Answer(call, response, first_byte_at=deadline, stall_s=self.stall_s)
        await answer.check()
        return answer

    async def aclose(self) -> None:
        """Close every connection. Idempotent; a later call builds a new client."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()


def routes(local_only: Callable[[], bool]) -> httpx2.AsyncBaseTransport:
    """The way to other machines with their proxies, and to this one without, for clients of other deadlines."""
    return _Routes(local_only)


class _ClosedError(Exception):
    """The connection ended before any byte of the answer."""


_Kind: TypeAlias = tuple[bool, str | None]
"""Encrypted or not; the proxy's address, if one is on the way."""


class _Routes(httpx2.AsyncBaseTransport):
    """Plain, encrypted and proxied connections, each kind built when it is first needed.

    The proxy variables every program honours (HTTPS_PROXY, NO_PROXY and so on) count for other machines, never for
    this one and never while ``local_only`` is on.
    """

    def __init__(self, local_only: Callable[[], bool]) -> None:
        self._local_only = local_only
        # Unencrypted and direct is what a machine with local services uses, and all it uses.
        self._kinds: dict[_Kind, httpx2.AsyncHTTPTransport] = {
            (False, None): _transport(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), None)
        }
        self._building = asyncio.Lock()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        kind: _Kind = (request.url.scheme == "https", self._proxy(request.url))
        transport = self._kinds.get(kind)
        if transport is None:
            async with self._building:
                transport = self._kinds.get(kind) or await self._build(*kind)
                self._kinds[kind] = transport
        return await transport.handle_async_request(request)

    def _proxy(self, url: httpx2.URL) -> str | None:
        if self._local_only() or is_loopback(url.host) or proxy_bypass(url.host):
            return None
        proxies = getproxies()
        proxy = proxies.get(url.scheme) or proxies.get("all")
        return proxy if proxy is None or "://" in proxy else f"http://{proxy}"

    async def _build(self, encrypted: bool, proxy: str | None) -> httpx2.AsyncHTTPTransport:
        if encrypted or (proxy or "").startswith("https:"):
            return _transport(await asyncio.to_thread(httpx2.create_ssl_context), proxy)
        return _transport(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), proxy)  # trusts nobody, and is not asked

    async def aclose(self) -> None:
        for transport in self._kinds.values():
            await transport.aclose()


def _transport(context: ssl.SSLContext, proxy: str | None) -> httpx2.AsyncHTTPTransport:
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=8, keepalive_expiry=KEEP_ALIVE_S)
    return httpx2.AsyncHTTPTransport(verify=context, limits=limits, proxy=proxy)


def _describe(error: BaseException, call: Call, connect_s: float = 0.0) -> str:
    """Say what kept the answer away; the innermost cause knows best."""
    causes = list(_causes(error))
    if any(isinstance(cause, socket.gaierror) for cause in causes):
        return f"the name {call.address.host} cannot be resolved"
    if any(isinstance(cause, ssl.SSLError) for cause in causes):
        return "no encrypted connection: the certificate or the protocol was not accepted"
    if any(isinstance(cause, ConnectionRefusedError) for cause in causes):
        return "connection refused: nothing listens there"
    match error:
        case httpx2.ConnectTimeout():
            return f"no connection within {connect_s:g} s"
        case httpx2.WriteTimeout():
            return "stopped taking the request"
        case httpx2.ProxyError():
            return "the proxy on the way to it refused"
        case httpx2.ConnectError():
            return "no connection: this machine has no way to it"
        case _:
            return f"the connection broke ({type(error).__name__})"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and everything it came from, groups included."""
    while error is not None:
        yield error
        if isinstance(error, BaseExceptionGroup):
            for part in error.exceptions:
                yield from _causes(part)
        error = error.__cause__ or error.__context__
