"""What an endpointer tells about one turn. Times are seconds of audio."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeAlias

from voicemode.core.turn_policy import Evidence

__all__ = [
    "EndReason",
    "EndpointEvent",
    "NobodySpoke",
    "PauseBegan",
    "ScoreWanted",
    "SoftEnding",
    "SpeechBegan",
    "SpeechResumed",
    "TurnEnded",
]


@unique
class EndReason(Enum):
    """Why a turn is over."""

    SILENCE = "silence"
    CAP = "cap"
    """The utterance reached ``max_utterance_s``."""
    SOURCE_ENDED = "source_ended"
    RELEASED = "released"
    """Push-to-talk: the key went up."""


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Somebody began to speak at ``at``; known 0.12 s or more later."""

    at: float


@dataclass(frozen=True, slots=True)
class PauseBegan:
    """There has been silence since ``at``, the end of the last voiced frame, for ``speculate_after_s``."""

    at: float


@dataclass(frozen=True, slots=True)
class ScoreWanted:
    """The silence lasts: how likely is the turn over? Answered by ``scored`` with the same ``silence_since``."""

    at: float
    silence_since: float
    """The end of the last voiced frame: the silence's name in ``scored`` and ``partial``; ``PauseBegan.at`` is the same."""


@dataclass(frozen=True, slots=True)
class SoftEnding:
    """Since the pause was told, or the last such event, there was a soft sound that may be the word's, and it is over.

    What was written down before lacks it. The turn goes on being silent.
    """

    at: float
    silence_since: float
    """As ``ScoreWanted.silence_since``."""


@dataclass(frozen=True, slots=True)
class SpeechResumed:
    """The pause ended at ``at``: the turn goes on."""

    at: float


@dataclass(frozen=True, slots=True)
class TurnEnded:
    """The turn is over; the last event."""

    speech_began: float
    speech_ended: float
    """The end of the last voiced frame."""
    at: float
    """When it was decided."""
    reason: EndReason
    wait_s: float | None = None
    """How much silence the policy asked for; None without one."""
    evidence: Evidence | None = None
    """What the policy knew; None without one."""


@dataclass(frozen=True, slots=True)
class NobodySpoke:
    """The start time-out passed, or the source ended, without speech; the last event."""

    at: float


EndpointEvent: TypeAlias = SpeechBegan | PauseBegan | ScoreWanted | SoftEnding | SpeechResumed | TurnEnded | NobodySpoke
