"""What the person said, turn by turn: no turn's sound is let go before its words are there or it is on disk."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from voicemode.audio import AudioChunk
from voicemode.dialogue import InputTranscribed, InputTranscriptFailed, Report
from voicemode.errors import VoicemodeError
from voicemode.interfaces import Transcript, TranscriptionRequest
from voicemode.runtime.dialogue_parts import DialogueParts
from voicemode.runtime.journal import Journal
from voicemode.runtime.live_words import LiveWords

__all__ = ["HeardTurn", "NoWordsError", "TurnWords", "fault_of"]

_LOG = logging.getLogger(__name__)

SERVER_FAULT = "voicemode had a fault of its own, which its log names. The session goes on."


@dataclass(frozen=True, slots=True, eq=False)
class HeardTurn:
    """A turn that is over."""

    utterance: AudioChunk
    """16 kHz mono."""
    transcription: asyncio.Task[Transcript] | None = None
    """Where it was begun early."""
    live: LiveWords | None = None
    """What wrote it down while it was spoken; of this turn alone."""


class NoWordsError(Exception):
    """A turn cannot be answered, since nobody could write it down. It was reported with its code and sentence."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.code, self.message = code, message


def fault_of(error: BaseException) -> tuple[str, str]:
    """The code and the sentence for a client. Of a defect of ours the words stay here: they may hold anything."""
    if isinstance(error, VoicemodeError):
        return error.code, str(error)
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace is not None else "an unknown place"
    _LOG.error("%s in %s", type(error).__name__, where)
    return "server_error", SERVER_FAULT


