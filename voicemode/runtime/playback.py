"""Speak a message: text goes in pieces to the synthesizer, sound comes out of the loudspeaker without a gap.

The next piece is synthesized while the one before it plays; ``Speaker.play`` waits while 10 s are queued, so a long message
never piles up. The first piece goes to the loudspeaker as it comes. Later ones are held back while there is enough to play:
when their engine breaks off, another one speaks the piece from its start, and nobody heard the difference.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from voicemode.audio import AudioChunk
from voicemode.core.holdback import hold_s
from voicemode.errors import EndpointError, EngineError, SpeechFailedError, VoicemodeError
from voicemode.interfaces import SpeechRequest, Synthesis, Synthesizer

__all__ = ["Placed", "Player", "Spoken", "speak"]


_KEPT = 8
"""Pieces whose sound is kept: more than the 10 s that may be queued, and so all that an interruption can hit."""


class Player(Protocol):
    """The part of a Speaker that is needed here."""

    @property
    def audible_until(self) -> float | None:
        """As ``Speaker.audible_until``."""

    @property
    def queued_s(self) -> float:
        """As ``Speaker.queued_s``."""

    async def play(self, chunk: AudioChunk) -> None:
        """As ``Speaker.play``."""

    def mark(self) -> int:
        """As ``Speaker.mark``."""

    def withdraw(self, mark: int) -> None:
        """As ``Speaker.withdraw``."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What became of a message."""

    engine: str
    """Who spoke the last piece."""
    failed: tuple[str, ...]
    """Engines that were to speak and did not, or broke off, each with its reason."""
    engines: tuple[str, ...] = ()
    """All who spoke a piece, in the order of their first one."""


@dataclass(slots=True)
class Placed:
    """Where a piece is in the sound that was queued: seconds since the first piece's first sample."""

    text: str
    start_s: float
    end_s: float | None = None
    """None while its sound is still coming."""
    sound: list[AudioChunk] = field(default_factory=list)
    """As it was queued. Of the last pieces only: ``_KEPT``."""


