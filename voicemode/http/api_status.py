"""``GET /api/status``: what ``voicemode doctor``, ``status``, ``service list`` and ``config list`` know, for the owner's page.

Nobody waits for what is slow. Each part is looked at by itself; an answer has what is known by then, and says what is still
being looked at. Parts are looked at when somebody asks, and not more often than every few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from voicemode.errors import VoicemodeError
from voicemode.http.errors import HttpError
from voicemode.http.faults import kind_and_place
from voicemode.http.guard import caller_of

__all__ = ["FRESH_S", "StatusBoard", "status_routes"]

FRESH_S = 5.0
"""So long what was seen is told again: a page that is left open asks as often."""
_PATIENCE_S = 1.5
"""So long an answer waits for what is being looked at."""
_DEADLINE_S = 10.0
"""After which a look is given up: endpoints and services have deadlines of their own, and take half of it."""

_log = logging.getLogger(__name__)

Look: TypeAlias = Callable[[], Awaitable[Any]]


@dataclass(slots=True, eq=False)
class _Part:
    look: Look
    seen: Any = None
    problem: str = ""
    at: float | None = None
    """When it was seen, in the board's seconds."""
    looking: asyncio.Task[None] | None = None


class StatusBoard:
    """What was last seen of each part. Close it."""

    def __init__(
        self, parts: Mapping[str, Look], clock: Callable[[], float] = time.monotonic, patience_s: float = _PATIENCE_S
    ) -> None:
        """``parts`` by name; what they give goes into JSON. What they raise is told in words if it is of ours."""
        self._parts = {name: _Part(look) for name, look in parts.items()}
        self._clock, self._patience_s = clock, patience_s

    async def read(self) -> dict[str, dict[str, Any]]:
        """By part: what was seen, how long ago, what went wrong, and whether it is being looked at."""
        now = self._clock()
        for part in self._parts.values():
            if part.looking is None and (part.at is None or now - part.at >= FRESH_S):
                part.looking = asyncio.create_task(self._look(part))
        waited_for = [part.looking for part in self._parts.values() if part.looking is not None]
        if waited_for:
            await asyncio.wait(waited_for, timeout=self._patience_s)
        now = self._clock()
        return {name: _told(part, now) for name, part in self._parts.items()}

    async def _look(self, part: _Part) -> None:
        try:
            async with asyncio.timeout(_DEADLINE_S):
                part.seen = await part.look()
            part.problem = ""
        except TimeoutError:
            part.problem = f"It took longer than {_DEADLINE_S:g} s."
        except VoicemodeError as error:
            part.problem = f"{error.problem} {error.remedy}".strip()
        except Exception as error:  # noqa: BLE001  (one part that fails must not hide the others)
            part.problem = "Something went wrong while this was looked at. The server's log says where."
            _log.error("unexpected %s", kind_and_place(error))
        part.at, part.looking = self._clock(), None

    async def aclose(self) -> None:
        """Give up what is being looked at. Idempotent."""
        waited_for = [part.looking for part in self._parts.values() if part.looking is not None]
        for task in waited_for:
            task.cancel()
        await asyncio.gather(*waited_for, return_exceptions=True)


def _told(part: _Part, now: float) -> dict[str, Any]:
    told: dict[str, Any] = {"looking": part.looking is not None}
    if part.at is not None:
        told["age_s"] = round(max(now - part.at, 0.0), 1)
    if part.seen is not None:
        told["seen"] = part.seen
    return told | ({"problem": part.problem} if part.problem else {})


def status_routes(board: StatusBoard) -> list[Route]:
    """For whoever has the token, or was let in by a link; it tells of addresses, folders and settings."""

    async def status(request: Request) -> JSONResponse:
        if not caller_of(request.scope).trusted:
            raise HttpError(403, "owner_only", "This is for whoever owns the installation.")
        return JSONResponse(await board.read(), headers={"cache-control": "no-store"})

    return [Route("/api/status", status, methods=["GET"])]
