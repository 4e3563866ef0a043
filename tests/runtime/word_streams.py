"""A transcriber that listens while somebody speaks: it knows the words that are tones."""

from __future__ import annotations

import asyncio

import numpy as np

from tests.runtime.tone_words import words_in
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.errors import EndpointError
from voicemode.interfaces import PartialTranscript, StreamRequest, Transcript

__all__ = ["WordStream", "WordStreams"]


class WordStreams:
    """Tells partial words every ``every_s`` of sound, and answers a flush after ``delay_s``, or fails then with ``error``."""

    def __init__(self, *, delay_s: float = 0.0, every_s: float = 0.5, error: EndpointError | None = None) -> None:
        self.delay_s, self.every_s, self.error = delay_s, every_s, error
        self.streams: list[WordStream] = []

    def stream(self, request: StreamRequest) -> WordStream:
        self.streams.append(WordStream(self, request))
        return self.streams[-1]


class WordStream:
    """One of them."""

    name = "stream"

    def __init__(self, owner: WordStreams, request: StreamRequest) -> None:
        self._owner, self.request = owner, request
        self.sound: Samples = np.zeros(0, np.int16)
        self.pieces: list[int] = []
        """Samples of each that was fed."""
        self.flushed: list[Samples] = []
        """All the sound there was at each flush."""
        self.outruns = 0
        self.closed = False
        self._told = 0

    def feed(self, samples: Samples) -> None:
        assert not self.closed
        self.sound = np.concatenate([self.sound, samples])
        self.pieces.append(len(samples))
        if len(self.sound) - self._told >= self._owner.every_s * CAPTURE_RATE:
            self._told = len(self.sound)
            words = words_in(self.sound).split()
            settled, tail = " ".join(words[:-1]), f" {words[-1]}" if words else ""
            self.request.on_partial(PartialTranscript(settled, tail, len(self.sound) / CAPTURE_RATE))

    def flush(self) -> asyncio.Future[Transcript]:
        self.flushed.append(self.sound)
        return asyncio.ensure_future(self._words(self.sound))

    def outrun(self) -> None:
        self.outruns += 1

    async def aclose(self) -> None:
        self.closed = True

    async def _words(self, sound: Samples) -> Transcript:
        await asyncio.sleep(self._owner.delay_s)
        if self._owner.error is not None:
            raise self._owner.error
        return Transcript(words_in(sound), self.name)
