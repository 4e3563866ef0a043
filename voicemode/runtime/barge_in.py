"""Stop what is being said: by voice, where the microphone can tell the person from the loudspeaker, and by key.

Frames go into the pure ``Interruption``; what it decides is done to the loudspeaker, one thing after the other.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from voicemode.audio import AudioChunk
from voicemode.core.endpointing import FrameFacts
from voicemode.core.hindsight import PAUSE_S
from voicemode.core.interruption import (
    DUCK_DB,
    Duck,
    Interruption,
    InterruptionEvent,
    NearEnd,
    Pause,
    Resume,
    State,
    Stop,
    StopReason,
    Unduck,
    WordsWanted,
)
from voicemode.core.own_words import is_own_voice
from voicemode.core.residual import Residual
from voicemode.errors import SoundError, VoicemodeError
from voicemode.interfaces import Speaker, Transcript
from voicemode.runtime.ear import Overheard
from voicemode.runtime.listening import Listening
from voicemode.runtime.turn_log import TurnLog

__all__ = ["BargeIn", "Overhearing", "near_end"]

_OVERLAP_S = 1.5
"""The sound before the speech, what confirms that it is speech, and a second for a detector in doubt: no more was audible when
playback was paused."""

_log = logging.getLogger(__name__)


class Overhearing(Protocol):
    """Where the microphone's sound is, in seconds since its first sample."""

    @property
    def anchor(self) -> float:
        """When that was: seconds of ``time.monotonic()``."""

    def speech_since(self, seconds: float) -> AudioChunk:
        """What was said by who is known to have begun to speak there, with a little before it: detectors are late."""


