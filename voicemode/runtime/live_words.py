"""An utterance is written down while it is spoken, where an endpoint can do that; all else goes on as if there were no stream.

Whoever feeds a Listener tells it the same events, and gives each transcription its way through here::

    live = LiveWords(streams, pace, trust, on_partial=show, language="en")
    live.heard(listener, events)                         # after each block, before the events are acted upon
    words = live.transcribe(utterance, usual)            # in the place of usual(), the transcription of the whole
    live.rest()                                          # its words are there
    await live.aclose()
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.endpointing import EndpointEvent, NobodySpoke, PauseBegan, SpeechBegan, SpeechResumed, TurnEnded
from voicemode.core.listener import Listener
from voicemode.core.speculation import StreamTrust, TranscriptionPace, stream_after_s
from voicemode.interfaces import PartialTranscript, StreamingTranscriber, StreamRequest, Transcript, TranscriptStream

__all__ = ["LiveWords"]

_PIECE = CAPTURE_RATE // 10
"""Samples in one message: what a stream is late by, and ten messages a second."""
_SHOWN_EVERY_S = 0.3
"""A line that changes more often is not read."""
_SOFT_ENDING_S = 0.1
"""Sound behind the last voiced frame that words must cover to be all of them: the breath of an "s"."""


class LiveWords:
    """The streams of a conversation, one for each utterance; belongs to one event loop."""

    def __init__(
        self,
        streams: StreamingTranscriber | None,
        pace: TranscriptionPace,
        trust: StreamTrust,
        *,
        on_partial: Callable[[str], None] = lambda _: None,
        on_settled: Callable[[str], None] = lambda _: None,
        language: str | None = None,
        on_remote: Callable[[str], None] | None = None,
    ) -> None:
        """``streams`` is None where nobody can; ``pace`` and ``trust`` are the session's.

        ``on_partial`` is told the words so far, a few times a second at most; ``on_settled`` those of them that will stay, each
        time that anything was understood. The others as in ``StreamRequest``. Opens nothing.
        """
        self._streams, self._pace, self._trust = streams, pace, trust
        self._on_partial, self._on_settled = on_partial, on_settled
        self._language, self._on_remote = language, on_remote
        self._stream: TranscriptStream | None = None
        """Of the utterance under way, or of the last one until its words are there."""
        self._utterances = 0
        """Changes when one begins, and when one is done with."""
        self._tried = False
        """Was a stream of this utterance asked for?"""
        self._fed = 0
        """Samples of this utterance."""
        self._following = False
        """Somebody speaks. In a pause nothing is fed: reading silence would keep the engine from reading the words."""
        self._silent_since: float | None = None
        """Where the pause began, in seconds of the listener; None while somebody speaks."""
        self._words, self._until_s = "", 0.0
        """Of this utterance, as they were last understood, and how much of its sound they are."""
        self._shown_at = -_SHOWN_EVERY_S
        self._strays: set[asyncio.Task[None]] = set()
        """What still ends."""

    def heard(self, listener: Listener, events: Sequence[EndpointEvent]) -> None:
        """The listener has heard a block, and these events came of it."""
        for event in events:
            match event:
                case SpeechBegan():
                    self._begin()
                case PauseBegan():
                    self._following, self._silent_since = False, event.at
                    self._tell_policy(listener)
                case SpeechResumed():
                    self._following, self._silent_since = True, None
                case TurnEnded():
                    self._following, self._silent_since = False, None
                case NobodySpoke():
                    self.rest()
                case _:
                    pass
        if self._following:
            self._follow(listener)

    def transcribe(
        self, utterance: AudioChunk, usual: Callable[[], Coroutine[Any, Any, Transcript]]
    ) -> Coroutine[Any, Any, Transcript]:
        """The words of all of the utterance so far, by the stream or by ``usual``, whichever has them first.

        The stream counts only if it heard exactly this sound. Raises what ``usual`` raises; nothing that the stream does is
        an error.
        """
        stream = self._stream
        if stream is None or self._fed > len(utterance.samples):
            return usual()
        self._feed(utterance.samples[self._fed :])
        return self._first(stream, stream.flush(), usual)

    def rest(self) -> None:
        """The utterance is over, and its words are there or not wanted: free the connection. Idempotent."""
        stream, self._stream = self._stream, None
        self._following, self._silent_since = False, None
        self._utterances += 1  # what an old one still has to say is of no interest
        if stream is not None:
            self._leave(stream.aclose())

    async def aclose(self) -> None:
        """Free everything. Idempotent."""
        self.rest()
        await asyncio.gather(*self._strays, return_exceptions=True)

    # -- sound in

    def _begin(self) -> None:
        self.rest()
        self._following, self._tried, self._fed = True, False, 0
        self._words, self._until_s = "", 0.0

    def _follow(self, listener: Listener) -> None:
        began_s = listener.utterance_began_s
        if began_s is None or (self._stream is None and not self._open(listener, listener.judged_s - began_s)):
            return
        fed_until = round(began_s * CAPTURE_RATE) + self._fed
        missing = round(listener.judged_s * CAPTURE_RATE) - fed_until  # what was not judged is not of the utterance yet
        if missing >= _PIECE:
            self._feed(listener.sound_since(fed_until / CAPTURE_RATE).samples[:missing])

    def _open(self, listener: Listener, spoken_s: float) -> bool:
        if self._tried or self._streams is None or spoken_s < stream_after_s(self._pace):
            return False
        self._tried = True
        self._stream = self._streams.stream(StreamRequest(self._grown_in(listener), self._language, self._on_remote))
        return self._stream is not None

    def _feed(self, samples: Samples) -> None:
        if self._stream is not None and len(samples):
            self._fed += len(samples)
            self._stream.feed(samples)

    # -- words out

    def _grown_in(self, listener: Listener) -> Callable[[PartialTranscript], None]:
        utterance = self._utterances

        def grown(partial: PartialTranscript) -> None:
            if utterance == self._utterances:
                self._words, self._until_s = (partial.settled + partial.tail).strip(), partial.until_s
                self._tell_policy(listener)
                self._show(self._words)
                self._on_settled(partial.settled)

        return grown

    def _tell_policy(self, listener: Listener) -> None:
        """Words that lack the last ones would say that the sentence is open, or over, where it is not."""
        since, began_s = self._silent_since, listener.utterance_began_s
        if since is not None and began_s is not None and began_s + self._until_s >= since + _SOFT_ENDING_S:
            listener.partial(self._words, since)

    def _show(self, text: str) -> None:
        now = asyncio.get_running_loop().time()
        if text and now - self._shown_at >= _SHOWN_EVERY_S:
            self._shown_at = now
            self._on_partial(text)

    async def _first(
        self,
        stream: TranscriptStream,
        words: asyncio.Future[Transcript],
        usual: Callable[[], Coroutine[Any, Any, Transcript]],
    ) -> Transcript:
        now = asyncio.get_running_loop().time
        began = now()
        whole: asyncio.Task[Transcript] | None = None
        try:
            await asyncio.wait({words}, timeout=self._trust.patience_s)
            if not _worked(words):
                whole = asyncio.create_task(usual())
                await asyncio.wait({words, whole}, return_when=asyncio.FIRST_COMPLETED)
                if not _worked(words) and not _worked(whole):
                    await asyncio.wait({words, whole})  # one has failed: the other may have them yet
            if whole is None or _worked(words):
                self._trust.worked(now() - began)
                return words.result()
            self._trust.failed()
            if not words.done():
                stream.outrun()
            return whole.result()
        finally:
            words.cancel()
            if whole is not None:
                whole.cancel()
                self._leave(_ended(whole))

    def _leave(self, ending: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(ending)
        self._strays.add(task)
        task.add_done_callback(self._strays.discard)


def _worked(words: asyncio.Future[Transcript]) -> bool:
    return words.done() and not words.cancelled() and words.exception() is None


async def _ended(task: asyncio.Task[Transcript]) -> None:
    await asyncio.gather(task, return_exceptions=True)
