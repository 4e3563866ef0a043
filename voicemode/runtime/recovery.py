"""Recordings that no endpoint could transcribe become text later: by themselves when an endpoint is back, or when asked for.

The words are kept in memory until somebody takes them; only then the recording leaves the disk. If the process ends before,
it is still there. Live speech comes first: a retry stands aside for it, and goes on after it.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from voicemode.errors import MediaError, RequestError, VoicemodeError
from voicemode.interfaces import Transcriber, Transcript, TranscriptionRequest
from voicemode.runtime.journal import Journal
from voicemode.runtime.result import Recovered

__all__ = ["LiveTranscriber", "Recovery"]

_POLL_S = 1.0
"""Between two looks at the breakers, which cost nothing; a circuit breaker's shortest pause is as long."""

_IDLE_S = 300.0
"""Nobody has conversed for so long: nobody waits, and endpoints are left in peace until the next call."""

_TRIES = 8
"""Of one recording, by itself. What failed so often is for a person to look at."""

_PAUSE_S = (1.0, 60.0)
"""After a failed try, doubled each time: an endpoint that refuses this one recording stays well in the eyes of its breaker."""

_ASIDE_S = 0.05
"""Live speech waits at most so long for a retry to hang up."""

_ATTEMPT_S = 300.0
"""The longest a retry may take; each endpoint has shorter deadlines of its own."""


@dataclass(slots=True)
class _Waiting:
    """A recording to be tried again, and how it was asked for at first."""

    language: str | None
    options: tuple[str, ...]
    due: float
    """When, in seconds of the clock."""
    tries: int = 0


