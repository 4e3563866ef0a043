"""Write an utterance down, and keep its sound on disk until the words are there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from voicemode.audio import AudioChunk
from voicemode.core.latency import Mark
from voicemode.errors import LanguageError, RequestError, SpeechFailedError
from voicemode.events import Transcribed, TranscriptionStarted
from voicemode.interfaces import StreamingTranscriber, Transcriber, Transcript, TranscriptionRequest
from voicemode.runtime.journal import Journal
from voicemode.runtime.listening import Heard
from voicemode.runtime.live_words import LiveWords
from voicemode.runtime.parts import Session
from voicemode.runtime.turn_log import TurnLog

__all__ = ["WritingDown"]


class WritingDown:
    """The transcriptions of one exchange: those that were begun too early, and the one that counts."""

    def __init__(
        self,
        transcriber: Transcriber,
        journal: Journal,
        session: Session,
        log: TurnLog,
        *,
        language: str | None,
        options: tuple[str, ...],
        streams: StreamingTranscriber | None = None,
    ) -> None:
        """``language`` and ``options`` as in ``TranscriptionRequest``; ``streams`` writes down while the person speaks."""
        self._transcriber, self._journal, self._session, self._log = transcriber, journal, session, log
        self._language, self._options = language, options
        self.live = LiveWords(
            None if options else streams,  # which cannot be told what answers are expected
            session.pace,
            session.stream_trust,
            on_partial=log.understood,
            language=language,
            on_remote=log.on_remote,
        )
        """Whoever listens tells it what is heard, and closes it."""
        self._recording: Path | None = None
        """What was written and may still be withdrawn; None before and after."""
        self._claimed: Path | None = None
        """What was last written and is claimed until the turn ends, or its words are there."""
        self.failed: dict[str, None] = {}
        """Endpoints that were tried and failed, each with its reason, in order: also by a transcription that came too early."""
        self.unkept = ""
        """Why the utterance was not on disk while it was transcribed; empty when it was."""
        self.kept = ""
        """Where the sound of the utterance is, once its words are there and if it is kept."""
        self._since = self._done_at = time.monotonic()

    def begin(self, utterance: AudioChunk) -> asyncio.Task[Transcript]:
        """Start to write it down; its sound is on disk when this returns. Whoever asked owns the task."""
        self._log.tell(TranscriptionStarted(self._log.now()))
        began = self._since = time.monotonic()
        self._recording = self._claimed = self._recording or self._journal.new_path()
        # Written here and not in a thread, where it could still be written after the recording was withdrawn:
        # a minute is 2 MB, which takes a few milliseconds.
        try:
            self._journal.keep(self._recording, utterance)
        except OSError as error:  # a full disk is no reason not to listen
            self._recording = None
            self.unkept = f"The recording could not be kept while it was transcribed: {error.strerror or 'no reason given'}."
        task = asyncio.create_task(self._words(utterance))
        task.add_done_callback(lambda done: self._note(done, began))
        return task

    def snippet(self, sound: AudioChunk) -> asyncio.Task[Transcript]:
        """Write down what may be a backchannel. It is on no disk: it is a part of the utterance, if it is one at all."""
        return asyncio.create_task(self._transcriber.transcribe(self._request(sound)))

    async def words_of(self, heard: Heard) -> Transcript:
        """Wait for the words. From here on the recording stays on disk unless they come. Raises SpeechFailedError."""
        recording, self._recording = self._recording, None
        self._log.mark(Mark.STT_REQUEST, self._since)
        try:
            transcript = await heard.transcription
        except SpeechFailedError as error:
            raise SpeechFailedError(error.task, error.attempts, recording) from error
        except (LanguageError, RequestError) as error:  # the only endpoint's reason, which is the caller's to mend
            raise SpeechFailedError("speech-to-text", [error], recording) from error
        finally:
            heard.transcription.cancel()
            self.live.rest()
        self._log.mark(Mark.STT_DONE, self._done_at)
        if recording is not None and transcript.text:
            self.kept = self._journal.settle(recording)
        elif recording is not None:
            self._journal.discard(recording)
        self._log.tell(Transcribed(self._log.now(), transcript.engine))
        return transcript

    def withdraw(self) -> None:
        """Withdraw what was written for a turn that never ended. Idempotent."""
        if self._recording is not None:
            self._journal.discard(self._recording)
            self._recording = None
        if self._claimed is not None:
            self._journal.release(self._claimed)  # what stays on disk may be transcribed by anybody now

    def _words(self, utterance: AudioChunk) -> Coroutine[Any, Any, Transcript]:
        def usual() -> Coroutine[Any, Any, Transcript]:
            return self._transcriber.transcribe(self._request(utterance))

        return self.live.transcribe(utterance, usual)

    def _request(self, sound: AudioChunk) -> TranscriptionRequest:
        return TranscriptionRequest(
            sound, self._language, self._options, self._log.on_remote, lambda why: self.failed.update({why: None})
        )

    def _note(self, task: asyncio.Task[Transcript], began: float) -> None:
        self._done_at = time.monotonic()
        if not task.cancelled() and task.exception() is None:
            self._session.pace.note(self._done_at - began)
            self.failed.update(dict.fromkeys(task.result().failed))
