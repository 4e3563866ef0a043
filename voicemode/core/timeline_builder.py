"""Collects one turn's timeline while it happens. Every call is a few additions: it may stand in the loop that moves sound.

Whatever is fed, the record stays under 1 MB of JSON: lanes get coarser with time, and long lists lose every second entry of
their older half. Instants that cannot be (before the call, not finite) are left out: a picture is not worth a turn.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from voicemode.core.endpointing import (
    EndpointEvent,
    NobodySpoke,
    PauseBegan,
    ScoreWanted,
    SoftEnding,
    SpeechBegan,
    SpeechResumed,
    TurnEnded,
)
from voicemode.core.interruption import InterruptionEvent, Stop, WordsWanted
from voicemode.core.level import LOWEST_DBFS
from voicemode.core.timeline import (
    FINEST_GRAIN_S,
    MOST_BINS,
    BargeIn,
    Decision,
    Earcon,
    Lane,
    Moment,
    Partial,
    Piece,
    Score,
    Timeline,
    What,
)
from voicemode.core.voicing import FrameFacts

__all__ = ["Outcome", "TimelineBuilder"]

_NONE = -128
"""No measurement; levels and per cent are never that low."""
_MOST_MOMENTS, _MOST_SCORES, _MOST_DECISIONS, _MOST_OTHERS = 600, 800, 300, 120
"""Entries of a list: 1 MB, less four lanes of ten minutes (0.5 MB), shared out. A turn of a minute has a tenth of them."""
_LONGEST_ENTRY = 150
"""Characters of a partial or a piece: what fits under a picture."""
_LONGEST_TEXT = 4_000
"""Characters of a whole answer or message: four minutes of speech."""
_LONGEST_NAME = 32
_LONGEST_ENGINE = 100
"""Characters: an endpoint's address."""