async def speak(
    pieces: Sequence[str],
    request: SpeechRequest,
    synthesizer: Synthesizer,
    speaker: Player,
    on_first_chunk: Callable[[str], None],
    *,
    placed: list[Placed] | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Spoken:
    """Queue every piece on the loudspeaker; returns when all is queued, not when it was heard.

    ``request`` gives voice, speed and language. ``on_first_chunk`` is called once with the engine's name. ``placed`` gets
    every piece when its first sound is queued. ``clock`` is that of ``speaker``.
    Raises SpeechFailedError, SoundError, RequestError, LanguageError.
    """
    message = _Message(request, synthesizer, speaker, on_first_chunk, clock)
    for piece in pieces:
        await message.say(piece, [] if placed is None else placed)
    return message.spoken


class _Message:
    """One message under way."""

    def __init__(
        self,
        request: SpeechRequest,
        synthesizer: Synthesizer,
        speaker: Player,
        on_first_chunk: Callable[[str], None],
        clock: Callable[[], float],
    ) -> None:
        self._request, self._synthesizer, self._speaker, self._clock = request, synthesizer, speaker, clock
        self._on_first_chunk: Callable[[str], None] | None = on_first_chunk
        """None once it was called."""
        self._engines: list[str] = []
        """Who spoke each piece."""
        self._failed: list[str] = []
        self._queued_s = 0.0
        """Of the pieces before this one."""

    @property
    def spoken(self) -> Spoken:
        engines = tuple(dict.fromkeys(self._engines))
        return Spoken(self._engines[-1] if self._engines else "", tuple(self._failed), engines)

    async def say(self, text: str, placed: list[Placed]) -> None:
        """Queue one piece, whole and once, by as many engines as it takes."""
        mark = self._speaker.mark()
        place = Placed(text, self._queued_s)
        placed.append(place)
        for older in placed[-_KEPT - 1 : -_KEPT]:
            older.sound.clear()
        broken: dict[str, VoicemodeError] = {}
        while True:
            outlet = _Outlet(self._speaker, mark, place, holds=bool(self._engines))
            synthesis = self._synthesizer.synthesize(self._asking_for(text, outlet))
            try:
                async with contextlib.aclosing(synthesis):
                    await self._pour(synthesis, outlet)
            except (EndpointError, EngineError) as error:
                # It broke off in the middle. Its breaker is open now, so another engine is offered for the same piece;
                # when the same one comes again, there is no other.
                self._note_failed(*synthesis.failed, error.problem)
                if synthesis.engine in broken:
                    raise SpeechFailedError("text-to-speech", [*broken.values()]) from error
                broken[synthesis.engine], mark = error, outlet.mark
            except SpeechFailedError as error:
                if not broken:
                    raise
                raise SpeechFailedError(error.task, [*broken.values(), *error.attempts]) from error
            else:
                self._note_failed(*synthesis.failed)
                self._engines.append(synthesis.engine)
                self._queued_s = place.end_s = place.start_s + sum(chunk.seconds for chunk in place.sound)
                return

    def _asking_for(self, text: str, outlet: _Outlet) -> SpeechRequest:
        until = self._speaker.audible_until
        # What is queued of a piece that broke off is no reason to take one's time with its repetition.
        idle = until is None or not self._engines or outlet.repeats
        spare_s = 0.0 if until is None or idle else max(until - self._clock(), 0.0)
        previous = self._engines[-1] if self._engines else ""
        return replace(self._request, text=text, previous=previous, spare_s=spare_s)

    def _note_failed(self, *reasons: str) -> None:
        self._failed += [reason for reason in reasons if reason not in self._failed]

    async def _pour(self, synthesis: Synthesis, outlet: _Outlet) -> None:
        async with contextlib.aclosing(_Chunks(aiter(synthesis))) as chunks:
            while True:
                if not await chunks.is_there_within(outlet.hold_s()):
                    await outlet.open()
                    continue
                chunk = await chunks.next()
                if chunk is None:
                    break
                self._tell_first(synthesis.engine)
                await outlet.take(chunk)
        await outlet.open()

    def _tell_first(self, engine: str) -> None:
        tell, self._on_first_chunk = self._on_first_chunk, None
        if tell is not None:
            tell(engine)


class _Outlet:
    """The way of one piece from one engine to the loudspeaker; what comes before it opens is held back."""

    def __init__(self, speaker: Player, mark: int, place: Placed, *, holds: bool) -> None:
        """``mark`` is the loudspeaker's before the piece, ``holds`` whether there may be enough to play without it."""
        self._speaker, self.mark, self._place = speaker, mark, place
        self.repeats = speaker.mark() != mark
        """A part of the piece was queued already, by an engine that broke off."""
        self._is_open = not holds and not self.repeats
        self._held: list[AudioChunk] = []

    def hold_s(self) -> float | None:
        """Seconds until ``open`` is due; None when nothing is held back."""
        if self._is_open or not self._held:
            return None
        return hold_s(self._speaker.queued_s, sum(chunk.seconds for chunk in self._held), repeats=self.repeats)

    async def take(self, chunk: AudioChunk) -> None:
        self._held.append(chunk)
        if not self.hold_s():
            await self.open()

    async def open(self) -> None:
        """Queue what was held back; what comes from now on is queued at once."""
        self._is_open = True
        held, self._held = self._held, []
        if held and self.repeats:
            self.repeats = False
            self._place.start_s += self._withdraw()
            self._place.sound.clear()
        for chunk in held:
            await self._speaker.play(chunk)
            self._place.sound.append(chunk)

    def _withdraw(self) -> float:
        """Take back what was queued of the broken piece; how many seconds of it were heard, or cannot be taken back."""
        queued = self._speaker.mark() - self.mark
        self._speaker.withdraw(self.mark)
        kept = self._speaker.mark() - self.mark
        self.mark += kept
        return sum(chunk.seconds for chunk in self._place.sound) * kept / queued


class _Chunks:
    """The chunks of a synthesis; waiting for one can be interrupted without losing it."""

    def __init__(self, chunks: AsyncIterator[AudioChunk]) -> None:
        self._chunks = chunks
        self._coming: asyncio.Future[AudioChunk | None] | None = None
        """The next one, when it was waited for with an interruption."""

    async def is_there_within(self, seconds: float | None) -> bool:
        """Whether ``next`` has an answer after at most so many seconds. None: there is no hurry, so ask ``next``."""
        if seconds is None:
            return True
        if self._coming is None:
            self._coming = asyncio.ensure_future(anext(self._chunks, None))
        await asyncio.wait({self._coming}, timeout=seconds)
        return self._coming.done()

    async def next(self) -> AudioChunk | None:
        """The next one; None after the last."""
        if self._coming is None:
            return await anext(self._chunks, None)
        await asyncio.wait({self._coming})
        coming, self._coming = self._coming, None
        return coming.result()

    async def aclose(self) -> None:
        coming, self._coming = self._coming, None
        if coming is not None and coming.cancel():
            await asyncio.wait({coming})
        if isinstance(self._chunks, AsyncGenerator):
            await self._chunks.aclose()
