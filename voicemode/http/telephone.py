"""Telephone calls over Twilio: ``POST /incoming`` says how a call goes on, and ``WS /twilio`` is the call.

Neither has a Bearer token. What comes to ``/incoming`` is signed with the account's auth token, which is checked whatever else
is set. What opens ``/twilio`` has to show a secret that ``/incoming`` gave to Twilio for that one call, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import secrets
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from voicemode.core.handoff import HandOff, briefing
from voicemode.core.marked_playout import MarkedPlayout
from voicemode.errors import VoicemodeError
from voicemode.http.calls import Calls, OpenCall
from voicemode.http.errors import HttpError
from voicemode.http.faults import kind_and_place
from voicemode.http.handoffs import HandOffs
from voicemode.http.limits import Places
from voicemode.http.refusing import POLICY
from voicemode.http.sessions import SessionWish
from voicemode.http.websocket import IN_A_ROW
from voicemode.providers.twilio_api import INCOMING_PATH, STREAM_PATH, Line, TwilioApi
from voicemode.record import Surface
from voicemode.runtime.realtime import INTERNAL, TRY_LATER
from voicemode.runtime.realtime_parts import Peer, SessionLike
from voicemode.wire.hang_up import HANG_UP, HangUpSession
from voicemode.wire.simple_session import INNER_OPTIONS, InnerSession, SimpleSession
from voicemode.wire.twilio import Started, TwilioProtocol, read_message
from voicemode.wire.twilio_http import connect, is_signed, refuse_call, stream_url

__all__ = ["Telephone"]

_FORM_BYTES = 64 << 10
"""Twilio's have 1 kB."""
_FIELDS = 200
_CONNECT_S = 30.0
"""From our TwiML to the stream's first message: Twilio connects within a second or not at all."""
_START_S = 10.0
"""From the socket to the message that has the secret."""
_BEFORE_START = 4
"""Messages until then: one, "connected", as a rule."""
_STRANGERS = 16
"""Sockets that have not shown a secret."""
_MOST_EXPECTED = 1000
_AHEAD_S = 60.0
_AHEAD_POLL_S = 0.02
_HANG_UP_S = 0.8
"""A call gives its peer a second to close."""
_ENDING_S = 4.0
_INSTRUCTIONS = (
    "You are on the telephone with a person. Speak in short, plain sentences without lists or markup. "
    "Keys that they press come as words. When the conversation is over, say goodbye and call the function hangup."
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Expected:
    """A call whose stream is to come."""

    number: str
    """Of the person, E.164."""
    call_sid: str
    until: float
    hand_off: HandOff | None = field(repr=False)

    def wish(self) -> SessionWish:
        """The session: of whoever has this number, or of the one that was handed over."""
        told = _INSTRUCTIONS if self.hand_off is None else f"{_INSTRUCTIONS}\n\n{briefing(self.hand_off)}"
        identity = f"phone:{self.number}"
        return SessionWish(
            server_plays=True,
            session={**INNER_OPTIONS, "instructions": told, "tools": [HANG_UP]},
            identity=identity if self.hand_off is None else self.hand_off.identity,
            thread=identity if self.hand_off is None else self.hand_off.thread,
            memory="" if self.hand_off is None else self.hand_off.memory,
            surface=Surface.PHONE.value,
        )


@dataclass(slots=True, eq=False)
class _Stream:
    """One call's socket, and what its callbacks reach."""

    socket: WebSocket
    call_sid: str
    api: TwilioApi
    held: OpenCall | None = None
    gone: bool = False
    """The caller hung up, or Twilio did."""

    def peer(self) -> Peer:
        return Peer(self._send, self._end)

    async def _send(self, frame: str | bytes) -> None:
        assert isinstance(frame, str)  # noqa: S101  (Twilio's messages are JSON)
        await self.socket.send_text(frame)

    async def _end(self, code: int, reason: str) -> None:
        del reason
        if not self.gone:
            await _hang_up(self.api, self.call_sid)
        await _close(self.socket, code)

    def stopped(self) -> None:
        self.gone = True


class Telephone:
    """The calls of one line. One per server."""

    def __init__(
        self,
        line: Line,
        calls: Calls,
        api: TwilioApi,
        handoffs: HandOffs,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._line, self._calls, self._api, self._handoffs, self._clock = line, calls, api, handoffs, clock
        self._places = Places(line.max_calls, 1, "telephone calls")
        self._expected: dict[bytes, _Expected] = {}
        """By the digest of the secret that opens the stream."""
        self._strangers = 0

    @property
    def public_host(self) -> str:
        """The name by which Twilio reaches us."""
        return self._line.public_host

    @property
    def own_proof(self) -> frozenset[tuple[str, str]]:
        """What the guard leaves to us: ``Access.own_proof``."""
        return frozenset({("http", INCOMING_PATH), ("websocket", STREAM_PATH)})

    def routes(self) -> list[BaseRoute]:
        """Both."""
        return [Route(INCOMING_PATH, self._incoming, methods=["POST"]), WebSocketRoute(STREAM_PATH, self._stream)]

    # -- how a call goes on

    async def _incoming(self, request: Request) -> Response:
        form = await self._signed_form(request)
        incoming = not form.get("Direction", "inbound").startswith("outbound")
        number = form.get("From" if incoming else "To", "")
        answer = refuse_call(incoming=incoming)
        if number not in self._line.allowed:
            _log.warning("a telephone call was refused: its number is not in VOICEMODE_TWILIO_ALLOWED_NUMBERS")
        elif not self._has_place(number):
            answer = refuse_call(incoming=incoming, busy=True)
        else:
            given = request.query_params.get("handoff", "")
            try:
                hand_off = await self._handoffs.accept(given) if given else None
                answer = self._expect(number, form.get("CallSid", ""), hand_off)
            except HttpError as error:
                _log.warning("a telephone call was refused: %s", error.code)
        return Response(answer, media_type="text/xml")

    async def _signed_form(self, request: Request) -> dict[str, str]:
        """Raises HttpError for what Twilio did not send, before anything else is looked at."""
        body = await request.body()
        query = request.scope["query_string"].decode("latin-1")
        try:
            fields = parse_qsl(
                body.decode() if len(body) <= _FORM_BYTES else "",
                keep_blank_values=True,
                max_num_fields=_FIELDS,
                errors="strict",
            )
        except (UnicodeError, ValueError):
            fields = []
        url = self._line.incoming_url + (f"?{query}" if query else "")
        given = request.headers.get("x-twilio-signature", "")
        if not is_signed(url, fields, self._line.auth_token.get_secret_value(), given):
            raise HttpError(403, "invalid_signature", "This was not signed by Twilio for VOICEMODE_PUBLIC_URL and its account.")
        form = dict(fields)
        if form.get("AccountSid") != self._line.account:
            raise HttpError(403, "foreign_account", "This is of another account.")
        return form

    def _has_place(self, number: str) -> bool:
        try:
            self._places.check(number)
            self._calls.places.check(number)
        except HttpError:
            return False
        return True

    def _expect(self, number: str, call_sid: str, hand_off: HandOff | None) -> str:
        now = self._clock()
        self._expected = {key: each for key, each in self._expected.items() if each.until > now and each.call_sid != call_sid}
        if len(self._expected) >= _MOST_EXPECTED:
            raise HttpError(429, "too_many_calls", "Too many calls are about to begin.", retry_after_s=_CONNECT_S)
        secret = secrets.token_urlsafe(32)
        self._expected[_digest(secret)] = _Expected(number, call_sid, now + _CONNECT_S, hand_off)
        return connect(stream_url(self._line.public_url, STREAM_PATH), {"secret": secret})

    # -- the call

    async def _stream(self, socket: WebSocket) -> None:
        if self._strangers >= _STRANGERS:
            raise HttpError(503, "server_full", "Too many streams have not begun.", retry_after_s=_START_S)
        self._strangers += 1
        try:
            await socket.accept()
            started = await _started(socket)
        finally:
            self._strangers -= 1
        expected = self._take(started) if started is not None else None
        if started is None or expected is None:
            await _close(socket, POLICY)
            return
        try:
            await self._converse(socket, started, expected)
        except HttpError as error:
            # Another call took the place meanwhile; the socket was accepted, and its caller hears nobody otherwise.
            _log.warning("a telephone call could not begin: %s", error.code)
            await _hang_up(self._api, started.call_sid)
            await _close(socket, TRY_LATER)

    def _take(self, started: Started) -> _Expected | None:
        """The call that this stream is of. Its secret is used with this, whatever comes of it."""
        expected = self._expected.pop(_digest(started.parameters.get("secret", "")), None)
        if expected is None or expected.until <= self._clock() or not started.understood:
            return None
        return expected if (started.call_sid, started.account_sid) == (expected.call_sid, self._line.account) else None

    async def _converse(self, socket: WebSocket, started: Started, expected: _Expected) -> None:
        stream = _Stream(socket, started.call_sid, self._api)
        async with self._opened(stream, started, expected) as held:
            reading = asyncio.create_task(_read(socket, held))
            try:
                await asyncio.wait({reading, held.running}, timeout=self._line.call_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                reading.cancel()
                await asyncio.wait({reading})
            if not reading.cancelled():
                stream.gone = True  # the socket is closed
                if (error := reading.exception()) is not None:
                    _log.error("a telephone call ended by %s", kind_and_place(error))
                    held.call.end(INTERNAL, "internal error")
            elif not held.running.done():
                held.call.expire()
            await asyncio.wait({held.running}, timeout=_ENDING_S if reading.cancelled() else 0)

    @contextlib.asynccontextmanager
    async def _opened(self, stream: _Stream, started: Started, expected: _Expected) -> AsyncIterator[OpenCall]:
        """Raises HttpError."""
        playout = MarkedPlayout(lambda samples: stream.held.call.playout(samples) if stream.held is not None else None)
        protocol = TwilioProtocol(started.stream_sid, played=playout.played, stopped=stream.stopped)

        def seen_as(session: SessionLike) -> SessionLike:
            return SimpleSession(HangUpSession(cast("InnerSession", session)), protocol)

        with self._places.one(expected.number):
            async with self._calls.open(
                expected.wish(), stream.peer(), expected.number, playout=playout, seen_as=seen_as
            ) as held:
                stream.held = held  # nothing of it has run yet
                yield held


async def _started(socket: WebSocket) -> Started | None:
    """The message that begins the stream; None when none comes in time."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_START_S):
            for _ in range(_BEFORE_START):
                received = await socket.receive()
                if received["type"] == "websocket.disconnect":
                    return None
                message = read_message(received.get("text") or "")
                if isinstance(message, Started):
                    return message
    return None


async def _read(socket: WebSocket, held: OpenCall) -> None:
    """Hand each message on, until the socket is closed."""
    count = 0
    while True:
        received = await socket.receive()
        if received["type"] == "websocket.disconnect":
            return
        held.call.received(received.get("text") or "")
        count += 1
        if count % IN_A_ROW == 0:
            await asyncio.sleep(0)  # who sends without pause must not keep the others waiting
        while held.call.backlog_s > _AHEAD_S:  # noqa: ASYNC110  (nor fill the memory: nothing more is read until it is asked for)
            await asyncio.sleep(_AHEAD_POLL_S)


async def _hang_up(api: TwilioApi, call_sid: str) -> None:
    """Over REST, which ends the call whatever becomes of the stream. Closing that ends it as well, where this fails."""
    try:
        async with asyncio.timeout(_HANG_UP_S):
            await api.hang_up(call_sid)
    except (TimeoutError, ValueError, VoicemodeError) as error:
        _log.warning("Twilio was not told to hang up: %s", error if isinstance(error, VoicemodeError) else type(error).__name__)


async def _close(socket: WebSocket, code: int) -> None:
    if socket.client_state is WebSocketState.CONNECTED and socket.application_state is WebSocketState.CONNECTED:
        with contextlib.suppress(WebSocketDisconnect, RuntimeError):  # it went a moment ago
            await socket.close(code)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