_Entry = TypeVar("_Entry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of the turn, for the record."""

    status: str
    """As ``TurnResult.status``, or the code of the error."""
    ended_by: str = ""
    text: str = ""
    heard: str = ""
    unheard: str = ""
    timings_ms: Mapping[str, int] | None = None
    engines: Mapping[str, str] | None = None
    """By "tts", "stt", "vad", "scorer"; empty names are left out."""
    settings: Mapping[str, str] | None = None


class TimelineBuilder:
    """One per turn. All times are seconds since the call; calls come from one thread, in any order of time."""

    def __init__(self) -> None:
        self._lanes = _Lanes()
        self._moments: _Few[Moment] = _Few(_MOST_MOMENTS)
        self._scores: _Few[Score] = _Few(_MOST_SCORES)
        self._partials: _Few[Partial] = _Few(_MOST_OTHERS)
        self._decisions: _Few[Decision] = _Few(_MOST_DECISIONS)
        self._barge_ins: _Few[BargeIn] = _Few(_MOST_OTHERS)
        self._pieces: _Few[Piece] = _Few(_MOST_OTHERS)
        self._earcons: _Few[Earcon] = _Few(_MOST_OTHERS)
        self._first_sound: float | None = None
        self._last_sound: float | None = None
        self._latest = 0.0

    # -- sound

    def microphone(self, at: float, *, level_dbfs: float, probability: float, noise_floor_dbfs: float) -> None:
        """One frame of the microphone that began at ``at``; frames of 20 ms or less leave no gaps."""
        if self._possible(at):
            self._lanes.put(_MICROPHONE, at, max(level_dbfs, LOWEST_DBFS))
            self._lanes.put(_SPEECH, at, probability * 100)
            self._lanes.put(_FLOOR, at, max(noise_floor_dbfs, LOWEST_DBFS))

    def frames(self, heard: Sequence[FrameFacts], *, ended: float) -> None:
        """What a listener knows about its latest frames, oldest first; the last one ended at ``ended``."""
        at = ended - sum(facts.seconds for facts in heard)
        for facts in heard:
            floor_dbfs = facts.noise_floor_dbfs
            self.microphone(at, level_dbfs=facts.level_dbfs, probability=facts.probability, noise_floor_dbfs=floor_dbfs)
            at += facts.seconds

    def far_end(self, at: float, *, level_dbfs: float) -> None:
        """One frame of what was audible of the loudspeaker, that began at ``at``."""
        if self._possible(at):
            self._lanes.put(_FAR_END, at, max(level_dbfs, LOWEST_DBFS))

    def sounded(self, first: float, last: float) -> None:
        """The message was audible from ``first`` to ``last``; said again, the widest counts."""
        if self._possible(first, last):
            self._first_sound = first if self._first_sound is None else min(first, self._first_sound)
            self._last_sound = last if self._last_sound is None else max(last, self._last_sound)

    def piece(self, began: float, ended: float, text: str) -> None:
        """A part of the message was audible from ``began`` to ``ended``."""
        if self._possible(began, ended):
            self._pieces.add(Piece(began, ended, _end_of(text, _LONGEST_ENTRY)))

    def earcon(self, began: float, ended: float, name: str) -> None:
        if self._possible(began, ended):
            self._earcons.add(Earcon(began, ended, name[:_LONGEST_NAME]))

    # -- what was noticed and decided

    def mark(self, at: float, what: What) -> None:
        if self._possible(at):
            self._moments.add(Moment(at, what))

    def endpoint(self, event: EndpointEvent, offset_s: float = 0.0) -> None:
        """An event of the endpointer. ``offset_s`` is added to its times to make them seconds since the call."""
        match event:
            case SpeechBegan():
                self.mark(event.at + offset_s, What.SPEECH)
            case PauseBegan():
                self.mark(event.at + offset_s, What.PAUSE)
            case SpeechResumed():
                self.mark(event.at + offset_s, What.RESUME)
            case TurnEnded():
                self.mark(event.speech_ended + offset_s, What.SPEECH_ENDED)
                self.mark(event.at + offset_s, What.COMMITTED)
                self._ended(event, event.at + offset_s)
            case NobodySpoke():
                self.decided(event.at + offset_s, "nobody_spoke")
            case ScoreWanted() | SoftEnding():
                pass  # scores and transcriptions themselves will say when they were asked for

    def _ended(self, event: TurnEnded, at: float) -> None:
        silence_s = event.at - event.speech_ended
        known = event.evidence
        if known is None:
            self.decided(at, event.reason.value, silence_s=silence_s)
            return
        cue = known.cue.name.lower()
        self.decided(at, event.reason.value, score=known.score, cue=cue, wait_s=event.wait_s, silence_s=silence_s)

    def score(self, at: float, probability: float, who: str, *, arrived: float | None = None) -> None:
        """``at`` is the silence that was scored, ``arrived`` when the answer came."""
        if self._possible(at) and math.isfinite(probability):
            self._scores.add(Score(at, probability, who[:_LONGEST_NAME], _finite(arrived)))

    def partial(self, at: float, text: str) -> None:
        """What was understood so far, the whole of it."""
        if self._possible(at):
            self._partials.add(Partial(at, _end_of(text, _LONGEST_ENTRY)))

    def decided(
        self,
        at: float,
        what: str,
        *,
        score: float | None = None,
        cue: str = "",
        wait_s: float | None = None,
        silence_s: float | None = None,
    ) -> None:
        """As in ``Decision``."""
        if self._possible(at):
            self._decisions.add(
                Decision(
                    at=at,
                    what=what[:_LONGEST_NAME],
                    score=_finite(score),
                    cue=cue[:_LONGEST_NAME],
                    wait_s=_finite(wait_s),
                    silence_s=_finite(silence_s),
                )
            )

    def barge_in(self, at: float, what: str, why: str = "") -> None:
        """As in ``BargeIn``."""
        if self._possible(at):
            self._barge_ins.add(BargeIn(at, what[:_LONGEST_NAME], why[:_LONGEST_NAME]))

    def interruption(self, event: InterruptionEvent, offset_s: float = 0.0) -> None:
        """An event of ``core.interruption``. ``offset_s`` is added to its times to make them seconds since the call."""
        match event:
            case Stop():
                self.barge_in(event.at + offset_s, "stop", event.reason.value)
            case WordsWanted():
                self.barge_in(event.at + offset_s, "weigh")
            case _:
                self.barge_in(event.at + offset_s, type(event).__name__.lower())

    # -- the record

    def finish(self, outcome: Outcome, *, at: float = 0.0) -> Timeline:
        """The record; ``at`` is when the result was there. More may be fed, and ``finish`` called again."""
        self._possible(at)
        lists: dict[str, _Few[Any]] = {
            "moments": self._moments,
            "scores": self._scores,
            "partials": self._partials,
            "decisions": self._decisions,
            "barge_ins": self._barge_ins,
            "pieces": self._pieces,
            "earcons": self._earcons,
        }
        return Timeline(
            status=outcome.status[:_LONGEST_NAME],
            ended_by=outcome.ended_by[:_LONGEST_NAME],
            lasted_s=self._latest,
            text=_end_of(outcome.text, _LONGEST_TEXT),
            heard=_end_of(outcome.heard, _LONGEST_TEXT),
            unheard=_end_of(outcome.unheard, _LONGEST_TEXT),
            grain_s=self._lanes.grain_s,
            microphone_dbfs=self._lanes.lane(_MICROPHONE),
            speech_percent=self._lanes.lane(_SPEECH),
            noise_floor_dbfs=self._lanes.lane(_FLOOR),
            far_end_dbfs=self._lanes.lane(_FAR_END),
            moments=tuple(sorted(self._moments.entries, key=lambda moment: moment.at)),
            scores=tuple(self._scores.entries),
            partials=tuple(self._partials.entries),
            decisions=tuple(self._decisions.entries),
            barge_ins=tuple(self._barge_ins.entries),
            first_sound=self._first_sound,
            last_sound=self._last_sound,
            pieces=tuple(self._pieces.entries),
            earcons=tuple(self._earcons.entries),
            timings_ms=dict(outcome.timings_ms or {}),
            engines=_names(outcome.engines),
            settings=_names(outcome.settings),
            dropped={name: few.dropped for name, few in lists.items() if few.dropped},
        )

    def _possible(self, *instants: float) -> bool:
        if not all(math.isfinite(at) and at >= 0 for at in instants):
            return False
        self._latest = max(self._latest, *instants)
        return True


_MICROPHONE, _SPEECH, _FLOOR, _FAR_END = range(4)


class _Lanes:
    """Whole numbers by time, in bins that get twice as long whenever there would be too many."""

    def __init__(self) -> None:
        self.grain_s = FINEST_GRAIN_S
        self._lanes = tuple(array("b") for _ in range(4))

    def put(self, lane: int, at: float, value: float) -> None:
        """The highest value of a bin counts."""
        index = self._index(at)
        while index >= MOST_BINS:
            self._coarsen()
            index = self._index(at)
        bins = self._lanes[lane]
        if index >= len(bins):
            bins.extend([_NONE] * (index + 1 - len(bins)))
        bins[index] = max(bins[index], _whole(value))

    def lane(self, lane: int) -> Lane:
        return tuple(None if value == _NONE else value for value in self._lanes[lane])

    def _index(self, at: float) -> int:
        # A sum of frame lengths misses the round figure by a little, in either direction.
        return int(at / self.grain_s + 1e-6)

    def _coarsen(self) -> None:
        self.grain_s *= 2
        for bins in self._lanes:
            bins[:] = array("b", (max(bins[at : at + 2]) for at in range(0, len(bins), 2)))


class _Few(Generic[_Entry]):
    """A list that never gets long: when it is full, every second entry of its older half goes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.entries: list[_Entry] = []
        self.dropped = 0

    def add(self, entry: _Entry) -> None:
        if len(self.entries) >= self._most:
            older = slice(1, len(self.entries) // 2, 2)  # the first one stays
            self.dropped += len(self.entries[older])
            del self.entries[older]
        self.entries.append(entry)


def _whole(value: float) -> int:
    return _NONE if math.isnan(value) else round(min(max(value, -100.0), 100.0))


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _end_of(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"…{text[-(longest - 1) :]}"


def _names(given: Mapping[str, str] | None) -> Mapping[str, str]:
    few = list((given or {}).items())[:_MOST_OTHERS]
    return {name[:_LONGEST_NAME]: value[:_LONGEST_ENGINE] for name, value in few if value}
