"""Conversations: one or several turns under one hold of the floor, with a client that may be less patient than the person.

A conversation outlives the call that began it: when the call's budget is spent, it goes on listening for a grace time and is
picked up again by its handle. So a client's time-out never cuts a person off.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from voicemode.core.failover import Task
from voicemode.errors import LanguageError, RequestError, SpeechFailedError, VoicemodeError
from voicemode.events import EventSink, TurnEvent, WaitingForFloor
from voicemode.record import Entry
from voicemode.runtime import turn_record
from voicemode.runtime.floor import Floor
from voicemode.runtime.parts import TurnParts
from voicemode.runtime.recovery import LiveTranscriber, Recovery
from voicemode.runtime.result import Recovered, Status, TurnRequest, TurnResult
from voicemode.runtime.turn import Turn
from voicemode.wire.control import ControlAction, ControlAnswer

__all__ = ["Conversations", "Outcome"]

_GRACE_S = 30.0
"""How long a conversation listens on without a caller: an agent takes 2 to 10 s from a result to its next call."""

_KEPT = 8
"""Finished conversations nobody asked for yet; older ones are forgotten."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a call brings back."""

    answers: tuple[TurnResult, ...]
    """One per finished turn, in the order asked; fewer while the conversation goes on, or when the person said stop."""
    asked: int
    """How many turns were asked for."""
    resume: str | None = None
    """The handle to go on with; None when the conversation is over."""
    error: VoicemodeError | None = None
    """What ended it early; the answers before it stand."""
    recording: Path | None = None
    """The recording whose words the answer is; it stays until ``Conversations.hand_over``."""


