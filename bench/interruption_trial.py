"""One message in one simulated room, heard by the real echo canceller, detector and judge; the loudspeaker obeys the judge."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Literal

import numpy as np

from bench.echo_room import BLOCK, Device, EchoPath, Loudspeaker, Room, Signal
from bench.first_word import first_word_share
from voicemode.audio import CAPTURE_RATE, AudioChunk, Samples
from voicemode.core.endpointing import EndpointingOptions
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
    Unduck,
    WordsWanted,
)
from voicemode.core.listener import Listener
from voicemode.interfaces import CapturedBlock, EchoCanceller, SpeechDetector
from voicemode.runtime.barge_in import near_end
from voicemode.runtime.ear import Ear

__all__ = ["Engines", "Kind", "Outcome", "Said", "obey", "run"]

Kind = Literal["interruption", "backchannel", "cough", "typing", "nobody"]

_TRANSCRIPTION_S = 0.4
"""How long the words of a snippet take: a local Whisper base needs 0.5 s for 2 s of sound, cloud engines 0.25 to 0.35 s."""
_AFTERWARDS_S = 2.0
"""How long a trial goes on after the person's last sound."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the person does while the assistant speaks."""

    kind: Kind
    text: str = ""
    """What a transcriber would make of it."""
    sound: Signal = field(default_factory=lambda: np.zeros(0, np.float32))
    """As it arrives at the microphone, its first sample at ``at_s``; without lead-in."""
    at_s: float = 0.0
    """Seconds after the message's first block."""
    level_db: float = 0.0
    """Its active level over the echo's."""


@dataclass(frozen=True, slots=True)
class Engines:
    """The real parts, made anew for each trial."""

    canceller: Callable[[], EchoCanceller]
    detector: Callable[[], SpeechDetector]
    is_backchannel: Callable[[str], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What happened. Times in seconds after the person's first sound (after the message's beginning with ``nobody``)."""

    kind: Kind
    level_db: float
    yield_s: float | None
    """The first duck, pause or stop after the first sound; None without one. So with the others."""
    pause_s: float | None
    stop_s: float | None
    resume_s: float | None
    speech_began_s: float | None
    """When the judge says that the speech began, on stopping."""
    first_word_share: float | None
    """Of the first word, what is in the sound that would be transcribed: 0 to 1. None where it was not stopped."""
    ducks: int
    """All of them, in the whole trial; as with the next two."""
    pauses: int
    stops: int
    false_stop: bool
    """Was playback stopped before anybody had made a sound?"""
    seconds: float
    """Of sound."""
    frame_s: tuple[float, ...]
    """CPU time of each 10 ms."""


class _Clock:
    """Adds up the frames' CPU times."""

    def __init__(self) -> None:
        self.frames: list[float] = []

    def measure(self, work: Callable[[], list[InterruptionEvent]]) -> list[InterruptionEvent]:
        began = time.thread_time()
        result = work()
        self.frames.append(time.thread_time() - began)
        return result


def run(path: EchoPath, message: Signal, said: Said, engines: Engines, *, transcribes: bool = True) -> Outcome:
    """Play the message, or as much of it as the trial needs. Without ``transcribes`` no words ever come."""
    person = np.concatenate((np.zeros(round(said.at_s * CAPTURE_RATE), np.float32), said.sound))
    room, loudspeaker = Room(path, person), Loudspeaker(message, duck_db=DUCK_DB)
    device = Device()
    hearing = _Hearing(engines, device)
    judge, clock = Interruption(engines.is_backchannel), _Clock()
    told: list[InterruptionEvent] = []
    asked: WordsWanted | None = None
    last = len(message) + round(30 * CAPTURE_RATE) if said.kind == "nobody" else len(person) + _AFTERWARDS_S * CAPTURE_RATE
    for block in count():
        if judge.state is State.STOPPED or loudspeaker.ended or block * BLOCK > last:
            break
        near = room.hear(device.play(loudspeaker.next_block()))
        events = clock.measure(lambda n=near: judge.push(hearing.hear(n)))  # type: ignore[misc]
        answered = asked is not None and transcribes and judge.state is State.WEIGHING
        if asked is not None and answered and block * BLOCK / CAPTURE_RATE >= asked.at + _TRANSCRIPTION_S:
            events = [*events, *judge.words(said.text, asked)]
        for event in events:
            obey(loudspeaker, event)
            asked = event if isinstance(event, WordsWanted) else asked
        told += events
    stop = next((event for event in told if isinstance(event, Stop)), None)
    share = None if stop is None or not len(said.sound) else hearing.first_word_share(stop, said, path.noise_dbfs)
    return replace(_outcome(said, told, clock.frames), first_word_share=share)


class _Hearing:
    """As a turn does it: the product's ear and listener, at devices that are opened for the first time."""

    def __init__(self, engines: Engines, device: Device) -> None:
        self._ear, self._now_s = Ear(engines.canceller(), device), 0.0
        self._listener = Listener(engines.detector(), EndpointingOptions())

    def hear(self, near: Samples) -> NearEnd:
        """The facts of one frame, as a turn hands them on."""
        block = CapturedBlock(AudioChunk(near, CAPTURE_RATE), self._now_s)
        self._now_s += BLOCK / CAPTURE_RATE
        cleaned, overheard = self._ear.hear(block)
        self._listener.push(cleaned)
        for spoken in self._ear.spoken:
            self._listener.amend(spoken.sound, spoken.age)
        return near_end(self._listener.latest[-1], overheard[-1])

    def first_word_share(self, stop: Stop, said: Said, noise_dbfs: float) -> float:
        """Of the utterance that begins with the stop, as a turn hands it to the transcriber: after a second hearing."""
        for recalled in self._ear.second_hearing():
            if recalled is not None:
                self._listener.amend(recalled.sound, recalled.age)
        utterance = self._listener.speech_since(stop.speech_began).samples
        begins = round(said.at_s * CAPTURE_RATE) - (self._listener.position - len(utterance))
        return first_word_share(said.sound, utterance, begins, noise_dbfs=noise_dbfs)


def obey(loudspeaker: Loudspeaker, event: InterruptionEvent) -> None:
    """Do to the loudspeaker what was decided."""
    match event:
        case Duck():
            loudspeaker.duck()
        case Unduck():
            loudspeaker.unduck()
        case Pause() | Stop():
            loudspeaker.pause()
        case Resume():
            loudspeaker.resume()
        case WordsWanted():
            pass


def _outcome(said: Said, told: list[InterruptionEvent], frames: list[float]) -> Outcome:
    def first(*kinds: type[InterruptionEvent]) -> float | None:
        return next((event.at - said.at_s for event in told if isinstance(event, kinds) and event.at > said.at_s), None)

    def number(kind: type[InterruptionEvent]) -> int:
        return sum(isinstance(event, kind) for event in told)

    stop = next((event for event in told if isinstance(event, Stop)), None)
    return Outcome(
        kind=said.kind,
        level_db=said.level_db,
        yield_s=first(Duck, Pause, Stop),
        pause_s=first(Pause),
        stop_s=first(Stop),
        resume_s=first(Resume),
        speech_began_s=None if stop is None else stop.speech_began - said.at_s,
        first_word_share=None,
        ducks=number(Duck),
        pauses=number(Pause),
        stops=number(Stop),
        false_stop=stop is not None and (said.kind == "nobody" or stop.at <= said.at_s),
        seconds=len(frames) * BLOCK / CAPTURE_RATE,
        frame_s=tuple(frames),
    )
