"""``/v1/realtime/calls``: a conversation over WebRTC. An SDP offer comes, an answer goes; the rest is not HTTP.

aiortc is loaded with the first offer (0.25 s, 50 MB), in a thread, so that conversations under way do not hear of it.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import secrets
from dataclasses import dataclass, replace
from types import ModuleType
from typing import TYPE_CHECKING, Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from voicemode.audio import Samples
from voicemode.http.bodies import form_texts
from voicemode.http.calls import Calls
from voicemode.http.errors import HttpError
from voicemode.http.guard import CALLS_PATH, caller_of
from voicemode.http.sessions import SessionWish, for_secret
from voicemode.runtime.realtime import TOO_BIG, RealtimeCall
from voicemode.runtime.realtime_parts import Peer
from voicemode.transports.errors import OfferError

if TYPE_CHECKING:
    from voicemode.transports.webrtc import WebRtcPeer

__all__ = ["WebRtcCalls", "webrtc_routes"]

_FAREWELL_S = 0.5
"""How long the last messages may take to leave; a peer is given a second to close."""

_AHEAD_S = 300.0
"""So much sound of a client may wait to be heard. A data channel cannot be kept waiting as a WebSocket is, so a client that
sends recordings by it gets five times as much; then its call ends."""

_CODES = {
    "invalid": "invalid_sdp",
    "too_large": "sdp_too_large",
    "no_audio": "sdp_without_audio",
    "unsupported": "unsupported_sdp",
    "unsupported_codec": "unsupported_codec",
}
"""What an ``OfferError`` is called over HTTP."""


@dataclass(slots=True)
class _Held:
    """What the callbacks of a peer reach."""

    call: RealtimeCall | None = None
    """None while there is no call yet."""

    def audio(self, samples: Samples, sample_rate: int) -> None:
        if self.call is not None:
            self.call.audio(samples, sample_rate)

    def message(self, text: str | bytes) -> None:
        if self.call is None:
            return
        if self.call.backlog_s > _AHEAD_S:
            self.call.end(TOO_BIG, "too much audio waits")
        else:
            self.call.received(text)


class WebRtcCalls:
    """Calls that are carried by WebRTC, each with the task that holds it. One per server."""

    def __init__(self, calls: Calls, host: str, *, own_addresses: bool = False) -> None:
        """``host`` is where the server listens: calls are heard there and nowhere else.

        Firefox never connects to a loopback address (measured with Firefox 153 ESR). ``own_addresses`` helps it on the
        server's own machine: calls are heard at all of its addresses, but only from them.
        """
        self._calls, self._host, self._own_addresses = calls, host, own_addresses
        self._holding: set[asyncio.Task[None]] = set()

    async def open(self, offer: str, wish: SessionWish, address: str) -> tuple[str, str]:
        """Begin a call; its name and the answer. Raises HttpError. It ends by itself when either side does."""
        self._calls.places.check(address)
        name = self._calls.new_id()
        answered: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        task = asyncio.create_task(self._hold(offer, replace(wish, server_plays=True), address, name, answered))
        self._holding.add(task)
        task.add_done_callback(self._holding.discard)
        await _first(task, answered)
        if answered.done():
            return name, answered.result()
        if not task.cancelled():
            task.result()
        raise HttpError(503, "server_draining", "The server is about to end.")

    async def aclose(self) -> None:
        """End all of them and free everything. Idempotent."""
        holding = tuple(self._holding)
        for task in holding:
            task.cancel()
        if holding:
            await asyncio.wait(holding)

    async def _hold(self, offer: str, wish: SessionWish, address: str, name: str, answered: asyncio.Future[str]) -> None:
        try:
            webrtc = await _library()
            gone, held = asyncio.Event(), _Held()
            callbacks = webrtc.Callbacks(held.audio, held.message, opened=_nothing, ended=lambda _: gone.set())
            addresses, only_from = webrtc.addresses_for(self._host), frozenset[str]()
            if self._own_addresses:
                addresses = webrtc.own_addresses()
                only_from = frozenset(addresses)
            peer: WebRtcPeer = webrtc.WebRtcPeer(callbacks, addresses=addresses, only_from=only_from)
        except HttpError as error:
            answered.set_exception(error)
            return
        try:
            answer = await peer.answer(offer)
            async with self._calls.open(wish, _peer(peer), address, call_id=name, playout=peer.playout) as opened:
                held.call = opened.call
                answered.set_result(answer)
                leaving = asyncio.create_task(gone.wait())
                try:
                    await _first(leaving, opened.running)
                finally:
                    leaving.cancel()
        except (OfferError, HttpError, OSError) as error:
            if answered.done():
                raise
            answered.set_exception(_told(error))
        finally:
            await peer.aclose()


def webrtc_routes(webrtc: WebRtcCalls, calls: Calls) -> list[Route]:
    """Begin a call, and end one: the latter also for calls over WebSocket."""

    async def begin(request: Request) -> Response:
        offer, wish = await _asked(request)
        caller = caller_of(request.scope)
        if caller.secret is not None:
            wish = for_secret(wish, caller.secret.wish)
        name, answer = await webrtc.open(offer, wish, caller.address)
        return Response(answer, 201, {"location": f"{CALLS_PATH}/{name}"}, media_type="application/sdp")

    async def hang_up(request: Request) -> Response:
        call = calls.find(request.path_params["call_id"])
        if call is None:
            raise HttpError(404, "call_not_found", "There is no call of that name.", param="call_id")
        call.hang_up()
        return Response(status_code=200)

    return [
        Route(CALLS_PATH, begin, methods=["POST"]),
        Route(f"{CALLS_PATH}/{{call_id}}/hangup", hang_up, methods=["POST"]),
    ]


async def _asked(request: Request) -> tuple[str, SessionWish]:
    """The offer, and what is asked for beside it. Raises HttpError."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    model = request.query_params.get("model", "")[:200]
    if kind == "application/sdp":
        try:
            return (await request.body()).decode(), SessionWish(model=model)
        except UnicodeError:
            raise HttpError(400, "invalid_sdp", "The offer is not UTF-8.", param="sdp") from None
    if kind != "multipart/form-data":
        message = "The body is an offer as application/sdp, or multipart/form-data with the fields 'sdp' and 'session'."
        raise HttpError(400, "invalid_content_type", message)
    form = await form_texts(request, "sdp", "session")
    if "sdp" not in form:
        raise HttpError(400, "missing_required_parameter", "The form has no offer.", param="sdp")
    wish = SessionWish.of_session(_session(form.get("session", "{}")))
    return form["sdp"], replace(wish, model=wish.model or model)


