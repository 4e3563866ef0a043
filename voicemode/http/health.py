"""Whether the server lives, and whether a conversation would be answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

import voicemode
from voicemode.http.guard import caller_of
from voicemode.http.limits import Places
from voicemode.providers.registry import Registry
from voicemode.providers.shelf import Shelf

__all__ = ["Part", "Readiness", "health_routes"]

_FRESH_S = 5.0
"""So long an answer is given again: those who look after servers look every few seconds."""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a conversation needs."""

    ready: bool
    by: tuple[str, ...] = ()
    """Who would do it now, the first one first: addresses of the person's settings, or "builtin:..."."""
    remark: str = ""
    """Such as that an echo answers."""


class Readiness:
    """Speech to text, text to speech, and somebody who answers."""

    def __init__(
        self,
        registry: Registry,
        look: Callable[[], Awaitable[None]],
        responder: Callable[[], Part],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``look`` asks the endpoints whether they are there, with a deadline of its own."""
        self._registry, self._look, self._responder, self._clock = registry, look, responder, clock
        self._looked_at = -_FRESH_S
        self._looking = asyncio.Lock()

    async def parts(self) -> Mapping[str, Part]:
        """Each one, known freshly."""
        async with self._looking:
            if self._clock() - self._looked_at >= _FRESH_S:
                await self._look()
                self._looked_at = self._clock()
        return {"stt": _served(self._registry.stt), "tts": _served(self._registry.tts), "responder": self._responder()}


def _served(shelf: Shelf[Any]) -> Part:
    now = shelf.clock()
    able = tuple(entry.name for entry in shelf if entry.health.breaker.admits(now))
    return Part(bool(able), able)


def health_routes(readiness: Readiness, places: Places) -> list[Route]:
    """``/healthz`` and ``/readyz``; without the token they say yes or no and no more."""

    async def alive(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok", "service": "voicemode", "version": voicemode.__version__})

    async def ready(request: Request) -> JSONResponse:
        parts = await readiness.parts()
        fine = all(part.ready for part in parts.values()) and not places.closed
        told: dict[str, object] = {"status": "draining" if places.closed else "ready" if fine else "not_ready"}
        told["checks"] = {name: part.ready for name, part in parts.items()}
        if caller_of(request.scope).trusted:
            told["checks"] = {name: {"ready": p.ready, "by": p.by, "remark": p.remark} for name, p in parts.items()}
        return JSONResponse(told, 200 if fine else 503)

    # /health is where 'voicemode service' asks each of its services.
    return [Route("/healthz", alive), Route("/health", alive), Route("/readyz", ready)]
