"""Sessions that are handed to another agent: ``POST /api/handoffs`` makes one, and whoever opens a session accepts it."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from voicemode.core.handoff import (
    CLOCKS_S,
    LIFE_S,
    HandOff,
    HandOffError,
    UsedHandOffError,
    Utterance,
    read_hand_off,
    sign_hand_off,
    tail,
)
from voicemode.http.api_sessions import whose_asks
from voicemode.http.bodies import json_object, text_of
from voicemode.http.errors import HttpError
from voicemode.http.guard import HANDOFFS_PATH
from voicemode.http.session_lifecycle import Whose
from voicemode.record import Entry, Role
from voicemode.supervise.private import make_folder

__all__ = ["ID_PREFIX", "HandOffs", "History", "Offered", "handoff_routes"]

ID_PREFIX = "ho_"
_FOLDER = "handoffs"
_MOST = 1000
"""Hand-offs of one server that wait: 32 kB each at most."""
_KEPT_S = 2 * (LIFE_S + 2 * CLOCKS_S)
"""How long it is known which were used: by then each has expired, also by a clock that is behind."""
_MOST_UTTERANCES = 200

History = Callable[[str, str], Awaitable[Sequence[Entry]]]
"""What was said in a thread of an identity; raises HttpError where there is none of it."""


@dataclass(frozen=True, slots=True)
class Offered:
    """A hand-off that was made."""

    id: str
    """Stands for the token on this server: it fits where a token does not, as into an address."""
    token: str
    expires_at: int
    """Unix seconds."""


class HandOffs:
    """Makes them and accepts them, each once, whichever process of this installation is asked."""

    def __init__(
        self, base_dir: Path, agents: Sequence[str], secret: Callable[[], bytes], *, clock: Callable[[], float] = time.time
    ) -> None:
        """``agents`` are our names, at least one. ``secret`` is asked at the first use."""
        self._folder, self._agents, self._secret, self._clock = base_dir / _FOLDER, tuple(agents), secret, clock
        self._waiting: dict[str, Offered] = {}

    def offer(
        self,
        *,
        thread: str,
        identity: str,
        to_agent: str,
        reason: str = "",
        context: str = "",
        transcript: Sequence[Utterance] = (),
        memory: Literal["", "incognito"] = "",
    ) -> Offered:
        """Sign one. Raises HttpError."""
        now = self._clock()
        self._waiting = {name: each for name, each in self._waiting.items() if each.expires_at > now}
        if len(self._waiting) >= _MOST:
            raise HttpError(429, "too_many_handoffs", "Too many hand-offs wait.", retry_after_s=LIFE_S)
        hand_off = HandOff(
            thread=thread,
            identity=identity,
            from_agent=self._agents[0],
            to_agent=to_agent,
            nonce=secrets.token_urlsafe(24),
            expires_at=int(now) + LIFE_S,
            reason=reason,
            context=context,
            transcript=tail(transcript),
            memory=memory,
        )
        try:
            token = sign_hand_off(hand_off, self._secret())
        except ValueError as error:
            raise HttpError(400, "invalid_value", "It is empty or too long.", param=str(error)) from None
        offered = Offered(ID_PREFIX + secrets.token_urlsafe(18), token, hand_off.expires_at)
        self._waiting[offered.id] = offered
        return offered

    async def accept(self, given: str) -> HandOff:
        """What was handed over, by its token or by its id. It is used with this, and never accepted again.

        Raises HttpError: 403 with the code of a HandOffError; 503 where it cannot be noted that it was used.
        """
        waiting = self._waiting.get(given) if given.startswith(ID_PREFIX) else None
        try:
            token = waiting.token if waiting is not None else given
            hand_off = read_hand_off(token, self._secret(), now=self._clock(), agents=self._agents)
            await asyncio.to_thread(self._use, hand_off.nonce)
        except HandOffError as error:
            raise HttpError(403, error.code, str(error)) from None
        except OSError:
            raise HttpError(503, "handoff_unavailable", "The hand-off cannot be accepted: the disk takes nothing.") from None
        if waiting is not None:
            self._waiting.pop(given, None)
        return hand_off

    def _use(self, nonce: str) -> None:
        """One process alone makes the file. Raises UsedHandOffError, OSError."""
        make_folder(self._folder)
        self._forget_old()
        path = self._folder / hashlib.sha256(nonce.encode()).hexdigest()
        try:
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        except FileExistsError:
            raise UsedHandOffError from None

    def _forget_old(self) -> None:
        oldest = time.time() - _KEPT_S  # of the clock that stamps files
        for path in self._folder.iterdir():
            with contextlib.suppress(FileNotFoundError):  # another process was quicker
                if path.stat().st_mtime < oldest:
                    path.unlink()


def handoff_routes(
    handoffs: HandOffs, history: History | None = None, memory_of: Callable[[Whose], str | None] = lambda _: None
) -> list[Route]:
    """``POST /api/handoffs``. Without a transcript of its own, a hand-off has the last words of the thread's ``history``.

    ``memory_of`` knows where a thread is whose memory is not told.
    """

    async def create(request: Request) -> JSONResponse:
        body = await json_object(request)
        whose = whose_asks(request, body)
        if not whose.thread:
            raise HttpError(403, "thread_not_allowed", "This client secret is bound to no thread that it could hand on.")
        transcript = _transcript(body)
        if transcript is None:
            transcript = _spoken(await history(whose.identity, whose.thread)) if history is not None else ()
        offered = handoffs.offer(
            thread=whose.thread,
            identity=whose.identity,
            to_agent=text_of(body, "to_agent", most=80),
            reason=text_of(body, "reason", most=500, default=""),
            context=text_of(body, "context_summary", most=2000, default=""),
            transcript=transcript,
            memory="incognito" if (whose.memory or memory_of(whose)) == "incognito" else "",
        )
        return JSONResponse({"id": offered.id, "token": offered.token, "expires_at": offered.expires_at}, 201)

    return [Route(HANDOFFS_PATH, create, methods=["POST"])]


def _transcript(body: Mapping[str, Any]) -> tuple[Utterance, ...] | None:
    value = body.get("transcript")
    if value is None:
        return None
    if not isinstance(value, list) or len(value) > _MOST_UTTERANCES:
        raise HttpError(400, "invalid_type", f"It is a list of at most {_MOST_UTTERANCES}.", param="transcript")
    spoken = []
    for each in value:
        match each:
            case {"role": "user" | "assistant" as role, "text": str(text)}:
                spoken.append(Utterance(role, text))
            case _:
                raise HttpError(400, "invalid_type", "Each has a role and a text.", param="transcript")
    return tuple(spoken)


def _spoken(entries: Sequence[Entry]) -> tuple[Utterance, ...]:
    return tuple(Utterance(each.role.value, each.text) for each in entries if each.role in (Role.USER, Role.ASSISTANT))
