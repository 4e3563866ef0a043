"""The built-in transcriber: pocketsphinx in a worker process. Reliable for expected answers, poor in dictation, and says so."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence

from voicemode.audio import CAPTURE_RATE
from voicemode.engines.builtin import POCKETSPHINX, require_builtin
from voicemode.engines.spoken_options import MAX_OPTIONS, spoken_forms
from voicemode.engines.worker import Worker
from voicemode.errors import EngineError, LanguageError, RequestError
from voicemode.interfaces import Transcript, TranscriptionRequest

__all__ = ["BuiltinTranscriber"]

_LOG = logging.getLogger(__name__)

_LANGUAGE = "en"
_KNOWN = ("en", "en-US", "en-GB")
_PREPARE_S = 30.0
"""Seconds to start and load; it takes 0.5."""
_SECONDS_PER_SECOND = 4.0
"""Longest time for one second of sound, on a busy machine; 0.4 is usual."""


class BuiltinTranscriber:
    """A Transcriber. Its worker starts with ``prepare`` or the first request and ends after two idle minutes.

    Without options it dictates, with confidence "low". With options, an answer among them comes back exactly as it was
    given, with confidence "grammar"; anything else is dictated as without.
    """

    name = POCKETSPHINX

    def __init__(self, environ: Mapping[str, str], *, idle_s: float = 120.0) -> None:
        """Start nothing. The worker sees the allowed part of ``environ``, which is this process's own."""
        module = "voicemode.engines.workers.pocketsphinx_worker"
        self._worker = Worker(module, engine=POCKETSPHINX, idle_s=idle_s, environ=environ)

    @property
    def pid(self) -> int | None:
        """The worker process, or None while there is none."""
        return self._worker.pid

    async def prepare(self, options: Sequence[str] = ()) -> None:
        """Start the worker, load the model (0.4 s) and the grammar of ``options`` (1 ms) while the person speaks."""
        try:
            require_builtin(POCKETSPHINX)
            forms = await asyncio.to_thread(_forms, options)
            await self._worker.ask({"op": "expect", "forms": forms}, timeout_s=_PREPARE_S)
        except EngineError as error:
            _LOG.debug("prepare: %s", error)  # transcribe will meet it again, and raise it

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """Write it down, in lower case without punctuation. Raises LanguageError, RequestError or EngineError."""
        _check(request)
        require_builtin(POCKETSPHINX)
        if not request.audio.samples.any():
            return Transcript("", self.name, "low")
        forms = await asyncio.to_thread(_forms, request.options)
        answer = await self._worker.ask(
            {"op": "transcribe", "forms": forms},
            request.audio.pcm,
            timeout_s=_PREPARE_S + _SECONDS_PER_SECOND * request.audio.seconds,
        )
        self._tell_what_was_left_out(answer.header["left_out"], len(request.options))
        option: int | None = answer.header["option"]
        if option is not None:
            return Transcript(request.options[option], self.name, "grammar")
        return Transcript(answer.header["text"], self.name, "low")

    async def aclose(self) -> None:
        """End the worker. Idempotent."""
        await self._worker.aclose()

    @staticmethod
    def _tell_what_was_left_out(left_out: Sequence[int], options: int) -> None:
        if left_out:
            # not which ones: what a person is asked is nobody's business in a log
            _LOG.warning("%d of %d expected answers cannot be pronounced in English", len(left_out), options)


def _check(request: TranscriptionRequest) -> None:
    language = request.language
    if language is not None and language.replace("_", "-").partition("-")[0].lower() != _LANGUAGE:
        raise LanguageError(language, POCKETSPHINX, _KNOWN)
    if request.audio.sample_rate != CAPTURE_RATE:
        raise RequestError("audio", f"has {request.audio.sample_rate} Hz", f"{CAPTURE_RATE} Hz")


def _forms(options: Sequence[str]) -> list[list[tuple[str, ...]]]:
    """Spoken forms for the worker; too many options are none, so that the answer is dictated."""
    return [list(spoken_forms(option)) for option in options] if len(options) <= MAX_OPTIONS else []
