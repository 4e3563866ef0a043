"""Speech to text where nobody waits for it: rather late than by the built-in engine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from voicemode.errors import LanguageError, RequestError, SpeechFailedError
from voicemode.interfaces import Transcriber, Transcript, TranscriptionRequest
from voicemode.providers.failover_stt import FailoverTranscriber
from voicemode.providers.shelf import Entry, Shelf

__all__ = ["PatientTranscriber", "endpoints_ready"]


class PatientTranscriber:
    """A Transcriber over a shelf. In a conversation the built-in engine stands in for a slow endpoint; here for a broken one.

    Closing it closes the engines.
    """

    def __init__(self, shelf: Shelf[Transcriber]) -> None:
        self._shelf = shelf

    @property
    def name(self) -> str:
        return ", ".join(entry.name for entry in self._shelf)

    async def prepare(self, options: Sequence[str] = ()) -> None:
        """There is no hurry."""

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """As ``FailoverTranscriber.transcribe``."""
        endpoints = _part(self._shelf, lambda entry: not entry.last_resort)
        builtin = _part(self._shelf, lambda entry: entry.last_resort)
        if not any(endpoints):
            return await FailoverTranscriber(builtin).transcribe(request)
        try:
            return await FailoverTranscriber(endpoints).transcribe(request)
        except (SpeechFailedError, LanguageError, RequestError) as error:
            if not any(builtin):
                raise
            before = error.attempts if isinstance(error, SpeechFailedError) else (error,)
        try:
            transcript = await FailoverTranscriber(builtin).transcribe(request)
        except (SpeechFailedError, LanguageError, RequestError) as error:
            after = error.attempts if isinstance(error, SpeechFailedError) else (error,)
            raise SpeechFailedError("speech-to-text", [*before, *after]) from error
        return replace(transcript, failed=(*(error.problem for error in before), *transcript.failed))

    async def aclose(self) -> None:
        for entry in self._shelf:
            await entry.engine.aclose()


def endpoints_ready(shelf: Shelf[Transcriber]) -> Transcriber | None:
    """The endpoints whose breakers let a request through now, without the built-in engine; None when there is none."""
    now = shelf.clock()
    ready = _part(shelf, lambda entry: not entry.last_resort and entry.health.breaker.admits(now))
    return FailoverTranscriber(ready) if any(ready) else None


def _part(shelf: Shelf[Transcriber], belongs: Callable[[Entry[Transcriber]], bool]) -> Shelf[Transcriber]:
    """A shelf of some of the endpoints; their health is the same."""
    part: Shelf[Transcriber] = Shelf(shelf.task, clock=shelf.clock)
    for entry in shelf:
        if belongs(entry):
            part.put(entry)
    return part
