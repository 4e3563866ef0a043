"""Listen for one utterance: microphone blocks go into the pure listener, its events come out as decisions acted upon.

The microphone is open from the start of the call. Until ``begin_at`` is told when the person is expected to speak, the
listener only learns the room; then it looks back as far as it needs, so nothing said early is lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from voicemode.audio import CAPTURE_RATE, AudioChunk
from voicemode.core.echo_lag import Echo
from voicemode.core.endpointing import (
    EndpointEvent,
    EndReason,
    FrameFacts,
    NobodySpoke,
    PauseBegan,
    ScoreWanted,
    SoftEnding,
    SpeechBegan,
    SpeechResumed,
    TurnEnded,
)
from voicemode.core.level import LOWEST_DBFS
from voicemode.core.listener import Listener
from voicemode.errors import DeviceLostError
from voicemode.interfaces import CapturedBlock, Microphone, Transcript, TurnScorer
from voicemode.runtime.ear import Ear, Overheard
from voicemode.runtime.live_words import LiveWords

__all__ = ["Attendant", "Heard", "Listening", "NothingHeard"]

_MOST_SPECULATIONS = 3
"""In one silence: at its start, and when a soft ending turned out to follow."""

_UNSURE_S = 0.5
"""Before the end of a message. In 10 of 111 at a machine so busy that it lost samples, what a canceller let through there
passed for somebody who answers early."""
_ZEROS_TOLD_AFTER_S = 3.0
"""Long enough for a Bluetooth headset to wake up, short enough for a person to notice in time."""


class Attendant(Protocol):
    """Who looks after what is heard. Its methods return at once; instants are seconds of ``time.monotonic()``."""

    def transcribe(self, utterance: AudioChunk) -> asyncio.Task[Transcript]:
        """Start to write an utterance down, whether it is over or not."""

    def far_end_active(self) -> bool:
        """Is the loudspeaker audible now?"""

    def heard_frames(self, facts: Sequence[FrameFacts], overheard: Sequence[Overheard], ends_at: float) -> None:
        """The next frames, the last of which ended at ``ends_at``; nothing was ``overheard`` where there is no ear."""

    def heard_event(self, event: EndpointEvent, anchor: float) -> None:
        """An event, whose times count from ``anchor``."""

    def heard_zeros(self) -> None:
        """The microphone has delivered nothing but zeros so far."""

    def scored(self, probability: float, silence_until: float, who: str) -> None:
        """A judgement of the silence up to then has just come in."""

    def understood(self, text: str) -> None:
        """The words of the utterance so far, which may not be over."""


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
    lost: DeviceLostError | None = None
    """What ended it, where the microphone went away in the middle of it."""


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
        attendant: Attendant,
        *,
        scorer: TurnScorer | None = None,
        ear: Ear | None = None,
        live: LiveWords | None = None,
    ) -> None:
        """``scorer`` judges pauses where the listener's policy asks for it; ``ear`` takes the loudspeaker out of the sound.

        ``live`` is told what is heard; the attendant transcribes by it.
        """
        self._microphone = microphone
        self._listener = listener
        self._attendant = attendant
        self._scorer = scorer
        self._ear = ear
        self._live = live
        self._begin_at: float | None = None
        self._begin_with_speech_s: float | None = None
        """Where speech is known to have begun, in seconds of the listener."""
        self._begun = False
        self._start_timeout_s: float | None = None
        """For the next utterance, where it is not the usual."""
        self._unsure_until_s = -math.inf
        """Until when the loudspeaker may have been heard, because the canceller had lost it; in seconds of the listener."""
        self.anchor = 0.0
        """When sample 0 was in the air: seconds of ``time.monotonic()``; renewed with every block."""
        self._speculation: asyncio.Task[Transcript] | None = None
        self._speculated_s = 0.0
        """Where the sound of the speculation ends, in seconds of the listener."""
        self._speculations = 0
        """How many there were in this silence."""
        self._scoring: asyncio.Task[None] | None = None
        """One at a time: a slow judge must not be asked faster than it answers."""
        self._zeros_told = False
        self._finish_at: float | None = None
        """What was in the air after that is no part of the utterance; None while it may go on."""
        self._finish_reason = EndReason.SOURCE_ENDED
        self._lost: DeviceLostError | None = None

    def begin_at(self, instant: float) -> None:
        """From ``instant`` (``time.monotonic()``) on the person is expected to speak."""
        self._begin_at = instant

    def begin_with_speech(self, seconds: float) -> None:
        """The person has begun to speak there, in seconds of the listener: at most 6 s ago."""
        self._begin_with_speech_s = seconds

    def finish(self) -> None:
        """Stop waiting for more: what was said until now is the utterance."""
        self._finish_reason, self._finish_at = EndReason.SOURCE_ENDED, time.monotonic()

    @property
    def held(self) -> bool:
        """Is the turn held open by a key?"""
        return self._listener.held and self._finish_at is None

    def hold(self) -> None:
        """Push-to-talk: neither silence nor lateness ends the turn until ``release``."""
        self._listener.held = True
        if self._finish_reason is EndReason.RELEASED:  # pressed again, before what was said last had come in
            self._finish_reason, self._finish_at = EndReason.SOURCE_ENDED, None

    def release(self) -> None:
        """What was said until now is the utterance. Without ``hold`` it does nothing."""
        if self._listener.held:
            self._finish_reason, self._finish_at = EndReason.RELEASED, time.monotonic()

    def speech_since(self, seconds: float) -> AudioChunk:
        """As ``Listener.speech_since``."""
        return self._listener.speech_since(seconds)

    async def hear_again(self) -> None:
        """Look for the first words of who is known to interrupt, with all that is known of the echo by now.

        Before ``begin_with_speech``, while ``run`` goes on.
        """
        if self._ear is None:
            return
        asked_at = self._listener.position
        for recalled in self._ear.second_hearing():
            if recalled is not None:
                self._listener.amend(recalled.sound, recalled.age + self._listener.position - asked_at)
            await asyncio.sleep(0)  # the microphone goes on

    async def run(self) -> Heard | NothingHeard:
        """Listen until the turn is over. Raises DeviceLostError. Cancelling it drops what was heard."""
        try:
            while True:
                events = await self._next_events()
                if self._live is not None:
                    self._live.heard(self._listener, events)
                outcome = self._act(events)
                if outcome is not None:
                    return outcome
        except BaseException:
            self._drop_speculation()
            raise
        finally:
            self._drop_scoring()

    async def again(self, heard: Heard, *, start_timeout_s: float | None = None) -> Heard | NothingHeard:
        """Listen on for another utterance: what was heard turned out to be no answer. As ``run``.

        ``start_timeout_s`` is for this one in the place of the usual.
        """
        if self._finish_reason is EndReason.RELEASED:  # the key ended that utterance, and not the listening
            self._finish_reason, self._finish_at, self._listener.held = EndReason.SOURCE_ENDED, None, False
        self._begun, self._start_timeout_s = False, start_timeout_s
        self._begin_at, self._begin_with_speech_s = heard.decided_at, None
        return await self.run()

    async def _next_events(self) -> Sequence[EndpointEvent]:
        try:
            block = await self._microphone.read()
        except DeviceLostError as error:
            return self._without_microphone(error)
        events: Sequence[EndpointEvent] = ()
        if block is not None:
            events = self._hear(block)
            self._tell_zeros()
        events = [*events, *self._begin_if_due()]
        # A microphone delivers late: what was said before the key went up is still on its way.
        if block is None or (self._finish_at is not None and block.captured_at + block.chunk.seconds >= self._finish_at):
            events += self._listener.finish(self._finish_reason)
            self._listener.held = False
        return events

    def _without_microphone(self, error: DeviceLostError) -> Sequence[EndpointEvent]:
        """What was said before it went away was said. Raises the error where that was nothing."""
        events = [*self._begin_if_due(), *self._listener.finish()]
        if not any(isinstance(event, TurnEnded) for event in events):
            raise error
        self._lost = error
        return events

    def _hear(self, block: CapturedBlock) -> Sequence[EndpointEvent]:
        pending, samples = 0, block.chunk.samples
        overheard: Sequence[Overheard] = ()
        if self._ear is not None:
            pending = self._ear.pending
            samples, overheard = self._ear.hear(block)
        self.anchor = block.captured_at - (self._listener.position + pending) / CAPTURE_RATE
        events = self._listener.push(samples, far_end_active=self._attendant.far_end_active())
        for spoken in () if self._ear is None else self._ear.spoken:
            self._listener.amend(spoken.sound, spoken.age)
        if any(each.echo in (Echo.LOST, Echo.NEW) and each.far_end_dbfs > LOWEST_DBFS for each in overheard):
            self._unsure_until_s = self._listener.judged_s
        self._attendant.heard_frames(self._listener.latest, overheard, self.anchor + self._listener.judged_s)
        return events

    def _begin_if_due(self) -> Sequence[EndpointEvent]:
        if self._begun:
            return []
        if self._begin_with_speech_s is not None:
            self._begun = True
            return self._listener.begin(self._within(self._begin_with_speech_s), is_speech=True)
        if self._begin_at is None:
            return []
        self._begun, begins_s = True, self._begin_at - self.anchor
        echo = self._unsure_until_s > begins_s - _UNSURE_S
        return self._listener.begin(self._within(begins_s), echo=echo, start_timeout_s=self._start_timeout_s)

    def _within(self, seconds: float) -> int:
        return min(max(round(seconds * CAPTURE_RATE), 0), self._listener.position)

    def _tell_zeros(self) -> None:
        late = self._listener.position > _ZEROS_TOLD_AFTER_S * CAPTURE_RATE
        if late and not self._zeros_told and self._listener.only_zeros:
            self._zeros_told = True
            self._attendant.heard_zeros()

    def _act(self, events: Sequence[EndpointEvent]) -> Heard | NothingHeard | None:
        for event in events:
            self._attendant.heard_event(event, self.anchor)
            match event:
                case PauseBegan():
                    self._speculations = 0
                    self._speculate(event.at)
                case ScoreWanted():
                    self._score(event)
                case SoftEnding():
                    if self._speculations < _MOST_SPECULATIONS:
                        self._speculate(event.silence_since)
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

    def _speculate(self, silence_since: float) -> None:
        self._drop_speculation()
        self._speculations += 1
        self._speculated_s = self._listener.judged_s
        speculation = self._speculation = self._attendant.transcribe(self._listener.utterance())
        speculation.add_done_callback(lambda done: self._understand(done, silence_since))

    def _lacks_an_end(self) -> bool:
        """Did a soft ending come after the speculation had begun, such as the last "s" of a word?"""
        faint_until = self._listener.faint_until
        return self._speculation is not None and faint_until is not None and faint_until > self._speculated_s

    def _understand(self, task: asyncio.Task[Transcript], silence_since: float) -> None:
        if task.cancelled():
            return
        transcript = None if task.exception() is not None else task.result()
        # What is guessed at says nothing about whether a sentence is over.
        sure = transcript is not None and transcript.confidence != "low"
        self._listener.partial(transcript.text if transcript is not None and sure else "", silence_since)
        if transcript is not None:
            self._attendant.understood(transcript.text)

    def _score(self, wanted: ScoreWanted) -> None:
        if self._scorer is not None and (self._scoring is None or self._scoring.done()):
            sound = AudioChunk(self._listener.speech_so_far(), CAPTURE_RATE)
            self._scoring = asyncio.create_task(self._judge(self._scorer, sound, wanted))

    async def _judge(self, scorer: TurnScorer, sound: AudioChunk, wanted: ScoreWanted) -> None:
        probability = await scorer.score(sound)
        self._listener.scored(probability, wanted.silence_since)
        self._attendant.scored(probability, self.anchor + wanted.at, scorer.used)

    def _ended(self, event: TurnEnded) -> Heard:
        utterance = self._listener.utterance()
        if self._speculation is not None and (_failed(self._speculation) or self._lacks_an_end()):
            self._drop_speculation()  # a failed one is worth a second try: the endpoint had only just been asked
        transcription = self._speculation or self._attendant.transcribe(utterance)
        self._speculation = None
        return Heard(
            utterance,
            self.anchor + event.speech_began,
            self.anchor + event.speech_ended,
            self.anchor + event.at,
            event.reason,
            transcription,
            self._lost,
        )

    def _drop_speculation(self) -> None:
        if self._speculation is not None:
            self._speculation.cancel()
            # Its result is unwanted, whatever it is; a failed one must not be reported as never retrieved.
            self._speculation.add_done_callback(_swallow)
            self._speculation = None

    def _drop_scoring(self) -> None:
        scoring, self._scoring = self._scoring, None
        if scoring is not None:
            scoring.cancel()
            scoring.add_done_callback(_swallow)


def _failed(task: asyncio.Task[Transcript]) -> bool:
    return task.done() and (task.cancelled() or task.exception() is not None)


def _swallow(task: asyncio.Task[Transcript] | asyncio.Task[None]) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        task.exception()
