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


class IllegalTransitionError(RuntimeError):
    """A defect of the caller, such as frames after the end; nothing was changed."""

    def __init__(self, state: State, what: str) -> None:
        super().__init__(state, what)
        self.state, self.what = state, what

    def __str__(self) -> str:
        return f"{self.what} is impossible while {self.state.name}"


def next_state(state: State, signal: Signal) -> State:
    """The only place that decides where a signal leads. Raises IllegalTransitionError."""
    try:
        return _NEXT[state, signal]
    except KeyError:
        raise IllegalTransitionError(state, signal.name) from None
