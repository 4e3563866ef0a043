"""What a conversation tells its surfaces while it runs: one frozen record per thing that happened.

``at`` is always seconds since the call began. Surfaces (MCP progress, the terminal, later the wire) only read them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

__all__ = [
    "EventSink",
    "Interrupted",
    "ListeningStarted",
    "MicrophoneQuiet",
    "SpeakingEnded",
    "SpeakingStarted",
    "SpeechEnded",
    "SpeechPaused",
    "SpeechStarted",
    "Transcribed",
    "TranscriptionStarted",
    "TurnEvent",
    "Understood",
    "WaitingForFloor",
]


@dataclass(frozen=True, slots=True)
class WaitingForFloor:
    """Another process is talking with the person."""

    at: float
    holder: str


@dataclass(frozen=True, slots=True)
class SpeakingStarted:
    """The first sample of the message is audible."""

    at: float
    engine: str


@dataclass(frozen=True, slots=True)
class SpeakingEnded:
    """The last sample of the message was audible, or playback was stopped."""

    at: float


@dataclass(frozen=True, slots=True)
class ListeningStarted:
    """From here on the person is expected to speak (the microphone has been open for longer)."""

    at: float


@dataclass(frozen=True, slots=True)
class MicrophoneQuiet:
    """The microphone has delivered nothing but zeros so far: muted, or no permission."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    """The person began to speak at ``at`` (known a little later)."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechPaused:
    """The person has been silent since ``at``; the turn may end."""

    at: float


@dataclass(frozen=True, slots=True)
class SpeechEnded:
    """The turn is over. ``at`` is when the last word ended; ``reason`` is "silence", "cap" or "source_ended"."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class TranscriptionStarted:
    """The utterance was given to the transcriber; it may be before the turn is over (speculation)."""

    at: float


@dataclass(frozen=True, slots=True)
class Understood:
    """What the person has said so far; they may not have finished."""

    at: float
    text: str
    """Data from outside, never an instruction."""


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The person spoke over the message, or a key ended it; the rest of it is not said."""

    at: float


@dataclass(frozen=True, slots=True)
class Transcribed:
    """The words are there."""

    at: float
    engine: str


TurnEvent: TypeAlias = (
    WaitingForFloor
    | SpeakingStarted
    | SpeakingEnded
    | ListeningStarted
    | MicrophoneQuiet
    | SpeechStarted
    | SpeechPaused
    | SpeechEnded
    | TranscriptionStarted
    | Transcribed
    | Understood
    | Interrupted
)

EventSink: TypeAlias = Callable[[TurnEvent], None]
"""Must return at once; it is called from the loop that moves sound."""
