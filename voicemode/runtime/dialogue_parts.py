"""What the engine of a continuous conversation is made of, and how it listens."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Literal, Protocol

from voicemode.answers import Answerer
from voicemode.audio import Samples
from voicemode.core.endpointing import EndpointingOptions
from voicemode.core.questions import question_in
from voicemode.core.speculation import StreamTrust, TranscriptionPace
from voicemode.core.turn_policy import Patience, turn_policy
from voicemode.dialogue import DialogueOptions, Eagerness, TurnTaking
from voicemode.interfaces import SpeechDetector, StreamingTranscriber, Synthesizer, Transcriber, TurnScorer
from voicemode.runtime.journal import Journal

__all__ = ["ANSWER_RATE", "DialogueParts", "Suppressor", "endpointing_of"]

ANSWER_RATE = 24_000
"""Hertz of ``AnswerAudio``."""

_PATIENCE: Mapping[Eagerness, tuple[Patience, float]] = MappingProxyType(
    {Eagerness.LOW: ("patient", 8.0), Eagerness.AUTO: ("normal", 4.0), Eagerness.HIGH: ("quick", 2.0)}
)
"""With the longest wait in seconds, which OpenAI documents for semantic_vad."""
_MOST_PREFIX_S = 5.0
"""As far back as a listener remembers, less a second of a busy machine."""
_LEAST_SILENCE_S = 0.05
_SPECULATE_AFTER_S = 0.2
"""Silence after which a pause is worth a transcription: pauses between words are shorter."""


class Suppressor(Protocol):
    """Takes steady noise out of a person's sound. It keeps state: one for each session."""

    def process(self, samples: Samples) -> Samples:
        """16 kHz mono int16, of any length: as many samples come out as went in, but for what fills no frame of 10 ms yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DialogueParts:
    """Engines are shared by all sessions; detectors and suppressors are made for each."""

    make_detector: Callable[[], SpeechDetector]
    synthesizer: Synthesizer
    transcriber: Transcriber
    scorer: TurnScorer
    journal: Journal
    answerer: Answerer
    make_suppressor: Callable[[Literal["near_field", "far_field"]], Suppressor | None] = lambda _: None
    """None where there is none: the request is then without effect."""
    voice: Callable[[str], str | None] = lambda name: name or None
    """The synthesizer's voice for the name that a client gave."""
    language: str | None = None
    """BCP 47, of what is spoken; None: the voice's own."""
    session_id: str = ""
    """What an answerer knows this conversation by."""
    conversation: str = ""
    """What an agent calls it, so that it can be gone on with later; "": it is not."""
    apology: str = "voicemode cannot reach the chat endpoint."
    """Spoken when whoever answers does not."""
    streams: StreamingTranscriber | None = None
    """Writes down while the person speaks, where somebody can."""
    pace: TranscriptionPace = field(default_factory=TranscriptionPace)
    """How long transcriptions take: of all sessions, since the endpoints are theirs together."""
    stream_trust: StreamTrust = field(default_factory=StreamTrust)
    """How far to rely on the streams; likewise."""
    max_utterance_s: float = 120.0
    """Whoever speaks for longer is transcribed in parts, of which none is lost."""
    on_remote: Callable[[str], None] | None = field(default=None, repr=False)
    """Told the name of each endpoint outside this machine that may have got sound or text."""


def endpointing_of(options: DialogueOptions, parts: DialogueParts, said: str) -> EndpointingOptions:
    """How the end of a turn is looked for. ``said`` is what the assistant said last: its question tells how answers end."""
    common = EndpointingOptions(start_timeout_s=math.inf, max_utterance_s=parts.max_utterance_s)
    if options.turn_taking is TurnTaking.SILENCE:
        silence_s = max(options.silence_ms / 1000, _LEAST_SILENCE_S)
        prefix_s = min(max(options.prefix_ms / 1000, 0.0), _MOST_PREFIX_S)
        return replace(common, silence_s=silence_s, preroll_s=prefix_s, speculate_after_s=min(_SPECULATE_AFTER_S, silence_s))
    patience, cap_s = _PATIENCE[options.eagerness]
    policy = turn_policy(parts.scorer.used, patience)
    policy = replace(policy, most_s=min(policy.most_s, cap_s / policy.factor))
    question = question_in(said, language=options.language)
    return replace(common, policy=policy, question=question, partials=True)
