"""Where playback stands while somebody may interrupt it, and what may follow. ::

              ┌─────────CLEARED────────┐
              v                        │
    PLAYING ──SUSPECTED──> DUCKED ─────┘
       ^                    │
       │                CONFIRMED
       │                    v
       └──DISMISSED── PAUSED <──RESUMED / FELL_SILENT──> WEIGHING ──DISMISSED──> PLAYING

Every state but STOPPED leads to STOPPED by INTERRUPTED.
"""

from __future__ import annotations

from enum import Enum, auto, unique
from types import MappingProxyType

from voicemode.core.transitions import IllegalTransitionError, follow

__all__ = ["IllegalTransitionError", "Signal", "State", "next_state"]


@unique
class State(Enum):
    """Where playback stands."""

    PLAYING = auto()
    DUCKED = auto()
    PAUSED = auto()
    """The person speaks."""
    WEIGHING = auto()
    """Paused still; the person has fallen silent, and their words are awaited."""
    STOPPED = auto()


@unique
class Signal(Enum):
    """What can happen to it."""

    SUSPECTED = auto()
    CLEARED = auto()
    CONFIRMED = auto()
    FELL_SILENT = auto()
    SPOKE_ON = auto()
    DISMISSED = auto()
    INTERRUPTED = auto()


_NEXT = MappingProxyType(
    {
        (State.PLAYING, Signal.SUSPECTED): State.DUCKED,
        (State.PLAYING, Signal.INTERRUPTED): State.STOPPED,
        (State.DUCKED, Signal.CLEARED): State.PLAYING,
        (State.DUCKED, Signal.CONFIRMED): State.PAUSED,
        (State.DUCKED, Signal.INTERRUPTED): State.STOPPED,
        (State.PAUSED, Signal.FELL_SILENT): State.WEIGHING,
        (State.PAUSED, Signal.DISMISSED): State.PLAYING,
        (State.PAUSED, Signal.INTERRUPTED): State.STOPPED,
        (State.WEIGHING, Signal.SPOKE_ON): State.PAUSED,
        (State.WEIGHING, Signal.DISMISSED): State.PLAYING,
        (State.WEIGHING, Signal.INTERRUPTED): State.STOPPED,
    }
)


def next_state(state: State, signal: Signal) -> State:
    """The only place that decides where a signal leads. Raises IllegalTransitionError."""
    return follow(_NEXT, state, signal)
