"""Streams of whoever would be asked first: chosen for each utterance, and left alone for a while when they fail."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable

from voicemode.audio import Samples
from voicemode.core.breaker import Breaker, Failure
from voicemode.core.failover import Need
from voicemode.errors import EndpointError
from voicemode.interfaces import StreamingTranscriber, StreamRequest, Transcriber, Transcript, TranscriptStream
from voicemode.providers.racing import failure_of
from voicemode.providers.shelf import Shelf

__all__ = ["FailoverStreams"]

_log = logging.getLogger(__name__)


class FailoverStreams:
    """A StreamingTranscriber over a shelf.

    Nobody gets sound for the sake of a stream: only the endpoint that would be asked first is taken, and only while it is well.
    A stream has a breaker of its own, since a proxy that lets none through is no reason to send that endpoint no uploads.
    """

    def __init__(self, shelf: Shelf[Transcriber], *, chance: Callable[[], float] = random.random) -> None:
        """``chance`` as in ``Breaker``."""
        self._shelf, self._chance = shelf, chance
        self._breakers: dict[str, tuple[object, Breaker]] = {}
        """By endpoint, with the settings behind it."""

    def stream(self, request: StreamRequest) -> TranscriptStream | None:
        order = self._shelf.decide(Need(task="stt", language=request.language)).order
        entry = self._shelf.get(order[0].name) if order else None
        if entry is None or order[0].probe or not isinstance(entry.engine, StreamingTranscriber):
            return None
        breaker = self._breaker(entry.name, entry.made_of)
        if not breaker.admits(self._shelf.clock()):
            return None
        stream = entry.engine.stream(request)
        return None if stream is None else _Watched(stream, breaker, self._shelf.clock)

    def _breaker(self, name: str, made_of: object) -> Breaker:
        known = self._breakers.get(name)
        if known is None or known[0] != made_of:
            known = self._breakers[name] = made_of, Breaker(self._chance)
        return known[1]


class _Watched:
    """A stream whose breaker is told how it goes."""

    def __init__(self, stream: TranscriptStream, breaker: Breaker, clock: Callable[[], float]) -> None:
        self._stream, self._breaker, self._clock = stream, breaker, clock
        self._era = breaker.begin(clock())

    @property
    def name(self) -> str:
        return self._stream.name

    def feed(self, samples: Samples) -> None:
        self._stream.feed(samples)

    def flush(self) -> asyncio.Future[Transcript]:
        words = asyncio.ensure_future(self._stream.flush())
        if words.done():
            self._flushed(words)  # at once: whoever asks for the next stream may not have waited
        else:
            words.add_done_callback(self._flushed)
        return words

    def outrun(self) -> None:
        self._stream.outrun()
        self._breaker.failed(self._clock(), Failure.LATE, era=self._era)

    async def aclose(self) -> None:
        await self._stream.aclose()
        self._breaker.abandoned(self._era)

    def _flushed(self, words: asyncio.Future[Transcript]) -> None:
        if words.cancelled():
            return
        error = words.exception()
        if error is None:
            self._breaker.worked(self._era)
        elif isinstance(error, EndpointError):
            failure, retry_after_s = failure_of(error)
            self._breaker.failed(self._clock(), failure, retry_after_s, self._era)
            _log.info("without the stream: %s", error.problem)
