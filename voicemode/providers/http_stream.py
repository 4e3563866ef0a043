"""An utterance that is written down while it is spoken, by an endpoint that takes such streams."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from voicemode.audio import Samples
from voicemode.core.voices import base_language
from voicemode.errors import EndpointError
from voicemode.interfaces import PartialTranscript, StreamRequest, Transcript
from voicemode.providers.endpoint import Endpoint
from voicemode.providers.leaving import leaving
from voicemode.wire.audio_stream import FLUSH, Flushed, Grown, Refused, read_stream_message, stream_path

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

__all__ = ["HttpStream"]

_PIECE = 1 << 18
"""Bytes of sound in one message: 8 s; the service takes four times as much."""
_TRY_LATER = 1013
"""Close code of RFC 6455's registry at IANA."""


class HttpStream:
    """A TranscriptStream. It connects at once, and keeps what is fed until it has."""

    def __init__(self, endpoint: Endpoint, request: StreamRequest) -> None:
        """Starts a task, so an event loop must run."""
        self._endpoint, self._request = endpoint, request
        self._out: asyncio.Queue[bytes | str] = asyncio.Queue()
        self._flushes: deque[asyncio.Future[Transcript]] = deque()
        """Not answered yet, in order."""
        self._settled = ""
        self._problem: EndpointError | None = None
        """Why it is of no use any more."""
        self._running = asyncio.create_task(self._run())

    @property
    def name(self) -> str:
        return self._endpoint.name

    def feed(self, samples: Samples) -> None:
        data = samples.astype("<i2", copy=False).tobytes()
        for at in range(0, len(data), _PIECE):
            self._put(data[at : at + _PIECE])

    def flush(self) -> asyncio.Future[Transcript]:
        """As ``TranscriptStream.flush``; it fails when the endpoint has not answered by the deadline of a first byte."""
        loop = asyncio.get_running_loop()
        words: asyncio.Future[Transcript] = loop.create_future()
        words.add_done_callback(_retrieved)
        if self._problem is not None or self._running.done():
            words.set_exception(self._problem or EndpointError(self.name, "the stream is closed"))
            return words
        self._flushes.append(words)
        self._put(FLUSH)
        deadline = loop.call_later(self._endpoint.pool.first_byte_s, self._missed, words)
        words.add_done_callback(lambda _: deadline.cancel())
        return words

    def outrun(self) -> None:
        """Its health is kept elsewhere."""

    async def aclose(self) -> None:
        self._running.cancel()
        await asyncio.gather(self._running, return_exceptions=True)
        for words in self._flushes:
            words.cancel()

    def _put(self, message: bytes | str) -> None:
        if self._problem is None:
            self._out.put_nowait(message)

    async def _run(self) -> None:
        try:
            with leaving(self.name, self._request.on_remote):
                await self._talk()
        except EndpointError as error:
            self._fail(error)

    async def _talk(self) -> None:
        language = base_language(self._request.language) if self._request.language else None
        socket = await self._endpoint.dial(stream_path(model=self._endpoint.model, language=language))
        sending = asyncio.create_task(self._send(socket))
        try:
            await self._receive(socket)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            await socket.close()

    async def _send(self, socket: ClientConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        with contextlib.suppress(ConnectionClosed):  # the receiver tells why
            while True:
                await socket.send(await self._out.get())

    async def _receive(self, socket: ClientConnection) -> None:
        """Raises EndpointError: nobody but us ends a stream."""
        from websockets.exceptions import ConnectionClosed

        reason = ""
        try:
            while True:
                refused = self._heed(await socket.recv())
                if refused is not None:
                    reason = self._endpoint.reason("application/json", refused.body, ())
        except ConnectionClosed as closed:
            status = 429 if closed.rcvd is not None and closed.rcvd.code == _TRY_LATER else None
            detail = f"ended the stream: {reason}".removesuffix(": ").rstrip(".")
            raise EndpointError(self.name, detail, status) from closed
        except ValueError as error:
            raise EndpointError(self.name, "answered something that is not of a stream", retryable=False) from error

    def _heed(self, data: str | bytes) -> Refused | None:
        match read_stream_message(data):
            case Grown(settled, tail, until_s):
                self._settled += settled
                self._request.on_partial(PartialTranscript(self._settled, tail, until_s))
            case Flushed(text) if self._flushes:
                words = self._flushes.popleft()
                if not words.done():
                    words.set_result(Transcript(text, self.name))
            case Refused() as refused:
                return refused
            case _:
                pass
        return None

    def _missed(self, words: asyncio.Future[Transcript]) -> None:
        if not words.done():
            self._fail(EndpointError(self.name, "did not write down in time what was streamed"))
            self._running.cancel()

    def _fail(self, error: EndpointError) -> None:
        self._problem = error
        while self._flushes:
            words = self._flushes.popleft()
            if not words.done():
                words.set_exception(error)


def _retrieved(words: asyncio.Future[Transcript]) -> None:
    """Whoever asked may have gone; then nobody need be told that it failed."""
    if not words.cancelled():
        words.exception()
