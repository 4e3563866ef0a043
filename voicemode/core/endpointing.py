"""Where does an utterance begin, where does it pause, and when is the turn over?

Frame facts come in, events go out; time is the sum of the frames' lengths. ::

    WAITING ──STIRRED──> STIRRING ──CONFIRMED──> SPEAKING <──RESUMED / PAUSED──> PAUSING
       ^                    │                       │                              │
       └──────FADED─────────┘                       └─ SILENT, CAPPED, EXHAUSTED ──┴──> ENDED

    WAITING and STIRRING also end: LATE (nobody spoke in time), EXHAUSTED (the source ended).

Nobody outside hears of STIRRING: a cough that fades away was never the beginning of speech.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto, unique
from types import MappingProxyType
from typing import TypeAlias

from voicemode.core.voicing import FrameFacts, Voicing

__all__ = [
    "EndReason",
    "EndpointEvent",
    "Endpointer",
    "EndpointingOptions",
    "FrameFacts",
    "IllegalTransitionError",
    "NobodySpoke",
    "PauseBegan",
    "Signal",
    "SpeechBegan",
    "SpeechResumed",
    "State",
    "TurnEnded",
    "next_state",
]

_LEAST_SPEECH_S = 0.12
"""Less open gate than this in total is a cough or a click; "no" opens it for 0.2 s."""
_FADE_S = 0.3
"""Silence after which a cough is over; a stop consonant inside a word is shorter than 0.2 s."""
_DOUBT_S = 0.1
"""A detector needs up to three frames of 32 ms to hear that somebody goes on: a turn waits that long for its verdict."""
_ROUNDING_S = 1e-6
"""Sums of frame lengths miss the round figure by less than this."""


@dataclass(frozen=True, slots=True)
class EndpointingOptions:
    """How patient to be. All in seconds."""

    silence_s: float = 1.0
    """Silence after the last word that ends the turn, > 0."""
    start_timeout_s: float = 12.0
    """How long the person may take to begin, > 0."""
    max_utterance_s: float = 120.0
    """How long an utterance may last, > 0."""
    speculate_after_s: float = 0.2
    """Silence after which a pause is told, so that transcription can start before the turn is over, > 0."""
    preroll_s: float = 0.5
    """How much sound before the detected beginning belongs to the utterance, >= 0."""

    def __post_init__(self) -> None:
        for name in ("silence_s", "start_timeout_s", "max_utterance_s", "speculate_after_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        if not self.preroll_s >= 0:
            raise ValueError(f"preroll_s must be 0 or more, not {self.preroll_s}")


@unique
class EndReason(Enum):
    """Why a turn is over."""

    SILENCE = "silence"
    CAP = "cap"
    """The utterance reached ``max_utterance_s``."""
    SOURCE_ENDED = "source_ended"


@dataclass(frozen=True, slots=True)
class SpeechBegan:
    """Somebody began to speak at ``at``; known 0.12 s or more later."""

    at: float


@dataclass(frozen=True, slots=True)
class PauseBegan:
    """There has been silence since ``at``, the end of the last voiced frame, for ``speculate_after_s``."""

    at: float


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


@dataclass(frozen=True, slots=True)
class NobodySpoke:
    """The start time-out passed, or the source ended, without speech; the last event."""

    at: float


EndpointEvent: TypeAlias = SpeechBegan | PauseBegan | SpeechResumed | TurnEnded | NobodySpoke


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


class Endpointer:
    """One turn. Times are seconds since ``began_at``'s zero, which is the endpointer's own beginning by default."""

    def __init__(self, options: EndpointingOptions, began_at: float = 0.0) -> None:
        self._options = options
        self._origin = began_at
        self._now = began_at
        self._state = State.WAITING
        self._voicing = Voicing()
        self._began: float | None = None
        self._voiced_until = began_at
        """End of the last voiced frame; it means nothing while WAITING."""
        self._open_until = began_at
        """End of the last frame with an open gate; it means nothing while WAITING."""
        self._open_s = 0.0
        """Seconds of open gate since the stirring began."""

    @property
    def state(self) -> State:
        return self._state

    @property
    def speech_began(self) -> float | None:
        """When the speech began, or what may become speech; None without either."""
        return self._began

    @property
    def speech_ended(self) -> float | None:
        """The end of the last voiced frame so far; None without speech."""
        return None if self._began is None else self._voiced_until

    def push(self, facts: FrameFacts) -> list[EndpointEvent]:
        """Learn from the next frame. Raises IllegalTransitionError after the last event."""
        if self._state is State.ENDED:
            raise IllegalTransitionError(self._state, "another frame")
        self._now += facts.seconds
        silent_since = self._voiced_until
        voiced = self._voicing.push(facts)
        if voiced:
            self._voiced_until = self._now
        if facts.gate_open:
            self._open_until = self._now
        match self._state:
            case State.WAITING:
                return self._wait(facts)
            case State.STIRRING:
                return self._stir(facts)
            case State.SPEAKING:
                return self._speak()
            case State.PAUSING if voiced:
                self._move(Signal.RESUMED)
                age_s = max(facts.gate_age_s, facts.seconds)
                return [SpeechResumed(max(self._now - age_s, silent_since))]
            case State.PAUSING:
                return self._end_if_due()

    def finish(self) -> list[EndpointEvent]:
        """The source has ended. Raises IllegalTransitionError after the last event."""
        sounding = self._open_until >= self._now - _ROUNDING_S
        if self._state is State.STIRRING and sounding:  # cut off by the end, not a cough that faded
            return [*self._confirm(), *self._end(Signal.EXHAUSTED, EndReason.SOURCE_ENDED)]
        if self._state in (State.WAITING, State.STIRRING):
            return self._give_up(Signal.EXHAUSTED)
        return self._end(Signal.EXHAUSTED, EndReason.SOURCE_ENDED)

    def _wait(self, facts: FrameFacts) -> list[EndpointEvent]:
        if facts.gate_open:
            self._move(Signal.STIRRED)
            self._began = max(self._now - max(facts.gate_age_s, facts.seconds), self._origin)
            self._voiced_until = self._now
            self._open_s = 0.0
            return self._stir(facts)
        if self._passed(self._options.start_timeout_s, since=self._origin):
            return self._give_up(Signal.LATE)
        return []

    def _stir(self, facts: FrameFacts) -> list[EndpointEvent]:
        if facts.gate_open:
            self._open_s += facts.seconds
        if self._open_s >= _LEAST_SPEECH_S - _ROUNDING_S:
            return self._confirm()
        if self._passed(_FADE_S, since=self._open_until):
            self._move(Signal.FADED)
            self._began = None
            return self._wait(facts)
        return []

    def _confirm(self) -> list[EndpointEvent]:
        self._move(Signal.CONFIRMED)
        assert self._began is not None  # noqa: S101 - set on entering STIRRING
        return [SpeechBegan(self._began)]

    def _speak(self) -> list[EndpointEvent]:
        ended = self._end_if_due()
        if not ended and self._passed(self._options.speculate_after_s, since=self._voiced_until):
            self._move(Signal.PAUSED)
            return [PauseBegan(self._voiced_until)]
        return ended

    def _end_if_due(self) -> list[EndpointEvent]:
        silence_s = self._options.silence_s
        if self._passed(silence_s, since=self._voiced_until):
            in_doubt = self._voicing.loud and not self._passed(silence_s + _DOUBT_S, since=self._voiced_until)
            if not in_doubt:
                return self._end(Signal.SILENT, EndReason.SILENCE)
        if self._began is not None and self._passed(self._options.max_utterance_s, since=self._began):
            return self._end(Signal.CAPPED, EndReason.CAP)
        return []

    def _end(self, signal: Signal, reason: EndReason) -> list[EndpointEvent]:
        self._move(signal)
        assert self._began is not None  # noqa: S101 - the table lets nobody end who has not begun
        return [TurnEnded(self._began, self._voiced_until, self._now, reason)]

    def _give_up(self, signal: Signal) -> list[EndpointEvent]:
        self._move(signal)
        self._began = None
        return [NobodySpoke(self._now)]

    def _move(self, signal: Signal) -> None:
        self._state = next_state(self._state, signal)

    def _passed(self, seconds: float, *, since: float) -> bool:
        return self._now - since >= seconds - _ROUNDING_S