class _Conversation:
    """Turns one after another in a task of its own."""

    def __init__(
        self, requests: Sequence[TurnRequest], parts: TurnParts, recovery: Recovery, floor: Floor | None, called_at: float
    ) -> None:
        self.handle = f"talk-{secrets.token_hex(4)}"
        self.answers: list[TurnResult] = []
        self.sink: EventSink | None = None
        self._requests = list(requests)
        self._parts = parts
        self._recovery = recovery
        self._floor = floor
        self._called_at = called_at
        self._turn: Turn | None = None
        self._lapsed = False
        self._ending = False
        self._grace: asyncio.TimerHandle | None = None
        self.task = asyncio.create_task(self._run())

    @property
    def talks(self) -> bool:
        """Has it begun, and not ended?"""
        return self._turn is not None and not self.task.done()

    async def _run(self) -> None:
        hold = self._floor.hold(self._waiting) if self._floor is not None else contextlib.nullcontext()
        first: Task | None = "tts" if self._requests and self._requests[0].message else None
        async with self._parts.presence(first), hold:
            called_at = self._called_at
            for number, request in enumerate(self._requests):
                if self._lapsed:
                    return
                self._turn = Turn(self._parts, request, self._emit, called_at)
                try:
                    self.answers.append(await self._recorded(f"{self.handle}.{number}", self._turn, request))
                except SpeechFailedError as error:
                    if error.recording is not None:
                        self._recovery.failed(error.recording, request.language, request.options)
                    raise
                if self.answers[-1].status is Status.CANCELLED:
                    return
                called_at = time.monotonic()

    async def _recorded(self, key: str, turn: Turn, request: TurnRequest) -> TurnResult:
        self._put(turn_record.begun(key, request))
        try:
            result = await turn.run()
        except BaseException as error:
            self._put(turn_record.broken(key, request, error))
            raise
        self._put(turn_record.over(key, request, result))
        return result

    def _put(self, entries: Iterable[Entry]) -> None:
        for entry in entries:
            self._parts.put(entry)

    def outcome(self) -> Outcome:
        asked = len(self._requests)
        if not self.task.done():
            return Outcome(tuple(self.answers), asked, resume=self.handle)
        error = self.task.exception()
        if error is not None and not isinstance(error, VoicemodeError):
            raise error
        return Outcome(tuple(self.answers), asked, error=error)

    def park(self) -> None:
        """The caller left with the handle; listen on for the grace time."""
        self.sink = None
        self._grace = asyncio.get_running_loop().call_later(_GRACE_S, self.lapse)

    def unpark(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def lapse(self) -> None:
        """Nobody came back: close the microphone, and keep what was heard for whoever asks later."""
        self._lapsed = True
        if self._turn is not None:
            self._turn.finish_listening()

    def end(self) -> None:
        """Begin to free the devices. Idempotent: cancelled again, the task would give the floor away before they are free."""
        self.unpark()
        if not self._ending:
            self._ending = True
            self.task.cancel()

    async def cancel(self) -> None:
        """Free the devices; returns when they are free. They are freed in peace also when this is cancelled itself."""
        self.end()
        # Not gather: it would pass on every cancellation, and an anyio scope cancels anew at each await.
        await asyncio.wait({self.task})

    async def control(self, action: ControlAction) -> ControlAnswer:
        """As ``Controllable.control``. Raises DeviceLostError."""
        if self._turn is None:
            return ControlAnswer(ok=action is ControlAction.STATUS, detail="it waits for its turn")
        return await self._turn.control(action)

    def _emit(self, event: TurnEvent) -> None:
        if self.sink is not None:
            self.sink(event)

    def _waiting(self, holder: str) -> None:
        self._emit(WaitingForFloor(time.monotonic() - self._called_at, holder))


class Conversations:
    """All conversations of this process; owns every task they run in."""

    def __init__(self, parts: TurnParts, floor: Floor | None, recovery: Recovery | None = None) -> None:
        """``floor`` is None where no device is used (files). Without ``recovery`` nothing is tried again by itself."""
        self._recovery = recovery or Recovery(parts.journal, parts.transcriber)
        self._parts = self._attentive(parts)
        self._floor = floor
        self._parked: dict[str, _Conversation] = {}
        self._running: set[_Conversation] = set()
        """Every conversation whose task is not done, parked ones as well."""

    def use(self, parts: TurnParts) -> None:
        """Make conversations that begin from now on of these; those under way and those parked keep theirs.

        Engines and journal must be the same ones.
        """
        self._parts = self._attentive(parts)

    async def converse(
        self,
        requests: Sequence[TurnRequest],
        on_event: EventSink,
        *,
        called_at: float,
        budget_s: float | None,
        using: Callable[[TurnParts], TurnParts] = lambda parts: parts,
    ) -> Outcome:
        """Hold the turns one after another. Cancelling it frees the devices.

        ``budget_s`` is the caller's patience in seconds, None for endless; ``using`` puts other devices in the place of the
        usual. Errors that end the conversation are in the outcome, together with the answers that came before.
        """
        for other in self._parked.values():
            other.lapse()  # the agent chose to say something else instead of going on
        self._recovery.conversing()
        conversation = _Conversation(requests, using(self._parts), self._recovery, self._floor, called_at)
        self._running.add(conversation)
        conversation.task.add_done_callback(lambda task: self._forget(conversation, task))
        return await self._attend(conversation, on_event, budget_s)

    async def resume(self, handle: str, on_event: EventSink, *, budget_s: float | None) -> Outcome:
        """Go on with a conversation, or transcribe a recording that waits. Raises RequestError, MediaError.

        A recording stays until ``hand_over`` is told that its words were delivered.
        """
        conversation = self._parked.pop(handle, None)
        if conversation is None:
            return await self._transcribe_pending(handle, budget_s)
        conversation.unpark()
        return await self._attend(conversation, on_event, budget_s)

    def pending(self) -> list[str]:
        """Handles that ``resume`` takes now."""
        return [*self._parked, *self._parts.journal.pending()]

    def hand_over(self, outcome: Outcome) -> list[Recovered]:
        """The outcome is delivered: delete its recording. And what earlier recordings say by now, to be delivered with it.

        Each is given once, by one process.
        """
        taken = self._recovery.take(outcome.recording) if outcome.recording is not None else []
        later = self._recovery.take()
        for words in (*taken, *later):
            for entry in turn_record.recovered(words):
                self._parts.put(entry)
        return later

    async def control(self, action: ControlAction) -> ControlAnswer:
        """As ``control.Controllable.control``: to the conversation that talks with the person. Raises DeviceLostError."""
        for conversation in self._running:
            if conversation.talks:
                return await conversation.control(action)
        return ControlAnswer(ok=action is ControlAction.STATUS, detail="nobody is talking")

    async def aclose(self) -> None:
        """End every conversation and free devices and engines."""
        self._parked.clear()
        await asyncio.gather(*(conversation.cancel() for conversation in self._running))
        await asyncio.gather(self._parts.synthesizer.aclose(), self._parts.transcriber.aclose(), return_exceptions=True)

    async def _attend(self, conversation: _Conversation, on_event: EventSink, budget_s: float | None) -> Outcome:
        conversation.sink = on_event
        try:
            await asyncio.wait({conversation.task}, timeout=budget_s)
        except asyncio.CancelledError:
            await conversation.cancel()
            raise
        outcome = conversation.outcome()
        if outcome.resume is not None:
            conversation.park()
            self._park(conversation)
        return outcome

    def _attentive(self, parts: TurnParts) -> TurnParts:
        """So that recovery knows when live speech is transcribed."""
        return replace(parts, transcriber=LiveTranscriber(parts.transcriber, self._recovery))

    def _forget(self, conversation: _Conversation, task: asyncio.Task[None]) -> None:
        self._running.discard(conversation)
        if not task.cancelled():
            task.exception()  # ``outcome`` raises it; of a cancelled call nobody asks, and asyncio would complain

    def _park(self, conversation: _Conversation) -> None:
        while len(self._parked) >= _KEPT:
            self._parked.pop(next(iter(self._parked))).end()
        self._parked[conversation.handle] = conversation

    async def _transcribe_pending(self, handle: str, budget_s: float | None) -> Outcome:
        path = self._parts.journal.find(handle) if handle.startswith("utt-") else None
        if path is None:
            known = ", ".join(self.pending()) or "nothing waits"
            raise RequestError("resume", f"there is no conversation '{handle[:80]}'", known)
        try:
            async with self._parts.presence("stt"):
                words = await self._recovery.ask(path, budget_s=budget_s)
        except SpeechFailedError as error:
            return Outcome((), 1, error=SpeechFailedError(error.task, error.attempts, path))
        except LanguageError as error:
            return Outcome((), 1, error=SpeechFailedError("speech-to-text", [error], path))
        if words is None:
            return Outcome((), 1, resume=handle)
        answer = TurnResult(
            status=Status.ANSWERED if words.text else Status.NO_SPEECH,
            text=words.text,
            confidence=words.confidence,
            stt=words.engine,
            failed=words.failed,
            cloud=words.cloud,
        )
        return Outcome((answer,), 1, recording=path)