class BargeIn:
    """One message's. ``run`` does what is decided and returns when the message is to end."""

    def __init__(
        self,
        speaker: Speaker,
        listening: Overhearing,
        log: TurnLog,
        *,
        is_backchannel: Callable[[str], bool],
        residual: Residual,
        transcribe: Callable[[AudioChunk], asyncio.Task[Transcript]],
        replay_from: Callable[[float], float],
        audible: Callable[[float, float], str],
        is_open: Callable[[], bool],
    ) -> None:
        """``replay_from`` tells for a played position, in seconds, where to go on so that no word is heard in half, and
        ``audible`` which words were said between two positions.

        ``is_open`` says whether the loudspeaker is open for this message: before and after that nothing can be done to it.
        """
        self._speaker, self._listening, self._log = speaker, listening, log
        self._is_backchannel, self._residual = is_backchannel, residual
        self._transcribe, self._replay_from, self._is_open = transcribe, replay_from, is_open
        self._audible = audible
        self._interruption: Interruption | None = None
        """None before the message was audible."""
        self._decided: asyncio.Queue[InterruptionEvent] = asyncio.Queue()
        self._asking: set[asyncio.Task[None]] = set()
        self._spoke_since = 0.0
        self._spoke_until: float | None = None
        """When somebody spoke before the first sound, in seconds of ``time.monotonic()``; None where nobody did."""
        self._by_key = False
        """Paused by key: what is said meanwhile is not for us."""
        self.stopped: Stop | None = None
        """Why it is to end; None before that is decided."""
        self.asked_at: float | None = None
        """When a key ended it while nobody spoke, in seconds of ``time.monotonic()``; None where it was not so."""
        self.skipped = False
        """It was ended because somebody wants to hear no more of it, not because they want to speak."""
        self.overlap = ""
        """The words that were audible while the speech began that stopped it; what consists of them nobody has said."""
        self.played_s: float | None = None
        """How much had been audible when the message was stopped; None before that."""

    @property
    def by_voice(self) -> bool:
        """Was it stopped because somebody was found to speak?"""
        return self.stopped is not None and self.stopped.reason is not StopReason.ASKED

    def heard_frames(self, facts: Sequence[FrameFacts], overheard: Sequence[Overheard], ends_at: float) -> None:
        """What the microphone heard without the loudspeaker, and what was overheard of both."""
        if self._speaker.first_sound_at is None:
            self._hear_before(facts, ends_at)
        if self._by_key or self._speaker.first_sound_at is None or not self._is_open():
            return
        if self._interruption is None:
            began_at = ends_at - self._listening.anchor - sum(frame.seconds for frame in facts)
            self._interruption = Interruption(self._is_backchannel, self._residual, began_at=began_at)
        for frame, other in zip(facts, overheard, strict=True):
            if self.stopped is not None:
                return
            self._act(self._interruption.push(near_end(frame, other)))

    def _hear_before(self, facts: Sequence[FrameFacts], ends_at: float) -> None:
        """Before the loudspeaker sounds there is nobody else who could speak."""
        if facts and facts[-1].gate_open:
            began = ends_at - facts[-1].gate_age_s
            if self._spoke_until is None or began > self._spoke_until + PAUSE_S:
                self._spoke_since = began
            self._spoke_until = ends_at

    def _speech_began(self, stop: Stop) -> float:
        """It may have begun before the message did."""
        goes_on = self._spoke_until is not None and stop.speech_began <= self._spoke_until - self._listening.anchor + PAUSE_S
        return self._spoke_since - self._listening.anchor if goes_on else stop.speech_began

    def stop(self, *, skip: bool = False) -> None:
        """By key: end the message, and listen. ``skip``: nobody wants to speak, only to hear no more. Idempotent."""
        if self.stopped is not None:
            return
        self.skipped = skip
        interruption = self._interruption
        now = self._log.called_at + self._log.now()
        if interruption is None or interruption.state not in (State.PAUSED, State.WEIGHING):
            self.asked_at = now
        if interruption is None:
            since_first = now - self._listening.anchor
            self._act([Stop(since_first, since_first, StopReason.ASKED)])
        else:
            self._act(interruption.interrupt())

    async def pause(self) -> bool:
        """By key: be silent until ``resume``. False where there is nothing to hold. Raises DeviceLostError."""
        return await self._obey_key(self._speaker.pause, paused=True)

    async def resume(self) -> bool:
        """By key. False where there is nothing that could go on. Raises DeviceLostError."""
        return await self._obey_key(self._speaker.resume, paused=False)

    async def _obey_key(self, obey: Callable[[], Awaitable[None]], *, paused: bool) -> bool:
        if self.stopped is not None or not self._is_open():
            return False
        self._by_key = paused
        # The key decides: what was suspected, asked or decided before it does not count any more. A new interruption counts
        # its time from the next frame, for during a pause by key it hears none.
        self._interruption = None
        while not self._decided.empty():
            self._decided.get_nowait()
        self._speaker.duck(0.0)
        await obey()
        return True

    def hand_over(self, listening: Listening) -> None:
        """It was stopped: listen from the key on, or from the first word of who spoke over it. Once more changes nothing."""
        if self.asked_at is not None:
            listening.begin_at(self.asked_at)
        elif self.stopped is not None:
            listening.begin_with_speech(self._speech_began(self.stopped))

    async def run(self) -> Stop:
        """Do what is decided. Returns when the message was stopped; cancel it when the message has ended by itself."""
        try:
            while True:
                event = await self._decided.get()
                try:
                    await self._do(event)
                except SoundError as error:  # whoever plays finds the device gone as well, and says so
                    _log.info("playback does not obey: %s", error)
                if isinstance(event, Stop):
                    return event
        finally:
            for task in self._asking:
                task.cancel()
            await asyncio.gather(*self._asking, return_exceptions=True)

    async def _do(self, event: InterruptionEvent) -> None:
        match event:
            case Pause() if self._is_open():
                await self._speaker.pause()
            case Resume() if self._is_open():
                self._speaker.duck(0.0)
                await self._speaker.resume(self._replay_from(self._speaker.played_s))
            case Stop():
                try:
                    if self._is_open():
                        await self._speaker.pause()  # so that it is known what was heard
                finally:
                    self.played_s = self._speaker.played_s
                    self.overlap = self._overlapped()
                    self._speaker.stop()
            case _:
                pass

    def _act(self, events: Sequence[InterruptionEvent]) -> None:
        for event in events:
            self._log.interruption(event, self._listening.anchor)
            match event:
                case Duck():
                    self._speaker.duck(DUCK_DB)
                case Unduck():
                    self._speaker.duck(0.0)
                case WordsWanted():
                    asking = asyncio.create_task(self._ask(event))
                    self._asking.add(asking)
                    asking.add_done_callback(self._asking.discard)
                case _:
                    if isinstance(event, Stop):
                        self.stopped = event
                    self._decided.put_nowait(event)

    async def _ask(self, asked: WordsWanted) -> None:
        """Find the words of a snippet out. A guess decides nothing."""
        sound = self._listening.speech_since(asked.speech_began)
        text: str | None = None
        task = self._transcribe(sound)
        try:
            transcript = await task
            text = None if transcript.confidence == "low" else transcript.text
            if text and is_own_voice(text, self._overlapped()):
                text = ""
        except VoicemodeError as error:
            _log.info("nobody could tell the words of an interruption: %s", error)
        finally:
            task.cancel()
        if self._interruption is not None and self.stopped is None:
            self._act(self._interruption.words(text, asked))

    def _overlapped(self) -> str:
        """The words that were audible from the beginning of the speech to the pause; before a pause, to now."""
        played_s = self._speaker.played_s
        return self._audible(max(played_s - _OVERLAP_S, 0.0), played_s)


def near_end(frame: FrameFacts, other: Overheard) -> NearEnd:
    """What ``Interruption`` is told of one frame: of the sound without echo, and of what was overheard in the same 10 ms."""
    return NearEnd(
        seconds=frame.seconds,
        probability=frame.probability,
        cleaned_dbfs=frame.level_dbfs,
        raw_dbfs=other.raw_dbfs,
        far_end_dbfs=other.far_end_dbfs,
        echo=other.echo,
        found=other.found,
        noise_floor_dbfs=frame.noise_floor_dbfs,
    )