class Recovery:
    """The recordings that this process could not transcribe, and those it was asked for. Owns every task it starts."""

    def __init__(
        self,
        journal: Journal,
        transcriber: Transcriber,
        ready: Callable[[], Transcriber | None] = lambda: None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``transcriber`` does what is asked for. ``ready`` gives whom to try again by itself now: never the built-in engine,
        which has failed already, and None while nobody has recovered."""
        self._journal, self._transcriber, self._ready, self._clock = journal, transcriber, ready, clock
        self._waiting: dict[Path, _Waiting] = {}
        self._recovered: dict[Path, Recovered] = {}
        self._asked: dict[Path, asyncio.Task[Recovered]] = {}
        """What a caller asked for, and may have left running."""
        self._cloud: dict[Path, dict[str, None]] = {}
        """Endpoints outside this machine that may have got each recording, in order."""
        self._retry: asyncio.Task[Recovered] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._news = asyncio.Event()
        self._live = 0
        """Transcriptions under way that somebody waits for."""
        self._watched_until = 0.0

    # -- what conversations tell

    def failed(self, path: Path, language: str | None, options: tuple[str, ...] = ()) -> None:
        """No endpoint could transcribe this recording: try again when one is back. Within an event loop, as all here."""
        self._waiting[path] = _Waiting(language, options, self._clock() + _PAUSE_S[0])
        self.conversing()

    def conversing(self) -> None:
        """Somebody talks with the person: look after what waits, for a while."""
        self._watched_until = self._clock() + _IDLE_S
        if self._waiting and (self._watch is None or self._watch.done()):
            self._watch = asyncio.create_task(self._look_after())

    def worked(self) -> None:
        """Somebody has just transcribed something: this is the moment to try again."""
        for waiting in self._waiting.values():
            waiting.due = self._clock()
        self._news.set()
        self.conversing()

    @contextlib.asynccontextmanager
    async def live(self) -> AsyncIterator[None]:
        """Somebody waits for what is transcribed within the block: a retry hangs up, and none begins."""
        self._live += 1
        try:
            if self._retry is not None and not self._retry.done():
                self._retry.cancel()
                await asyncio.wait({self._retry}, timeout=_ASIDE_S)
            yield
        finally:
            self._live -= 1

    # -- what conversations ask

    async def ask(self, path: Path, *, budget_s: float | None) -> Recovered | None:
        """The words of a recording, from memory or from whoever can transcribe it; None when the budget is spent before.

        Then it goes on, and may be asked for again. The words are not handed over by this: see ``take``. Cancelling it gives
        the recording up, which still waits. Raises RequestError when another process works on it, any error of a
        Transcriber, MediaError.
        """
        if path in self._recovered:
            return self._recovered[path]
        task = self._asked.get(path)
        if task is None:
            task = self._asked[path] = asyncio.create_task(self._as_asked(path))
            task.add_done_callback(lambda done: self._settled(path, done))
        try:
            await asyncio.wait({task}, timeout=budget_s)
        except asyncio.CancelledError:
            task.cancel()
            raise
        return task.result() if task.done() else None

    def take(self, path: Path | None = None) -> list[Recovered]:
        """Hand over what was recovered, or only that of one recording: it is forgotten here and deleted from disk.

        Whoever calls this delivers it. What another process has handed over in the meantime is not given a second time.
        """
        taken = []
        for each in list(self._recovered) if path is None else [path]:
            words = self._recovered.get(each)
            if words is None:
                continue
            if self._journal.claim(each):
                taken.append(words)
                self._journal.discard(each)
            elif each.exists():
                continue  # another process is at it right now; if it fails, there is a next time
            self._forget(each)
        return taken

    async def aclose(self) -> None:
        """End what is under way; what waits stays on disk. Idempotent."""
        self._waiting.clear()
        tasks = [task for task in (self._watch, self._retry, *self._asked.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # -- the work

    async def _as_asked(self, path: Path) -> Recovered:
        async with self.live():
            words = await self._transcribe(path, self._transcriber)
        self._waiting.pop(path, None)  # or the good news would have it tried again before its words are taken
        self.worked()
        return words

    def _settled(self, path: Path, task: asyncio.Task[Recovered]) -> None:
        self._asked.pop(path, None)
        if not task.cancelled():
            task.exception()  # whoever asked gets it; if they have left, the recording still waits

    async def _look_after(self) -> None:
        """Try what is due, one recording at a time, until nothing waits or nobody talks any more."""
        while self._waiting and self._clock() < self._watched_until:
            self._news.clear()
            path = next((path for path, waiting in self._waiting.items() if waiting.due <= self._clock()), None)
            transcriber = self._ready() if path is not None and not self._live else None
            if path is not None and transcriber is not None:
                await self._try(path, transcriber)
            else:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_POLL_S):  # not wait_for: see serving.progress
                        await self._news.wait()

    async def _try(self, path: Path, transcriber: Transcriber) -> None:
        self._retry = asyncio.create_task(self._transcribe(path, transcriber))
        await asyncio.wait({self._retry}, timeout=_ATTEMPT_S)
        self._retry.cancel()
        await asyncio.wait({self._retry})
        if not self._retry.cancelled() or not self._live:  # hung up for live speech, it is no failure
            self._note(path, None if self._retry.cancelled() else self._retry.exception())

    def _note(self, path: Path, error: BaseException | None) -> None:
        """A try has ended."""
        waiting = self._waiting.get(path)
        if waiting is None:
            return
        waiting.tries += 1
        if path in self._recovered or waiting.tries >= _TRIES or isinstance(error, MediaError) or not path.exists():
            del self._waiting[path]
        waiting.due = self._clock() + min(_PAUSE_S[0] * 2**waiting.tries, _PAUSE_S[1])
        if error is not None and not isinstance(error, (VoicemodeError, OSError)):
            raise error

    async def _transcribe(self, path: Path, transcriber: Transcriber) -> Recovered:
        if not self._journal.claim(path):
            raise RequestError("resume", f"{path.stem} is being transcribed by somebody else, or its words were handed over")
        try:
            utterance = await asyncio.to_thread(self._journal.load, path)
            asked = self._waiting.get(path)
            cloud = self._cloud.setdefault(path, {})
            request = TranscriptionRequest(
                utterance,
                asked.language if asked else None,
                asked.options if asked else (),
                on_remote=lambda endpoint: cloud.update({endpoint: None}),
            )
            transcript = await transcriber.transcribe(request)
        finally:
            self._journal.release(path)
        words = self._recovered[path] = Recovered(
            handle=path.stem,
            text=transcript.text,
            engine=transcript.engine,
            confidence=transcript.confidence,
            failed=transcript.failed,
            cloud=tuple(cloud),
        )
        return words

    def _forget(self, path: Path) -> None:
        self._recovered.pop(path, None)
        self._waiting.pop(path, None)
        self._cloud.pop(path, None)


class LiveTranscriber:
    """A Transcriber for live speech, which a retry stands aside for and whose success is the moment for the next one."""

    def __init__(self, transcriber: Transcriber, recovery: Recovery) -> None:
        self._transcriber, self._recovery = transcriber, recovery

    @property
    def name(self) -> str:
        return self._transcriber.name

    async def prepare(self, options: Sequence[str] = ()) -> None:
        await self._transcriber.prepare(options)

    async def transcribe(self, request: TranscriptionRequest) -> Transcript:
        """As the Transcriber's own."""
        async with self._recovery.live():
            transcript = await self._transcriber.transcribe(request)
        self._recovery.worked()
        return transcript

    async def aclose(self) -> None:
        """End the retries too."""
        await self._recovery.aclose()
        await self._transcriber.aclose()
