"""Speech to text by whichever endpoint can: chosen, hedged and replaced for each utterance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from voicemode.core.failover import Choice, Need
from voicemode.interfaces import Transcriber, Transcript, TranscriptionRequest
from voicemode.providers.racing import THEIR_FAULT, race
from voicemode.providers.shelf import Entry, Shelf

__all__ = ["FailoverTranscriber"]

LOAD_S = 10.0
"""So many seconds of speech take twice as long as none: Whisper hears 30 s at a time, but writes every word."""


class FailoverTranscriber:
    """A Transcriber over a shelf of them. Closing it closes them."""

    def __init__(self, shelf: Shelf[Transcriber]) -> None:
        self._shelf = shelf

    @property
    def name(self) -> str:
        return ", ".join(entry.name for entry in self._shelf)

    async def prepare(self, options: Sequence[str] = ()) -> None:
        """Prepare the one that would be asked first."""
        for choice in self._shelf.decide(Need(task="stt")).order[:1]:
            await self._shelf[choice.name].engine.prepare(options)

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """The first transcript; ``failed`` says why the endpoints before did not serve.

        Raises SpeechFailedError, or the only reason when it is the caller's to mend.
        """

        async def ask(entry: Entry[Transcriber], _: Choice) -> Transcript:
            try:
                return await entry.engine.transcribe(request)
            except THEIR_FAULT as error:
                if request.on_failed is not None:
                    request.on_failed(error.problem)
                raise

        need = Need(task="stt", language=request.language)
        won = await race(self._shelf, need, ask, _discard, load=1.0 + request.audio.seconds / LOAD_S)
        won.entry.health.worked(won.ticket, self._shelf.clock())
        return replace(won.answer, failed=(*(e.problem for e in won.attempts), *won.answer.failed))

    async def aclose(self) -> None:
        for entry in self._shelf:
            await entry.engine.aclose()


async def _discard(_: Transcript) -> None:
    """A transcript holds nothing."""