class TurnWords:
    """The transcriptions of one session; owns their tasks."""

    def __init__(self, parts: DialogueParts, tell: Callable[[Report], None]) -> None:
        self._parts, self._tell = parts, tell
        self._words: dict[str, asyncio.Future[str]] = {}
        """By item; of all turns, since an answer's history may name any of them."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._begun: set[asyncio.Task[Transcript]] = set()
        self._live: set[LiveWords] = set()
        """Not released yet."""
        self._closing: set[asyncio.Task[None]] = set()
        self.language: str | None = None
        """BCP 47 of the person; None lets the engine find out."""
        self.wanted = True
        """Are the words told?"""

    def live(self, grown: Callable[[str], None]) -> LiveWords | None:
        """Writes the next utterance down while it is spoken; None where nobody can. Settle it with its turn, or release it.

        Each turn has one of its own: its words may be on their way when the next turn begins. ``grown`` is told all words that
        are settled.
        """
        parts = self._parts
        if parts.streams is None:
            return None
        live = LiveWords(
            parts.streams,
            parts.pace,
            parts.stream_trust,
            on_settled=grown,
            language=self.language,
            on_remote=parts.on_remote,
        )
        self._live.add(live)
        return live

    def release(self, live: LiveWords | None) -> None:
        """Its words are there, or not wanted. Idempotent."""
        if live is None or live not in self._live:
            return
        self._live.discard(live)
        live.rest()
        closing = asyncio.create_task(live.aclose())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)

    def begin(self, utterance: AudioChunk, live: LiveWords | None = None) -> asyncio.Task[Transcript]:
        """Start to write it down; whoever asked may cancel it, until it is part of a turn that is ``settle``d."""

        def usual() -> Coroutine[Any, Any, Transcript]:
            return self._parts.transcriber.transcribe(request)

        request = TranscriptionRequest(utterance, self.language, on_remote=self._parts.on_remote)
        now = asyncio.get_running_loop().time
        began = now()
        task = asyncio.create_task(usual() if live is None else live.transcribe(utterance, usual))
        self._begun.add(task)
        task.add_done_callback(lambda done: self._forget(done, now() - began))
        return task

    def drop(self, turn: HeardTurn) -> None:
        """Nobody wants its words."""
        if turn.transcription is not None:
            turn.transcription.cancel()
        self.release(turn.live)

    def expect(self, item_id: str) -> None:
        """A turn of this name will be settled."""
        self._future(item_id)

    def settle(self, item_id: str, turn: HeardTurn) -> None:
        """These are the sound and the words of this item. Words that are there already are known when this returns."""
        words, task = self._future(item_id), turn.transcription
        if task is not None and task.done() and not _failed(task):
            self.release(turn.live)
            self._succeed(item_id, task.result().text, turn)
            return
        writing = asyncio.create_task(self._write(item_id, turn, words))
        self._tasks.add(writing)
        writing.add_done_callback(self._tasks.discard)

    def fail(self, item_id: str, error: NoWordsError) -> None:
        """Nobody can write this item down."""
        self._fail(self._future(item_id), error)
        if self.wanted:
            self._tell(InputTranscriptFailed(item_id, error.code, error.message))

    def known(self, item_id: str) -> str | None:
        """The words, if they are there; "" where none can come."""
        found = self._words.get(item_id)
        if found is None or (found.done() and (found.cancelled() or found.exception() is not None)):
            return ""
        return found.result() if found.done() else None

    async def of(self, item_id: str) -> str:
        """Wait for the words; "" where there are none, or nobody knows the item. Raises NoWordsError."""
        found = self._words.get(item_id)
        return "" if found is None else await asyncio.shield(found)

    async def aclose(self) -> None:
        """End the transcriptions; the sound of those that had not succeeded stays on disk."""
        tasks = (*self._tasks, *self._begun)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for live in [*self._live]:
            self.release(live)
        await asyncio.gather(*self._closing)
        for found in self._words.values():
            found.cancel()
        self._words.clear()

    def _forget(self, task: asyncio.Task[Transcript], took_s: float) -> None:
        self._begun.discard(task)
        # Of one that came too early nobody asks, and asyncio would complain.
        if not task.cancelled() and task.exception() is None:
            self._parts.pace.note(took_s)

    def _future(self, item_id: str) -> asyncio.Future[str]:
        if item_id not in self._words:
            self._words[item_id] = asyncio.get_running_loop().create_future()
        return self._words[item_id]

    async def _write(self, item_id: str, turn: HeardTurn, words: asyncio.Future[str]) -> None:
        try:
            text = await self._transcribed(turn)
        except asyncio.CancelledError:
            words.cancel()
            raise
        except NoWordsError as error:
            self.fail(item_id, error)
        else:
            self._succeed(item_id, text, turn)
        finally:
            self.release(turn.live)

    def _succeed(self, item_id: str, text: str, turn: HeardTurn) -> None:
        words = self._future(item_id)
        if not words.done():
            words.set_result(text)
        if self.wanted:
            self._tell(InputTranscribed(item_id, text, turn.utterance.seconds))

    def _fail(self, words: asyncio.Future[str], error: NoWordsError) -> None:
        if not words.done():
            words.set_exception(error)
            words.exception()  # whoever answers this turn asks; asyncio need not complain that nobody did

    async def _transcribed(self, turn: HeardTurn) -> str:
        task = turn.transcription
        if not len(turn.utterance.samples):
            return ""
        recording = _Recording(self._parts.journal, turn.utterance)
        try:
            if task is None or _failed(task):  # a failed one came too early: the endpoint had only just been asked
                task = self.begin(turn.utterance, turn.live)
            transcript = await task
        except asyncio.CancelledError:
            recording.leave()
            raise
        except Exception as error:
            code, problem = fault_of(error)
            raise NoWordsError(code, f"{problem} {recording.leave()}") from error
        finally:
            if task is not None:
                task.cancel()
        recording.discard()
        return transcript.text


class _Recording:
    """A turn's sound on disk, for as long as its words are not there."""

    def __init__(self, journal: Journal, utterance: AudioChunk) -> None:
        self._journal = journal
        self._path = journal.new_path()
        self._problem = ""
        # Written here and not in a thread, where it could still be written after it was discarded.
        try:
            journal.keep(self._path, utterance)
        except OSError as error:  # a full disk is no reason not to listen
            self._problem = error.strerror or "no reason given"
            journal.release(self._path)

    def leave(self) -> str:
        """Keep it for later; says what became of it and what to do."""
        if self._problem:
            return f"The recording could not be kept either ({self._problem}): say it again."
        self._journal.release(self._path)
        return f"What was said is kept as {self._path.stem}: run 'voicemode transcribe --pending' when an endpoint is back."

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self._journal.discard(self._path)


def _failed(task: asyncio.Task[Transcript]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)
