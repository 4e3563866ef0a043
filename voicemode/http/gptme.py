"""gptme's ``/voice`` and ``/local``: conversations for its web UI and its Python client, unmodified."""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from voicemode.core.conversation_names import conversation_name
from voicemode.http.calls import Calls
from voicemode.http.errors import HttpError
from voicemode.http.guard import VOICE_PATHS, Caller, caller_of
from voicemode.http.realtime_ws import accept, hold, peer_of
from voicemode.http.sessions import SessionWish, for_secret
from voicemode.http.simple_calls import open_simple
from voicemode.providers.gptme import FinishedCall
from voicemode.record import Entry, Role, Surface
from voicemode.runtime.promotion import Promotion
from voicemode.wire.gptme import LocalProtocol, VoiceProtocol

__all__ = ["GptmeCalls", "Redeem", "gptme_routes"]

Redeem: TypeAlias = Callable[[str, SessionWish], Awaitable[SessionWish]]
"""What a ``handoff_id`` stands for: the wish of whoever was let in, with the thread that was handed over. Raises HttpError."""

_LONGEST_NAME = 200
"""Characters of a thread that a client names."""
_PROTOCOLS: Mapping[str, type[VoiceProtocol | LocalProtocol]] = {"/voice": VoiceProtocol, "/local": LocalProtocol}
assert set(_PROTOCOLS) == VOICE_PATHS  # noqa: S101  (who may name a key in its address, and who speaks this, is the same)


async def _no_hand_offs(_: str, __: SessionWish) -> SessionWish:
    raise HttpError(400, "handoff_unknown", "This server takes no hand-offs.", param="handoff_id")


class GptmeCalls:
    """Holds them. One per server."""

    def __init__(
        self, calls: Calls, promotion: Promotion | None = None, *, persistent: bool = False, redeem: Redeem = _no_hand_offs
    ) -> None:
        """``promotion`` is told what was said in each call; None: nobody is. ``persistent``: the settings keep them."""
        self._calls, self._promotion, self._persistent, self._redeem = calls, promotion, persistent, redeem

    def start(self) -> None:
        """The server listens: gptme is told what it was not told before."""
        if self._promotion is not None:
            self._promotion.start()

    async def aclose(self) -> None:
        """Idempotent. Calls are ended by whoever holds them."""
        if self._promotion is not None:
            await self._promotion.aclose()

    async def hold(self, socket: WebSocket) -> None:
        """One conversation, to its end. Raises HttpError when it cannot begin."""
        caller = caller_of(socket.scope)
        wish = await self._wish(socket, caller)
        protocol = _PROTOCOLS[socket.url.path](events=socket.query_params.get("events") == "1")
        said: dict[str, Entry] = {}
        try:
            async with open_simple(
                self._calls,
                wish,
                peer_of(socket),
                caller.address,
                protocol,
                before=lambda: accept(socket),
                on_entry=lambda entry: said.update({entry.key: entry}),
            ) as held:
                await hold(socket, held)
        finally:
            self._finished(wish, said.values())

    def _finished(self, wish: SessionWish, said: Iterable[Entry]) -> None:
        """Whoever asked for this conversation to be incognito wants it nowhere; settings only say what is kept here."""
        if self._promotion is not None and wish.memory != "incognito":
            kept = wish.memory == "persistent" or self._persistent
            call_id = f"voicemode-{secrets.token_hex(16)}"
            self._promotion.finished(
                FinishedCall(call_id, conversation_name(wish.thread, wish.identity), tuple(_turns(said)), kept=kept)
            )

    async def _wish(self, socket: WebSocket, caller: Caller) -> SessionWish:
        wish = SessionWish()
        if caller.secret is not None:
            wish = replace(for_secret(wish, caller.secret.wish), kind="realtime")
        if caller.trusted:
            # A key in an address is for the thread that it was made for: whoever reads it must not choose another one.
            wish = replace(wish, thread=_name(socket.query_params.get("caller_id", "")))
        handoff_id = socket.query_params.get("handoff_id", "")
        if handoff_id:
            wish = await self._redeem(handoff_id, wish)
        return replace(wish, surface=Surface.GPTME.value, thread=wish.thread or _new_thread())


def gptme_routes(gptme: GptmeCalls) -> list[WebSocketRoute]:
    """Both endpoints."""
    return [WebSocketRoute(path, gptme.hold) for path in sorted(VOICE_PATHS)]


def _name(caller_id: str) -> str:
    """The thread that a client asks for; gptme's ``local`` is its word for nobody in particular."""
    if len(caller_id) > _LONGEST_NAME:
        raise HttpError(400, "invalid_value", f"It has more than {_LONGEST_NAME} characters.", param="caller_id")
    return "" if caller_id == "local" else caller_id


def _new_thread() -> str:
    """As gptme names conversations: by the day, and something that no other one has."""
    return f"{time.strftime('%Y-%m-%d')}-voice-{secrets.token_hex(4)}"


def _turns(entries: Iterable[Entry]) -> Iterable[tuple[str, str]]:
    """Role and words of what was said, in order."""
    for entry in entries:
        if entry.role in (Role.USER, Role.ASSISTANT) and entry.text.strip():
            yield entry.role.value, entry.text.strip()
