"""Calls over protocols that know sound and little else, such as gptme's and Twilio's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, cast

from voicemode.audio import Samples
from voicemode.http.calls import Calls, OpenCall
from voicemode.http.sessions import SessionWish
from voicemode.record import Entry
from voicemode.runtime.realtime_parts import Peer, SessionLike
from voicemode.transports.paced import PacedPlayout, Pacing
from voicemode.wire.simple_session import INNER_OPTIONS, InnerSession, SimpleProtocol, SimpleSession

__all__ = ["open_simple"]


@contextlib.asynccontextmanager
async def open_simple(
    calls: Calls,
    wish: SessionWish,
    peer: Peer,
    address: str,
    protocol: SimpleProtocol,
    *,
    pacing: Pacing | None = None,
    before: Callable[[], Awaitable[None]] | None = None,
    on_entry: Callable[[Entry], None] = lambda _: None,
) -> AsyncIterator[OpenCall]:
    """As ``Calls.open``, for a client that speaks ``protocol`` and plays what it is sent when it comes.

    ``on_entry`` is told what the record is told. Raises HttpError.
    """
    opened: list[OpenCall] = []

    def send(samples: Samples) -> None:
        if opened:
            opened[0].call.playout(samples)

    def seen_as(session: SessionLike) -> SessionLike:
        return SimpleSession(cast("InnerSession", session), protocol, on_entry)

    asked = replace(wish, server_plays=True, beta=False, session=_with(wish.session, INNER_OPTIONS))
    async with calls.open(asked, peer, address, playout=PacedPlayout(send, pacing), before=before, seen_as=seen_as) as held:
        opened.append(held)  # nothing of it has run yet
        yield held


def _with(session: Mapping[str, Any], needed: Mapping[str, object]) -> dict[str, Any]:
    """The session object with what is needed in it, however deep."""
    merged = dict(session)
    for key, value in needed.items():
        known = merged.get(key)
        if isinstance(value, Mapping):
            merged[key] = _with(known if isinstance(known, Mapping) else {}, value)
        elif known is None:
            merged[key] = value
    return merged
