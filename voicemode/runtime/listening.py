"""Listen for one utterance: microphone blocks go into the pure listener, its events come out as decisions acted upon.

The microphone is open from the start of the call. Until ``begin_at`` is told when the person is expected to speak, the
listener only learns the room; then it looks back as far as it needs, so nothing said early is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.core.endpointing import (
    EndpointEvent,
    EndReason,
    NobodySpoke,
    PauseBegan,
    SpeechBegan,
    SpeechResumed,
    TurnEnded,
)
from voicemode.core.listener import Listener
from voicemode.interfaces import Microphone, Transcript

__all__ = ["Heard", "Listening", "NothingHeard"]

Transcribe = Callable[[AudioChunk], "asyncio.Task[Transcript]"]
"""Starts to write an utterance down."""

_ZEROS_TOLD_AFTER_S = 3.0
"""Long enough for a Bluetooth headset to wake up, short enough for a person to notice in time."""


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """An utterance. Times are seconds of ``time.monotonic()``."""

    utterance: AudioChunk
    began_at: float
    ended_at: float
    decided_at: float
    """When the silence had lasted long enough."""
    reason: EndReason
    transcription: asyncio.Task[Transcript]


@dataclass(frozen=True, slots=True)
class NothingHeard:
    """Nobody spoke in time."""

    only_zeros: bool
    """Every sample was exactly zero: muted, or no permission."""


class Listening:
    """One utterance's way from the microphone to a transcription under way."""

    def __init__(
        self,
        microphone: Microphone,
        listener: Listener,
        transcribe: Transcribe,
        *,
        far_end_active: Callable[[], bool],
        on_event: Callable[[EndpointEvent, float], None],
        on_zeros: Callable[[], None],
    ) -> None:
        """``on_event`` gets every endpointing event with its instant in seconds of ``time.monotonic()``."""
        self._microphone = microphone
        self._listener = listener
        self._transcribe = transcribe
        self._far_end_active = far_end_active
        self._on_event = on_event
        self._on_zeros = on_zeros
        self._begin_at: float | None = None
        self._begun = False
        self._anchor = 0.0
        """When sample 0 was in the air: seconds of ``time.monotonic()``; renewed with every block."""
        self._speculation: asyncio.Task[Transcript] | None = None
        self._zeros_told = False
        self._finish_now = False

    def begin_at(self, instant: float) -> None:
        """From ``instant`` (``time.monotonic()``) on the person is expected to speak."""
        self._begin_at = instant

    def finish(self) -> None:
        """Stop waiting for more: what was heard so far is the utterance."""
        self._finish_now = True

    async def run(self) -> Heard | NothingHeard:
        """Listen until the turn is over. Raises DeviceLostError. Cancelling it drops what was heard."""
        try:
            while True:
                outcome = self._act(await self._next_events())
                if outcome is not None:
                    return outcome
        except BaseException:
            self._drop_speculation()
            raise

    async def again(self, heard: Heard) -> Heard | NothingHeard:
        """Listen on for another utterance: what was heard turned out to be no words. As ``run``."""
        self._begun = False
        self._begin_at = heard.decided_at
        return await self.run()

    async def _next_events(self) -> Sequence[EndpointEvent]:
        block = await self._microphone.read()
        if block is None or self._finish_now:
            return [*self._begin_if_due(), *self._listener.finish()]
        self._anchor = block.captured_at - self._listener.position / CAPTURE_RATE
        events = self._listener.push(block.chunk.samples, far_end_active=self._far_end_active())
        self._tell_zeros()
        return [*events, *self._begin_if_due()]

    def _begin_if_due(self) -> Sequence[EndpointEvent]:
        if self._begun or self._begin_at is None:
            return []
        self._begun = True
        position = round((self._begin_at - self._anchor) * CAPTURE_RATE)
        return self._listener.begin(min(max(position, 0), self._listener.position))

    def _tell_zeros(self) -> None:
        late = self._listener.position > _ZEROS_TOLD_AFTER_S * CAPTURE_RATE
        if late and not self._zeros_told and self._listener.only_zeros:
            self._zeros_told = True
            self._on_zeros()

    def _act(self, events: Sequence[EndpointEvent]) -> Heard | NothingHeard | None:
        for event in events:
            self._on_event(event, self._anchor + event.at)
            match event:
                case PauseBegan():
                    self._drop_speculation()
                    self._speculation = self._transcribe(self._listener.utterance())
                case SpeechResumed():
                    self._drop_speculation()
                case TurnEnded():
                    return self._ended(event)
                case NobodySpoke():
                    self._drop_speculation()
                    return NothingHeard(self._listener.only_zeros)
                case SpeechBegan():
                    pass
        return None

    def _ended(self, event: TurnEnded) -> Heard:
        utterance = self._listener.utterance()
        if self._speculation is not None and _failed(self._speculation):
            self._drop_speculation()  # worth a second try: the endpoint had only just been asked
        transcription = self._speculation or self._transcribe(utterance)
        self._speculation = None
        return Heard(
            utterance,
            self._anchor + event.speech_began,
            self._anchor + event.speech_ended,
            self._anchor + event.at,
            event.reason,
            transcription,
        )

    def _drop_speculation(self) -> None:
        if self._speculation is not None:
            self._speculation.cancel()
            # Its result is unwanted, whatever it is; a failed one must not be reported as never retrieved.
            self._speculation.add_done_callback(_swallow)
            self._speculation = None


def _failed(task: asyncio.Task[Transcript]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _swallow(task: asyncio.Task[Transcript]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()
