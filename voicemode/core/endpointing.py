"""Where does an utterance begin, where does it pause, and when is the turn over?

Frame facts come in, events go out; time is the sum of the frames' lengths.

Without a policy the turn ends after a fixed silence. With one, each silence is asked about (``ScoreWanted``) while a score can
change anything; scores and words are pushed in whenever they are there (``scored``, ``partial``), and every frame asks the
policy whether the silence is long enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from voicemode.core.endpoint_events import (
    EndpointEvent,
    EndReason,
    NobodySpoke,
    PauseBegan,
    ScoreWanted,
    SoftEnding,
    SpeechBegan,
    SpeechResumed,
    TurnEnded,
)
from voicemode.core.endpoint_states import IllegalTransitionError, Signal, State, next_state
from voicemode.core.pauses import SpeakerPauses
from voicemode.core.questions import NO_QUESTION, Question
from voicemode.core.turn_policy import Evidence, TurnPolicy
from voicemode.core.unfinished import TextCue, text_cue
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
    "ScoreWanted",
    "Signal",
    "SoftEnding",
    "SpeechBegan",
    "SpeechResumed",
    "State",
    "TurnEnded",
    "next_state",
]

_LEAST_SPEECH_S = 0.12
"""Less open gate than this in total is a cough or a click; "no" opens it for 0.2 s."""
_LEAST_HELD_S = 0.2
"""Sound louder than the room, for so long in total while a key is held, is speech, and no click of the key. Chosen."""
_AFTER_BEGIN_S = 1.0
"""It counts from then on: an utterance is looked for from half a second before its turn, and a loudspeaker that fell silent
there is heard for up to half a second after it."""
_LOUD_DB = 6.0
"""Over the noise floor: beyond the scatter of 10 ms levels of steady noise."""
_FADE_S = 0.3
"""Silence after which a cough is over; a stop consonant inside a word is shorter than 0.2 s."""
_DOUBT_S = 0.1
"""A detector needs up to three frames of 32 ms to hear that somebody goes on: a turn waits that long for its verdict."""
_FIRST_SCORE_S, _NEXT_SCORE_S = 0.2, 0.1
"""Silence after which a score is wanted, and how often again. Stops inside words are shorter than 0.2 s."""
_SOFT_S = 0.05
"""Silence after which a soft ending is over: the breath of an "s" has no gaps as long."""
_ROUNDING_S = 1e-6
"""Sums of frame lengths miss the round figure by less than this."""


@dataclass(frozen=True, slots=True)
class EndpointingOptions:
    """How patient to be. All in seconds."""

    silence_s: float = 1.0
    """Silence after the last word that ends the turn, > 0; it means nothing with a ``policy``."""
    start_timeout_s: float = 12.0
    """How long the person may take to begin, > 0."""
    max_utterance_s: float = 120.0
    """How long an utterance may last, > 0."""
    speculate_after_s: float = 0.2
    """Silence after which a pause is told, so that transcription can start before the turn is over, > 0.

    With a ``policy`` it is always the first score's 0.2 s.
    """
    preroll_s: float = 0.5
    """How much sound before the detected beginning belongs to the utterance, >= 0."""
    policy: TurnPolicy | None = None
    """Says how much silence ends the turn; None for ``silence_s``, whatever is known."""
    question: Question = NO_QUESTION
    """What the person was asked."""
    partials: bool = False
    """Will ``partial`` be told about every pause? The policy waits for it, within limits."""

    def __post_init__(self) -> None:
        for name in ("silence_s", "start_timeout_s", "max_utterance_s", "speculate_after_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        if not self.preroll_s >= 0:
            raise ValueError(f"preroll_s must be 0 or more, not {self.preroll_s}")


class Endpointer:
    """One turn. Times are seconds since ``began_at``'s zero, which is the endpointer's own beginning by default."""

    def __init__(self, options: EndpointingOptions, began_at: float = 0.0, *, pauses: SpeakerPauses | None = None) -> None:
        """``pauses`` learns from this turn and is asked in it; one for all turns of a speaker."""
        self._options = options
        self._pauses = SpeakerPauses() if pauses is None else pauses
        self.held = False
        """While it is, as by push-to-talk, neither silence nor lateness ends the turn."""
        self._origin = began_at
        self._now = began_at
        self._state = State.WAITING
        self._voicing = Voicing()
        self._began: float | None = None
        self._voiced_until = began_at
        """End of the last voiced frame; it means nothing while WAITING."""
        self._open_until = began_at
        """End of the last frame with an open gate; it means nothing while WAITING."""
        self._faint_until = began_at
        """End of the last frame with anything in it that may be speech; it means nothing while WAITING."""
        self._open_s = 0.0
        """Seconds of open gate since the stirring began."""
        self._loud_s = 0.0
        """Seconds that were louder than the room while the turn was held and nobody was found to speak."""
        self._loud_since = self._loud_until = began_at
        """When the first of them began and the last ended; they mean nothing while there are none."""
        self._scores: tuple[float, ...] = ()
        """Of this silence, oldest first; empty unless PAUSING."""
        self._cue = TextCue.UNKNOWN
        self._text_pending = False
        """Of this silence; they mean nothing unless PAUSING."""
        self._next_score_s = _FIRST_SCORE_S
        """The silence at which the next score is wanted; it means nothing unless PAUSING."""
        self._told_until = began_at
        """The sound up to here was told to pause; it means nothing unless PAUSING."""
        self._wait_s: float | None = None
        """The silence that ends the turn as things stand; None until it is asked for."""

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

    @property
    def faint_until(self) -> float | None:
        """The end of the last frame that may hold something of the speech, however soft; None without speech.

        It ends no pause, but who wants every sound of the utterance should have it.
        """
        return None if self._began is None else max(self._faint_until, self._voiced_until)

    @property
    def calm_s(self) -> float:
        """In the next so many seconds of sound nothing can happen, whatever it is, but that speech goes on; 0: anything can."""
        in_speech = self._state is State.SPEAKING
        if not in_speech and (self._state is not State.PAUSING or self._options.policy is not None):
            return 0.0
        assert self._began is not None  # noqa: S101 - somebody has spoken
        pause_s = self._pause_s()
        silence_left_s = self._voiced_until + min(self._silence_s(), pause_s if in_speech else math.inf) - self._now
        if not in_speech and self._faint_until > self._told_until:
            return 0.0
        cap_left_s = self._began + self._options.max_utterance_s - self._now
        return max(min(silence_left_s, cap_left_s, pause_s), 0.0)

    def begin_speaking(self) -> list[EndpointEvent]:
        """Somebody is known to speak since the beginning; before the first frame."""
        self._began = self._voiced_until = self._open_until = self._faint_until = self._now
        self._move(Signal.STIRRED)
        return self._confirm()

    def push(self, facts: FrameFacts) -> list[EndpointEvent]:
        """Learn from the next frame. Raises IllegalTransitionError after the last event."""
        if self._state is State.ENDED:
            raise IllegalTransitionError(self._state, "another frame")
        self._now += facts.seconds
        silent_since = self._voiced_until
        voiced = self._voicing.push(facts)
        if voiced:
            self._voiced_until = self._now
        if voiced or self._voicing.faint:
            self._faint_until = self._now
        if facts.gate_open:
            self._open_until = self._now
        if self.held and self._began is None:
            self._note_loudness(facts)
        match self._state:
            case State.WAITING:
                return self._wait(facts)
            case State.STIRRING:
                return self._stir(facts)
            case State.SPEAKING:
                return self._speak()
            case State.PAUSING if voiced:
                return self._resume(facts, silent_since)
            case State.PAUSING:
                return self._end_if_due() or [*self._tell_soft_ending(), *self._want_score()]

    def scored(self, probability: float, silence_since: float) -> None:
        """How likely the turn is over, 0 to 1, judged during the silence since ``silence_since``.

        It counts from the next frame on. Ignored when that silence is over, or the policy believes none. Raises ValueError.
        """
        if not 0 <= probability <= 1:
            raise ValueError(f"a score is 0 to 1, not {probability}")
        if self._believes_scores and self._still_silent_since(silence_since):
            self._scores = (*self._scores, probability)
            self._wait_s = None

    def partial(self, text: str, silence_since: float) -> None:
        """The words of the turn up to the silence since ``silence_since``; empty where they could not be told.

        They count from the next frame on. Ignored when that silence is over.
        """
        if self._still_silent_since(silence_since):
            self._cue = text_cue(text, self._options.question)
            self._text_pending = False
            self._wait_s = None

    def finish(self, reason: EndReason = EndReason.SOURCE_ENDED) -> list[EndpointEvent]:
        """The source has ended, or the key was released. Raises IllegalTransitionError after the last event."""
        sounding = self._open_until >= self._now - _ROUNDING_S
        released = reason is EndReason.RELEASED
        if self._state is State.STIRRING and (sounding or released):  # cut off by the end, not a cough that faded
            return [*self._confirm(), *self._end(Signal.EXHAUSTED, reason)]
        if released and self._state is State.WAITING and self._loud_s >= _LEAST_HELD_S:
            return self._believe_the_key()
        if self._state in (State.WAITING, State.STIRRING):
            return self._give_up(Signal.EXHAUSTED)
        return self._end(Signal.EXHAUSTED, reason)

    def _believe_the_key(self) -> list[EndpointEvent]:
        """Somebody held it and was louder than the room: they spoke, whatever the detector says."""
        self._began, self._voiced_until = self._loud_since, self._loud_until
        self._move(Signal.STIRRED)
        return [*self._confirm(), *self._end(Signal.EXHAUSTED, EndReason.RELEASED)]

    def _note_loudness(self, facts: FrameFacts) -> None:
        if facts.level_dbfs < facts.noise_floor_dbfs + _LOUD_DB or not self._passed(_AFTER_BEGIN_S, since=self._origin):
            return
        if not self._loud_s:
            self._loud_since = self._now - facts.seconds
        self._loud_s += facts.seconds
        self._loud_until = self._now

    def _wait(self, facts: FrameFacts) -> list[EndpointEvent]:
        if facts.gate_open:
            self._move(Signal.STIRRED)
            self._began = max(self._now - max(facts.gate_age_s, facts.seconds), self._origin)
            self._voiced_until = self._now
            self._open_s = 0.0
            return self._stir(facts)
        if not self.held and self._passed(self._options.start_timeout_s, since=self._origin):
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
        if not ended and self._passed(self._pause_s(), since=self._voiced_until):
            self._move(Signal.PAUSED)
            self._scores, self._cue, self._text_pending = (), TextCue.UNKNOWN, self._options.partials
            self._next_score_s, self._told_until = _FIRST_SCORE_S, self._now
            return [PauseBegan(self._voiced_until), *self._want_score()]
        return ended

    def _pause_s(self) -> float:
        return self._options.speculate_after_s if self._options.policy is None else _FIRST_SCORE_S

    def _want_score(self) -> list[EndpointEvent]:
        policy = self._options.policy
        if policy is None or not self._passed(self._next_score_s, since=self._voiced_until):
            return []
        self._next_score_s += _NEXT_SCORE_S
        heeded = self._believes_scores and policy.heeds_scores(self._evidence(), self._now - self._voiced_until)
        return [ScoreWanted(self._now, self._voiced_until)] if heeded else []

    @property
    def _believes_scores(self) -> bool:
        return self._voicing.clean or (self._options.policy is not None and self._options.policy.scores_in_noise)

    def _tell_soft_ending(self) -> list[EndpointEvent]:
        if self._faint_until <= self._told_until or not self._passed(_SOFT_S, since=self._faint_until):
            return []
        self._told_until = self._now
        return [SoftEnding(self._now, self._voiced_until)]

    def _resume(self, facts: FrameFacts, silent_since: float) -> list[EndpointEvent]:
        self._move(Signal.RESUMED)
        age_s = max(facts.gate_age_s, facts.seconds)
        at = max(self._now - age_s, silent_since)
        if not self.held:  # behind a key one may think for as long as one likes
            self._pauses.resumed(at - silent_since)
        return [SpeechResumed(at)]

    def _still_silent_since(self, silence_since: float) -> bool:
        return self._state is State.PAUSING and abs(self._voiced_until - silence_since) < _ROUNDING_S

    def _evidence(self) -> Evidence:
        if self._state is not State.PAUSING:
            return Evidence(text_pending=self._options.partials, usual_pause_s=self._pauses.usual_s)
        return Evidence(self._scores, self._cue, self._text_pending, self._pauses.usual_s)

    def _silence_s(self) -> float:
        if self._wait_s is None:
            policy = self._options.policy
            self._wait_s = self._options.silence_s if policy is None else policy.wait_s(self._evidence())
        return self._wait_s

    def _end_if_due(self) -> list[EndpointEvent]:
        silence_s = self._silence_s()
        if not self.held and self._passed(silence_s, since=self._voiced_until):
            in_doubt = self._voicing.loud and not self._passed(silence_s + _DOUBT_S, since=self._voiced_until)
            if not in_doubt:
                return self._end(Signal.SILENT, EndReason.SILENCE)
        if self._began is not None and self._passed(self._options.max_utterance_s, since=self._began):
            return self._end(Signal.CAPPED, EndReason.CAP)
        return []

    def _end(self, signal: Signal, reason: EndReason) -> list[EndpointEvent]:
        policy = self._options.policy
        evidence = None if policy is None else self._evidence()
        wait_s = None if policy is None else self._silence_s()
        self._move(signal)
        assert self._began is not None  # noqa: S101 - the table lets nobody end who has not begun
        return [TurnEnded(self._began, self._voiced_until, self._now, reason, wait_s, evidence)]

    def _give_up(self, signal: Signal) -> list[EndpointEvent]:
        self._move(signal)
        self._began = None
        return [NobodySpoke(self._now)]

    def _move(self, signal: Signal) -> None:
        self._state = next_state(self._state, signal)
        self._wait_s = None

    def _passed(self, seconds: float, *, since: float) -> bool:
        return self._now - since >= seconds - _ROUNDING_S
