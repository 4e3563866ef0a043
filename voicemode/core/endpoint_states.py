"""Where an utterance stands, and what may follow. ::

    WAITING ──STIRRED──> STIRRING ──CONFIRMED──> SPEAKING <──RESUMED / PAUSED──> PAUSING
       ^                    │                       │                              │
       └──────FADED─────────┘                       └─ SILENT, CAPPED, EXHAUSTED ──┴──> ENDED

    WAITING and STIRRING also end: LATE (nobody spoke in time), EXHAUSTED (the source ended).

Nobody outside hears of STIRRING: a cough that fades away was never the beginning of speech.
"""

from __future__ import annotations

from enum import Enum, auto, unique
from types import MappingProxyType

from voicemode.core.transitions import IllegalTransitionError, follow

__all__ = ["IllegalTransitionError", "Signal", "State", "next_state"]


@unique
class State(Enum):
    """Where a turn stands."""

    WAITING = auto()
    STIRRING = auto()
    """The gate has opened, not yet for long enough to be speech."""
    SPEAKING = auto()
    PAUSING = auto()
    """Silent for ``speculate_after_s`` or more."""
    ENDED = auto()


@unique
class Signal(Enum):
    """What can happen to a turn."""

    STIRRED = auto()
    CONFIRMED = auto()
    FADED = auto()
    PAUSED = auto()
    RESUMED = auto()
    SILENT = auto()
    CAPPED = auto()
    LATE = auto()
    EXHAUSTED = auto()


_NEXT = MappingProxyType(
    {
        (State.WAITING, Signal.STIRRED): State.STIRRING,
        (State.WAITING, Signal.LATE): State.ENDED,
        (State.WAITING, Signal.EXHAUSTED): State.ENDED,
        (State.STIRRING, Signal.CONFIRMED): State.SPEAKING,
        (State.STIRRING, Signal.FADED): State.WAITING,
        (State.STIRRING, Signal.EXHAUSTED): State.ENDED,
        (State.SPEAKING, Signal.PAUSED): State.PAUSING,
        (State.SPEAKING, Signal.SILENT): State.ENDED,
        (State.SPEAKING, Signal.CAPPED): State.ENDED,
        (State.SPEAKING, Signal.EXHAUSTED): State.ENDED,
        (State.PAUSING, Signal.RESUMED): State.SPEAKING,
        (State.PAUSING, Signal.SILENT): State.ENDED,
        (State.PAUSING, Signal.CAPPED): State.ENDED,
        (State.PAUSING, Signal.EXHAUSTED): State.ENDED,
    }
)


def next_state(state: State, signal: Signal) -> State:
    """The only place that decides where a signal leads. Raises IllegalTransitionError."""
    return follow(_NEXT, state, signal)
