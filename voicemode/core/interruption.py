"""Does the person interrupt the assistant, or did somebody cough, say "mhm", or is it the assistant's own echo?

Facts of each 10 ms come in while the assistant plays, events go out; time is the sum of the frames' lengths.

While playback is ducked or paused the echo falls by itself: speech that goes on although the loudspeaker is silent is the
person's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, unique
from typing import TypeAlias

from voicemode.core.interruption_states import IllegalTransitionError, Signal, State, next_state
from voicemode.core.near_speech import NearEnd, NearSpeech, Verdict
from voicemode.core.presence import SURE_S, Presence
from voicemode.core.residual import Residual

__all__ = [
    "DUCK_DB",
    "Duck",
    "IllegalTransitionError",
    "Interruption",
    "InterruptionEvent",
    "InterruptionOptions",
    "NearEnd",
    "Pause",
    "Resume",
    "Signal",
    "State",
    "Stop",
    "StopReason",
    "Unduck",
    "WordsWanted",
    "next_state",
]

DUCK_DB = -12.0
"""How much softer playback is while somebody may be speaking: a little less than half as loud to a listener (-10 dB)."""

_CLEAR_S = 0.8
"""Without a further suspicious frame for so long, a suspicion is over: two words that the canceller swallowed."""
_LOOK_BACK_S = 1.0
"""Speech that is confirmed begins with its suspicion, but no longer ago than this: noise may have been suspected for long."""
_STUBBORN_S = 2.0
"""A suspicion that has lasted so long without a word is learnt as echo, so that playback does not stay ducked for ever."""
_LONGEST_S = 3.0
"""Sound that is neither speech nor silent for so long, such as music: its words are asked for before it ends. Chosen."""
_SILENT_S = 0.25
"""Silence after which the person is taken to have fallen silent, so that their words are worth reading."""
_ROUNDING_S = 1e-6
"""Sums of frame lengths miss the round figure by less than this."""


@dataclass(frozen=True, slots=True)
class InterruptionOptions:
    """How easily the assistant is interrupted. All in seconds, > 0."""

    confirm_s: float = 0.06
    """Speech that pauses playback: two frames of Silero, so that one frame of anything else does not."""
    doubtful_confirm_s: float = 0.15
    """The same while it may be echo, as what nowhere makes the microphone louder than the echo: playback is ducked already, so
    echo has fallen by then, and where the canceller has lost the echo that is known."""
    faint_confirm_s: float = 0.2
    """The same of sound that is no echo and that the detector only half takes for speech: AEC3 passes pieces of soft words.
    With it, half as many words 6 dB under the echo were missed, and coughs paused playback no more often."""
    talking_s: float = 0.9
    """Speech that is an interruption whatever the words: three words at 3.3 words a second."""
    brief_s: float = 0.5
    """Shorter speech without a transcript is a backchannel: "mhm" and "right" last 0.2 to 0.5 s."""
    words_timeout_s: float = 1.0
    """How long playback stays paused for a transcript."""

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")


@unique
class StopReason(Enum):
    """Why playback is over."""

    TALKING = "talking"
    """The person kept talking."""
    WORDS = "words"
    """What they said was more than a backchannel."""
    DURATION = "duration"
    """No transcript came in time, and the speech was too long for a backchannel."""
    ASKED = "asked"
    """By key, or by ``voicemode control``."""


@dataclass(frozen=True, slots=True)
class Duck:
    """Somebody may be speaking: play more softly."""

    at: float


@dataclass(frozen=True, slots=True)
class Unduck:
    """Nobody was: play as before."""

    at: float


@dataclass(frozen=True, slots=True)
class Pause:
    """Somebody speaks, since ``speech_began``: hold playback, be ready to go on."""

    at: float
    speech_began: float


@dataclass(frozen=True, slots=True)
class WordsWanted:
    """They fell silent at ``speech_ended``: transcribe that snippet and hand the text to ``words`` with this event."""

    at: float
    speech_began: float
    speech_ended: float
    answer_by: float
    """When it will be decided without."""


@dataclass(frozen=True, slots=True)
class Resume:
    """It was no interruption: go on from where playback was paused."""

    at: float


@dataclass(frozen=True, slots=True)
class Stop:
    """It is an interruption; the last event. The turn is the person's, since ``speech_began``."""

    at: float
    speech_began: float
    """For ``ASKED`` without speech: ``at``."""
    reason: StopReason


