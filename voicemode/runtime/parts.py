"""What a turn is made of."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

from voicemode.core.commands import Adjustments, SpokenPhrases
from voicemode.core.echo_path import EchoPath
from voicemode.core.failover import Task
from voicemode.core.pauses import SpeakerPauses
from voicemode.core.questions import words_of
from voicemode.core.residual import Residual
from voicemode.core.speculation import StreamTrust, TranscriptionPace
from voicemode.core.timeline import Timeline
from voicemode.core.turn_words import guess_language
from voicemode.events import EventSink
from voicemode.interfaces import (
    EchoCanceller,
    Microphone,
    Speaker,
    SpeechDetector,
    StreamingTranscriber,
    Synthesizer,
    Transcriber,
    TurnScorer,
)
from voicemode.record import Entry
from voicemode.runtime.journal import Journal

__all__ = ["Session", "TurnParts"]

_TELLING_WORDS = 4
"""Names and loan words are in any language; of four words in a row, one is an article or a verb."""


@dataclass(slots=True)
class Session:
    """What is learnt from turn to turn, about the person, the room and the engines; shared by all turns of a process."""

    pace: TranscriptionPace = field(default_factory=TranscriptionPace)
    """How long transcriptions take."""
    stream_trust: StreamTrust = field(default_factory=StreamTrust)
    """How far to rely on transcription while the person speaks."""
    pauses: SpeakerPauses = field(default_factory=SpeakerPauses)
    """How long the person pauses in mid-turn."""
    echo_path: EchoPath = field(default_factory=EchoPath)
    """How the loudspeaker's sound comes to the microphone."""
    residual: Residual = field(default_factory=Residual)
    """How much of the loudspeaker is left in the microphone after echo cancellation."""
    language: str | None = None
    """What was last spoken, as far as a message or a long enough answer told it: short answers do not tell their language."""
    letter_s: dict[tuple[str | None, float], float] = field(default_factory=dict)
    """The pace of each voice that was heard, by its name and speed: seconds per letter, as in ``core.heard``."""
    adjustments: Adjustments = field(default_factory=Adjustments)
    """What the person asked for: louder, slower."""

    def understood(self, text: str) -> None:
        """Learn from what the person said."""
        words = words_of(text)
        if self.language is None and len(words) >= _TELLING_WORDS:
            self.language = guess_language(words) or None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnParts:
    """Devices are made anew for each turn; engines are shared by all."""

    make_microphone: Callable[[], Microphone]
    make_speaker: Callable[[], Speaker]
    make_detector: Callable[[], SpeechDetector]
    synthesizer: Synthesizer
    transcriber: Transcriber
    scorer: TurnScorer
    journal: Journal
    start_timeout_s: float
    chime: str
    """When to chime as the microphone starts to listen: "auto" (only when nothing was spoken), "true" or "false"."""
    earcons: bool = False
    """Sound a soft tone when a turn is over."""
    streams: StreamingTranscriber | None = None
    """Writes down while the person speaks, where somebody can."""
    make_canceller: Callable[[], EchoCanceller | None] = lambda: None
    """None where there is none: then nobody interrupts by voice."""
    phrases: Callable[[str | None], SpokenPhrases] = lambda _: SpokenPhrases(())
    """Spoken commands and backchannels for a language (BCP 47); None where it is not known."""
    session: Session = field(default_factory=Session)
    presence: Callable[[Task | None], AbstractAsyncContextManager[None]] = lambda _: contextlib.nullcontext()
    """Entered while somebody converses, with what is needed first."""
    keep_timeline: Callable[[Timeline], None] = lambda _: None
    """Told what happened in each turn when it has ended. Returns at once."""
    put: Callable[[Entry], None] = lambda _: None
    """Told what is said, for the record. Returns at once."""
    watch: EventSink = lambda _: None
    """Told what happens in each turn, whether its caller still listens or not."""
