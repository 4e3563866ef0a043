"""How much silence ends the turn now, given what is known about it?

A pure function: the same evidence gives the same wait. More evidence that the person has finished never makes it longer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from voicemode.core.unfinished import TextCue

__all__ = ["PATIENCE", "SCALES", "Evidence", "Patience", "TurnPolicy", "turn_policy"]

Patience = Literal["quick", "normal", "patient"]

PATIENCE: Mapping[Patience, float] = MappingProxyType({"quick": 0.7, "normal": 1.0, "patient": 1.7})
"""What each patience multiplies every wait by."""

SCALES: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"smart-turn-v3": (0.5, 0.95), "prosody": (0.5, 0.7), "smart-turn-v3+prosody": (0.5, 0.9)}
)
"""By the scorer's name: up to which score the wait is longest, and from which it is shortest.

smart-turn is as good as certain of most ends and of many pauses, prosody hardly ever is; the last is the mean of both. Chosen
from three or four pairs for each.
"""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known while a silence lasts."""

    scores: tuple[float, ...] = ()
    """How likely the turn is over, 0 to 1, as the scorer judged it again and again during this silence, oldest first."""
    cue: TextCue = TextCue.UNKNOWN
    """What the words so far say."""
    text_pending: bool = False
    """Are the words of this silence still being written down?"""
    usual_pause_s: float | None = None
    """A pause that this speaker hardly exceeds in mid-turn, >= 0; None before one was heard."""

    @property
    def score(self) -> float | None:
        """The scores as one; None without any."""
        return sum(self.scores) / len(self.scores) if self.scores else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPolicy:
    """Waits in seconds of silence after the last voiced frame, before ``factor``.

    The numbers come from ``bench.end_of_turn``: docs/turns.md says how, and what each is worth. Words tell much, so they move
    the wait by a second; scores tell little about people who were not heard before, so they move it by 0.2 s.
    """

    shortest_s: float = 0.46
    """When the scorer is as sure as can be that the turn is over, > 0. Words are hardly ever there sooner."""
    longest_s: float = 0.61
    """When it is as sure that it is not, >= ``shortest_s``."""
    unscored_s: float = 0.54
    """Before its first score, or without a scorer."""
    sure_of_end: float = 0.7
    """From this score on the wait is ``shortest_s``, <= 1; ``SCALES`` has each scorer's."""
    sure_of_more: float = 0.5
    """Up to this score the wait is ``longest_s``, >= 0."""
    open_s: float = 1.8
    """At least this where the words cannot end a sentence. A search for a word takes up to 1.2 s, and a detector is late."""
    closed_s: float = 0.42
    """At most this where the words answer the question that was asked."""
    pending_s: float = 1.5
    """At least this while the words are being written down: ending the turn before they are there gains nothing,
    as the answer is made of them; but a transcriber that is stuck must not keep it open."""
    pause_share: float = 0.5
    """How much of a speaker's usual pause beyond ``typical_pause_s``, and beyond the wait as it is, is added."""
    typical_pause_s: float = 0.7
    """A speaker whose pauses reach this far gets the waits as they stand."""
    most_s: float = 2.5
    """Never more than this, whatever is known, times ``factor``."""
    factor: float = 1.0
    """The patience that was asked for, > 0. Above 1 it makes the waits longer, but not what scores and pauses add to them: with
    that too, plain silence was better by the 90th percentile from 1.1 s on."""
    scores_in_noise: bool = False
    """Does a score count where speech cannot be told from noise by its level? Scorers hear the noise, too: with smart-turn's a
    third more pauses were cut off at 10 and 5 dB than with none."""

    def __post_init__(self) -> None:
        if not 0 < self.shortest_s <= self.longest_s:
            raise ValueError(f"not a policy: shortest_s {self.shortest_s}, longest_s {self.longest_s}")
        if not 0 <= self.sure_of_more < self.sure_of_end <= 1:
            raise ValueError(f"not a policy: sure_of_more {self.sure_of_more}, sure_of_end {self.sure_of_end}")
        if not self.factor > 0:
            raise ValueError(f"factor must be more than 0, not {self.factor}")

    def wait_s(self, evidence: Evidence) -> float:
        """Seconds of silence that end the turn now, > 0."""
        # Pauses that outlast a long wait are rare, and neither scores nor former pauses foretell them; words do.
        judged = self._by_score(evidence.score) - self.unscored_s
        wait = self.factor * self.unscored_s + min(self.factor, 1 / self.factor) * judged
        if evidence.usual_pause_s is not None:
            beyond = evidence.usual_pause_s - max(self.typical_pause_s, wait)
            wait += min(self.factor, 1.0) * self.pause_share * max(beyond, 0.0)
        match evidence.cue:
            case TextCue.OPEN:
                wait = max(wait, self.factor * self.open_s)
            case TextCue.CLOSED:
                wait = min(wait, self.factor * self.closed_s)
            case TextCue.UNKNOWN:
                pass
        if evidence.text_pending:
            wait = max(wait, self.factor * self.pending_s)
        return min(wait, self.factor * self.most_s)

    def heeds_scores(self, evidence: Evidence, silence_s: float) -> bool:
        """Can a score that comes after so much silence, or more, still change when the turn ends? Judging costs much."""
        surely_more, surely_over = (self.wait_s(replace(evidence, scores=(score,), text_pending=False)) for score in (0.0, 1.0))
        return silence_s < surely_more and surely_over < surely_more

    def _by_score(self, score: float | None) -> float:
        if score is None:
            return self.unscored_s
        doubt = (self.sure_of_end - score) / (self.sure_of_end - self.sure_of_more)
        return self.shortest_s + (self.longest_s - self.shortest_s) * min(max(doubt, 0.0), 1.0)


def turn_policy(scorer: str, patience: Patience = "normal") -> TurnPolicy:
    """The policy for the scores of the ``TurnScorer`` of this name; another's are taken as prosody's."""
    sure_of_more, sure_of_end = SCALES.get(scorer, SCALES["prosody"])
    return replace(TurnPolicy(), sure_of_more=sure_of_more, sure_of_end=sure_of_end, factor=PATIENCE[patience])
