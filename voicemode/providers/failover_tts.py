"""Text to speech by whichever endpoint can: chosen, hedged and replaced for each piece of text."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import aclosing
from dataclasses import dataclass, replace

from voicemode.audio import AudioChunk
from voicemode.core.breaker import Failure
from voicemode.core.failover import Choice, Need
from voicemode.errors import EndpointError, RequestError, VoicemodeError
from voicemode.interfaces import SpeechRequest, Synthesis, Synthesizer
from voicemode.providers.racing import THEIR_FAULT, Won, called_off, failure_of, race
from voicemode.providers.shelf import Entry, Shelf
from voicemode.providers.speech_cache import Phrase, Recording, SpeechCache

__all__ = ["FailoverSynthesis", "FailoverSynthesizer"]

SLOWEST_X = 0.25
"""Sound that comes at less than this speed will break off for so long that another endpoint is faster in any case."""

INSTANT_S = 0.05
"""An engine whose first sound takes no longer is as good as a memory of it."""

GRACE_S = 0.4
"""On top of it: one late packet is no slowness."""

GAP_S = 2.0
"""Nobody listens to more silence than this within one piece, all of it together, while another endpoint could speak."""

HEAD_START_S = 0.5
"""A substitute is asked so long before the listener would notice: it needs time for its first sound as well."""

_SLICE_S = 0.5
"""A remembered phrase is handed out in parts, as if it were spoken: nobody has to resample all of it before the first."""


class FailoverSynthesizer:
    """A Synthesizer over a shelf of them. Closing it closes them."""

    def __init__(self, shelf: Shelf[Synthesizer], cache: SpeechCache | None = None) -> None:
        """``cache``: where phrases are kept; None: nowhere."""
        self._shelf, self._cache = shelf, cache

    @property
    def name(self) -> str:
        return ", ".join(entry.name for entry in self._shelf)

    def synthesize(self, request: SpeechRequest) -> FailoverSynthesis:
        return FailoverSynthesis(self._shelf, request, self._cache)

    async def aclose(self) -> None:
        for entry in self._shelf:
            await entry.engine.aclose()


@dataclass(frozen=True, slots=True, eq=False)
class _Opening:
    """A synthesis whose first chunk is there."""

    request: SpeechRequest
    """As the endpoint was asked."""
    synthesis: Synthesis
    chunks: AsyncIterator[AudioChunk]
    """Those after the first."""
    first: AudioChunk | None
    """None when it ended without one."""


class FailoverSynthesis:
    """One piece of text, spoken by the first endpoint that can.

    An endpoint that fails before its first chunk is replaced by the next one. One that fails later ends the synthesis with
    its error; its breaker is then open, so that asking for the text again asks another endpoint first.
    """

    def __init__(self, shelf: Shelf[Synthesizer], request: SpeechRequest, cache: SpeechCache | None = None) -> None:
        self._shelf, self._request = shelf, request
        self._cache = cache if cache is not None and cache.keeps(request.text) else None
        self._need = Need(
            task="tts",
            language=request.language,
            voice=request.voice,
            format="pcm",
            streaming=True,
            previous=request.previous,
        )
        self._racing: asyncio.Task[Won[Synthesizer, _Opening]] | None = None
        """None before it began, and after it was taken back."""
        self._won: Won[Synthesizer, _Opening] | None = None
        self._asked = False
        """Somebody was asked already, and either failed or is late."""
        self._closed = False
        self._engine = ""

    @property
    def engine(self) -> str:
        """Who speaks, or spoke it when it was kept; empty until the first chunk is there."""
        return self._engine

    @property
    def attempts(self) -> tuple[VoicemodeError, ...]:
        """Why the endpoints that were asked before did not serve."""
        return self._won.attempts if self._won is not None else ()

    @property
    def failed(self) -> tuple[str, ...]:
        """The attempts in words, as ``Transcript.failed`` has them."""
        return tuple(error.problem for error in self.attempts)

    async def __aiter__(self) -> AsyncGenerator[AudioChunk]:
        """Raises EndpointError or EngineError after the first chunk; before it SpeechFailedError, or its only reason."""
        try:
            kept = await self._recall()
            for part in _sliced(kept) if kept is not None else ():
                if not self._closed:
                    yield part
            won = await self._run() if kept is None and not self._closed else None
            if won is not None:
                async with aclosing(self._stream(won)) as chunks:
                    async for chunk in chunks:
                        yield chunk
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        self._closed = True
        racing, self._racing = self._racing, None
        if racing is not None:
            self._won = await called_off(racing) or self._won
        if self._won is not None:
            # Nothing happens to a request whose end was told already.
            self._won.entry.health.abandoned(self._won.ticket, self._shelf.clock())
            await self._won.answer.synthesis.aclose()

    async def _recall(self) -> AudioChunk | None:
        """The phrase, if one of those who may be asked has spoken it before; that needs no endpoint."""
        if self._cache is not None:
            for entry, voice in self._rememberable():
                kept = await self._cache.get(_phrase(entry, replace(self._request, voice=voice)))
                if kept is not None:
                    self._engine = entry.name
                    return kept
        return None

    def _rememberable(self) -> Iterator[tuple[Entry[Synthesizer], str | None]]:
        """Whose kept phrases are as good as the answer of whoever would be asked now: those preferred to it, and its equals.

        In the middle of a message it is only who speaks it, while it works.
        """
        previous, order = self._need.previous, self._shelf.decide(self._need).order
        able = sorted(self._shelf.in_order(self._need), key=lambda choice: choice.name != previous)
        for choice in able:
            entry = self._shelf[choice.name]
            preferred = not order or choice.name == previous or entry.place <= self._shelf[order[0].name].place
            if preferred and not self._is_instant(entry):
                yield entry, choice.voice
            if order and choice.name == previous == order[0].name:
                return

    def _is_instant(self, entry: Entry[Synthesizer]) -> bool:
        """It would answer before anybody noticed: then it is asked, since what it says now may be better than what it said."""
        now = self._shelf.clock()
        expected_s = entry.health.tally.expected_s(now)
        return entry.health.breaker.admits(now) and expected_s is not None and expected_s <= INSTANT_S

    async def _run(self) -> Won[Synthesizer, _Opening] | None:
        """The race; None when it was closed from outside."""
        spare_s = max(self._request.spare_s - HEAD_START_S, 0.0)
        # In a task, so that closing from outside ends it too.
        racing = self._racing = asyncio.ensure_future(race(self._shelf, self._need, self._open, _discard, spare_s=spare_s))
        await asyncio.wait({racing})
        if self._closed:  # and what came of it was taken back
            return None
        self._racing, self._won = None, racing.result()
        self._engine = self._won.entry.name
        return self._won

    async def _open(self, entry: Entry[Synthesizer], choice: Choice) -> _Opening:
        request = replace(self._request, voice=choice.voice)
        substitutes, self._asked = self._substitutes(entry), True
        try:
            return await _begin(entry.engine, request)
        except (RequestError, EndpointError) as error:
            if not substitutes or request.voice is None or failure_of(error)[0] is not Failure.DECLINED:
                raise
        # The voice belongs to an endpoint that failed; any voice is better than none.
        return await _begin(entry.engine, replace(request, voice=None))

    def _substitutes(self, entry: Entry[Synthesizer]) -> bool:
        """Whether it speaks in the place of an endpoint that is preferred to it, or its equal, and out of order."""
        now = self._shelf.clock()
        others = [other for other in self._shelf if other.name != entry.name and other.place <= entry.place]
        out_of_order = any(not other.health.breaker.admits(now) for other in others)
        return self._asked or bool(self._request.previous) or out_of_order

    async def _stream(self, won: Won[Synthesizer, _Opening]) -> AsyncGenerator[AudioChunk]:
        health, clock = won.entry.health, self._shelf.clock
        recording = Recording() if self._cache is not None else None
        try:
            if won.answer.first is not None:
                async with aclosing(self._paced(won, won.answer.first)) as chunks:
                    async for chunk in chunks:
                        if recording is not None:
                            recording.add(chunk)
                        yield chunk
        except THEIR_FAULT as error:
            if not self._closed:
                failure, retry_after_s = failure_of(error)
                health.failed(won.ticket, clock(), failure, error.problem, retry_after_s, error=error)
                raise
            return
        if self._closed:
            return
        health.worked(won.ticket, clock())
        sound = recording.sound() if recording is not None else None
        if self._cache is not None and sound is not None:
            await self._cache.put(_phrase(won.entry, won.answer.request), sound)

    async def _paced(self, won: Won[Synthesizer, _Opening], first: AudioChunk) -> AsyncGenerator[AudioChunk]:
        """The chunks, as long as they come fast enough to be heard or nobody else could do it faster."""
        loop = asyncio.get_running_loop()
        chunk: AudioChunk | None = first
        received_s, waited_s = 0.0, 0.0
        while chunk is not None:
            received_s += chunk.seconds
            yield chunk  # the time the consumer takes is not the engine's
            asked_at = loop.time()
            patience_s = self._patience_s(received_s) - waited_s if self._has_another(won.entry.name) else None
            try:
                async with asyncio.timeout(patience_s):
                    chunk = await anext(won.answer.chunks, None)
            except TimeoutError:
                waited_s += loop.time() - asked_at
                problem = f"is too slow: {received_s:.1f} s of sound after {waited_s:.1f} s"
                raise EndpointError(won.entry.name, problem) from None
            waited_s += loop.time() - asked_at

    def _patience_s(self, received_s: float) -> float:
        """How long all of the sound so far may have been waited for."""
        return min((received_s + GRACE_S) / SLOWEST_X, received_s + self._request.spare_s + GAP_S)

    def _has_another(self, name: str) -> bool:
        """Not one that failed a moment ago, as the shelf would offer when there is nobody else."""
        now = self._shelf.clock()
        order = self._shelf.decide(self._need, without=(name,)).order
        return any(self._shelf[choice.name].health.breaker.admits(now) for choice in order)


async def _begin(engine: Synthesizer, request: SpeechRequest) -> _Opening:
    synthesis = engine.synthesize(request)
    chunks = aiter(synthesis)
    try:
        return _Opening(request, synthesis, chunks, await anext(chunks, None))
    except BaseException:
        await synthesis.aclose()
        raise


async def _discard(opening: _Opening) -> None:
    await opening.synthesis.aclose()


def _phrase(entry: Entry[Synthesizer], request: SpeechRequest) -> Phrase:
    return Phrase(entry.name, entry.variant, request.voice, request.speed, request.language, request.text)


def _sliced(sound: AudioChunk) -> Iterator[AudioChunk]:
    step = max(round(_SLICE_S * sound.sample_rate), 1)
    for start in range(0, len(sound.samples), step):
        yield AudioChunk(sound.samples[start : start + step], sound.sample_rate)