def _session(text: str) -> dict[str, Any]:
    try:
        session = json.loads(text)
    except (ValueError, RecursionError):
        raise HttpError(400, "invalid_json", "It is not JSON.", param="session") from None
    if not isinstance(session, dict):
        raise HttpError(400, "invalid_type", "It is not a JSON object.", param="session")
    return session


def _peer(peer: WebRtcPeer) -> Peer:
    """The call's view of it. WebRTC has no close codes; the last messages say why."""

    async def send(text: str | bytes) -> None:
        assert isinstance(text, str)  # noqa: S101  (OpenAI's protocol has no other messages)
        most = peer.max_message_bytes
        await peer.send(text if not most or len(text) <= most else _too_long(most))

    async def end(code: int, reason: str) -> None:  # noqa: ARG001
        await peer.aclose(_FAREWELL_S)

    return Peer(send, end)


def _too_long(most: int) -> str:
    """What a client gets instead of a message that its data channel cannot carry."""
    message = f"An event was longer than the {most} bytes that the data channel takes, and was left out."
    error = HttpError(500, "event_too_large", message).error
    event = {"type": "error", "event_id": f"event_{secrets.token_urlsafe(12)}", "error": error | {"event_id": None}}
    return json.dumps(event)


async def _library() -> ModuleType:
    """The transport. Raises HttpError where it cannot be loaded."""
    try:
        return await asyncio.to_thread(importlib.import_module, "voicemode.transports.webrtc")
    except ImportError:
        raise HttpError(501, "webrtc_unavailable", "WebRTC's libraries cannot be loaded here.") from None


async def _first(*those: asyncio.Future[Any]) -> None:
    """Returns when one of them is done."""
    await asyncio.wait(those, return_when=asyncio.FIRST_COMPLETED)


def _told(error: Exception) -> HttpError:
    if isinstance(error, HttpError):
        return error
    if isinstance(error, OfferError):
        return HttpError(400, _CODES.get(error.reason, "invalid_sdp"), error.problem, param="sdp")
    return HttpError(503, "no_address", "The server has no address at which the call could be heard.", retry_after_s=5)


def _nothing() -> None:
    """The call began when its offer was answered."""