InterruptionEvent: TypeAlias = Duck | Unduck | Pause | WordsWanted | Resume | Stop


class Interruption:
    """One playback. Times are seconds since ``began_at``'s zero."""

    def __init__(
        self,
        is_backchannel: Callable[[str], bool],
        residual: Residual | None = None,
        *,
        options: InterruptionOptions | None = None,
        began_at: float = 0.0,
    ) -> None:
        """``is_backchannel`` says of a text that is not empty whether it only shows that somebody listens ("mhm", "right").

        ``residual`` carries what was learnt about the echo from one playback to the next on the same devices.
        """
        self._is_backchannel = is_backchannel
        self._near = NearSpeech(Residual() if residual is None else residual)
        self._options = options or InterruptionOptions()
        self._now = began_at
        self._state = State.PLAYING
        self._speaking = False
        """Was the last frame speech?"""
        self._suspicious_until = began_at
        """End of the last suspicious frame; it means nothing while PLAYING."""
        self._began = began_at
        """When the speech began; it means nothing while PLAYING."""
        self._voiced_until = began_at
        """End of the last frame of speech; it means nothing while PLAYING."""
        self._speech_s = 0.0
        """Seconds of speech since it began."""
        self._proven_s = 0.0
        """As much of it as cannot have been echo."""
        self._faint_s = 0.0
        """Beside it, seconds of no echo that the detector only half takes for speech."""
        self._louder = False
        """Did any of it make the microphone louder than the echo?"""
        self._presence = Presence()
        """Of a voice that the canceller lets through too little of, since it was suspected."""
        self._found = False
        """Was that ever enough?"""
        self._paused_at = began_at
        """When what is said now began to be heard out; it means nothing but when PAUSED."""
        self._asked: WordsWanted | None = None
        """The question that is open; None unless WEIGHING."""

    @property
    def state(self) -> State:
        return self._state

    @property
    def speech_began(self) -> float | None:
        """When the speech began that is being judged, or has interrupted; None while PLAYING."""
        return None if self._state is State.PLAYING else self._began

    def push(self, facts: NearEnd) -> list[InterruptionEvent]:
        """Learn from the next frame. Raises IllegalTransitionError after the stop."""
        if self._state is State.STOPPED:
            raise IllegalTransitionError(self._state, "another frame")
        self._now += facts.seconds
        stubborn = self._state is not State.PLAYING and self._reached(self._now - self._began, _STUBBORN_S)
        verdict = self._near.push(facts, patient=not stubborn)
        if self._state is State.PLAYING and not verdict.suspicious:
            return []
        if self._state is State.PLAYING:
            self._suspect(facts.seconds)
            self._count(verdict, facts.seconds)
            return [Duck(self._now), *self._confirm_or_clear()]
        self._count(verdict, facts.seconds)
        match self._state:
            case State.DUCKED:
                return self._confirm_or_clear()
            case State.PAUSED:
                return self._hear_out()
            case _:
                return self._await_words()

    def words(self, text: str | None, asked: WordsWanted) -> list[InterruptionEvent]:
        """What was said in the snippet that ``asked`` named; empty for no words at all, None when nobody can tell.

        An answer to a question that is no longer open (they spoke on, or it came too late) changes nothing.
        """
        if self._asked is None or asked is not self._asked:
            return []
        if text is None:
            return self._decide_by_duration()
        if text.strip() and not self._is_backchannel(text):
            return self._stop(StopReason.WORDS)
        return self._dismiss()

    def interrupt(self) -> list[InterruptionEvent]:
        """Stop now, by key or command. Raises IllegalTransitionError after the stop."""
        if self._state is State.PLAYING:
            self._began = self._now
        return self._stop(StopReason.ASKED)

    def _count(self, verdict: Verdict, seconds: float) -> None:
        """Add the frame to what speaks for an interruption."""
        self._speaking = verdict.speech
        if verdict.suspicious:
            self._suspicious_until = self._now
        if verdict.speech or verdict.no_echo or verdict.voice > 0:
            self._voiced_until = self._now
        self._presence.push(verdict.voice, seconds)
        self._found = self._found or self._presence.reached(SURE_S)
        if not verdict.speech:
            self._faint_s += seconds if verdict.no_echo else 0.0
            return
        if self._speech_s == 0:
            self._began = max(self._began, self._now - _LOOK_BACK_S)
        self._speech_s += seconds
        self._proven_s += seconds if verdict.no_echo else 0.0
        self._louder = self._louder or (verdict.no_echo and verdict.louder)

    def _suspect(self, seconds: float) -> None:
        self._move(Signal.SUSPECTED)
        self._presence.reset()
        self._began = self._now - max(self._near.suspect_for_s, seconds)

    def _confirm_or_clear(self) -> list[InterruptionEvent]:
        options = self._options
        proven = self._louder and self._reached(self._proven_s, options.confirm_s)
        proven = proven or self._reached(self._no_echo_s, options.faint_confirm_s)
        if proven or self._found or self._reached(self._speech_s, options.doubtful_confirm_s):
            self._move(Signal.CONFIRMED)
            self._paused_at = self._now
            return [Pause(self._now, self._began), *self._hear_out()]
        if self._reached(self._now - self._suspicious_until, _CLEAR_S):
            self._move(Signal.CLEARED)
            self._forget()
            return [Unduck(self._now)]
        return []

    def _hear_out(self) -> list[InterruptionEvent]:
        if self._reached(self._proven_s, self._options.talking_s):
            return self._stop(StopReason.TALKING)
        endless = self._reached(self._now - self._paused_at, _LONGEST_S)
        if not (endless or self._reached(self._now - self._voiced_until, _SILENT_S)):
            return []
        if not (self._found or self._reached(self._no_echo_s, self._options.confirm_s)):
            return self._dismiss()  # it fell silent with the loudspeaker: the assistant's own voice
        self._move(Signal.FELL_SILENT)
        answer_by = self._now + self._options.words_timeout_s
        self._asked = WordsWanted(self._now, self._began, self._voiced_until, answer_by)
        return [self._asked]

    def _await_words(self) -> list[InterruptionEvent]:
        assert self._asked is not None  # noqa: S101 - set on entering WEIGHING
        if self._speaking:
            self._move(Signal.SPOKE_ON)
            self._asked, self._paused_at = None, self._now
            return self._hear_out()
        if self._now >= self._asked.answer_by - _ROUNDING_S:
            return self._decide_by_duration()
        return []

    def _decide_by_duration(self) -> list[InterruptionEvent]:
        brief = not self._reached(self._speech_s, self._options.brief_s)
        return self._dismiss() if brief else self._stop(StopReason.DURATION)

    def _dismiss(self) -> list[InterruptionEvent]:
        self._move(Signal.DISMISSED)
        self._forget()
        return [Resume(self._now)]

    def _stop(self, reason: StopReason) -> list[InterruptionEvent]:
        self._move(Signal.INTERRUPTED)
        self._asked = None
        return [Stop(self._now, self._began, reason)]

    def _forget(self) -> None:
        self._asked = None
        self._speech_s = self._proven_s = self._faint_s = 0.0
        self._found = self._louder = False

    @property
    def _no_echo_s(self) -> float:
        return self._proven_s + self._faint_s

    def _move(self, signal: Signal) -> None:
        self._state = next_state(self._state, signal)

    @staticmethod
    def _reached(seconds: float, limit_s: float) -> bool:
        return seconds >= limit_s - _ROUNDING_S
