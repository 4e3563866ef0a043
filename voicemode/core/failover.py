"""Which endpoint is asked, and which is asked after it: a pure function of what is known now, with its reasons.

What counts, in this order:

1. Who cannot do it, or is not to be asked now (breaker open), is passed over.
2. The endpoint that spoke the sentence before, so that a voice does not change in mid-message.
3. The order of the person: named endpoints as written, then services found on this machine, then the cloud, then built in.
4. What it can do: the voice, the sample format, streaming.
5. Health: one that is to be tried again comes after one that works, but not for ever: after STALE_S it is tried.
6. Among equals the lowest expected latency, then the fewest requests in flight, then whoever waited longest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeAlias

from voicemode.core.breaker import BreakerState
from voicemode.core.health import Health
from voicemode.core.tally import STALE_S
from voicemode.core.voices import VoiceTraits, base_language, has_voice, nearest_voice, traits

__all__ = [
    "UNDECLARED",
    "Candidate",
    "Choice",
    "Decision",
    "Declared",
    "Need",
    "Origin",
    "Task",
    "absence",
    "choose",
    "in_order",
]

Task: TypeAlias = Literal["tts", "stt", "chat"]

SAME_X = 2.0
"""Endpoints whose latency is within this factor of the best are equals: less is noise, which at 1.5 shut out one of three
equals for minutes. Who is somewhat slower still gets less, having more in flight.
"""

SAME_S = 0.02
"""And so are those within so many seconds of it: nobody hears 20 ms."""


class Origin(IntEnum):
    """How an endpoint became known, in order of preference."""

    NAMED = 0
    FOUND = 1
    CLOUD = 2
    BUILTIN = 3


@dataclass(frozen=True, slots=True)
class Declared:
    """What an endpoint says of itself. None: it does not say, so it may be asked for anything."""

    models: tuple[str, ...] | None = None
    voices: tuple[str, ...] | None = None
    formats: tuple[str, ...] | None = None
    languages: tuple[str, ...] | None = None
    """BCP 47; regions are not told apart."""
    streams: bool | None = None
    """The first sound or word comes before the last one is made."""
    live: bool | None = None
    """It takes sound while it is spoken."""


UNDECLARED = Declared()
"""Of an endpoint that was not asked yet, or does not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """An endpoint as it is known now."""

    name: str
    origin: Origin
    rank: int = 0
    """Position in the person's order; candidates of one origin and rank are equals."""
    declared: Declared = UNDECLARED
    health: Health


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What a request asks for."""

    task: Task
    language: str | None = None
    """BCP 47."""
    voice: str | None = None
    format: str | None = None
    streaming: bool = False
    previous: str = ""
    """Name of the endpoint that served the sentence before; empty at the beginning."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One endpoint's place in the decision."""

    name: str
    reasons: tuple[str, ...]
    """Why it stands where it stands; each a phrase without a full stop."""
    voice: str | None = None
    """The voice to ask it for: the wanted one, or its nearest."""
    probe: bool = False
    """Its breaker lets this one request try."""


@dataclass(frozen=True, slots=True)
class Decision:
    """In which order endpoints are asked, and who is not."""

    order: tuple[Choice, ...]
    passed_over: tuple[Choice, ...]


@dataclass(frozen=True, slots=True)
class _Able:
    """A candidate that can do it, and what the decision needs to know of it."""

    candidate: Candidate
    shortcomings: tuple[str, ...]
    expected_s: float | None
    doubtful: bool
    """It failed, and lately enough to be worse than one that works."""

    @property
    def tier(self) -> tuple[int, int]:
        return _tier(self.candidate)

    @property
    def probe(self) -> bool:
        return self.candidate.health.breaker.state is not BreakerState.CLOSED

    def standing(self, need: Need) -> tuple[bool, int, int, int, bool]:
        """Points 2 to 5 of this file's head; less is better."""
        return self.candidate.name != need.previous, *self.tier, len(self.shortcomings), self.doubtful

    def load(self, fastest_s: float) -> tuple[float, int, float]:
        """Point 6; less is better."""
        tally = self.candidate.health.tally
        near = self.expected_s is None or self.expected_s <= max(fastest_s * SAME_X, fastest_s + SAME_S)
        return (0.0 if near or self.expected_s is None else self.expected_s), tally.in_flight, tally.last_used


def choose(candidates: Sequence[Candidate], need: Need, now: float) -> Decision:
    """Decide. ``now`` is in the seconds of the clock that the health was told in."""
    admitted, passed_over = [], []
    inabilities = {candidate.name: _inability(candidate, need) for candidate in candidates}
    early = _early([candidate for candidate in candidates if inabilities[candidate.name] is None], now)
    for candidate in candidates:
        inability, health = inabilities[candidate.name], candidate.health
        if inability is None and (candidate is early or health.breaker.admits(now)):
            doubtful = health.breaker.state is not BreakerState.CLOSED and now - health.tally.last_used <= STALE_S
            admitted.append(_Able(candidate, _shortcomings(candidate, need), health.tally.expected_s(now), doubtful))
        else:
            passed_over.append(Choice(candidate.name, (inability or _absence(health, now),)))
    fastest_s: dict[tuple[int, int], float] = {}
    for able in admitted:
        if able.expected_s is not None:
            fastest_s[able.tier] = min(fastest_s.get(able.tier, math.inf), able.expected_s)
    admitted.sort(key=lambda able: (*able.standing(need), *able.load(fastest_s.get(able.tier, 0.0))))
    order = [Choice(a.candidate.name, _reasons(a, need), _voice(a.candidate, need), probe=a.probe) for a in admitted]
    return Decision(tuple(order), tuple(passed_over))


def _early(able: Sequence[Candidate], now: float) -> Candidate | None:
    """Better to ask too early than not at all: whoever is due first, unless it said itself when to come back."""
    if any(candidate.health.breaker.admits(now) for candidate in able):
        return None
    waiting = (candidate for candidate in able if candidate.health.breaker.admits_early())
    return min(waiting, key=lambda candidate: candidate.health.breaker.until, default=None)


def in_order(candidates: Sequence[Candidate], need: Need) -> list[Choice]:
    """Everyone who can do it in the order of the person, whatever their health: for what needs no request."""
    able = [candidate for candidate in candidates if _inability(candidate, need) is None]
    able.sort(key=lambda candidate: (_tier(candidate), len(_shortcomings(candidate, need))))
    return [Choice(candidate.name, (), _voice(candidate, need)) for candidate in able]


def _tier(candidate: Candidate) -> tuple[int, int]:
    return (candidate.origin, candidate.rank)


# -- what it can do


def _inability(candidate: Candidate, need: Need) -> str | None:
    """Why it can never serve this request; None when it may."""
    languages = candidate.declared.languages
    if need.language is not None and languages is not None and not _covers(languages, need.language):
        return f"does not know the language '{need.language}'"
    if candidate.declared.models == ():
        return "offers no model for it"
    return None


def _covers(languages: Sequence[str], wanted: str) -> bool:
    return base_language(wanted) in {base_language(language) for language in languages}


def _shortcomings(candidate: Candidate, need: Need) -> tuple[str, ...]:
    """What it lacks of the wishes that are not musts."""
    declared = candidate.declared
    found = []
    if need.voice is not None and declared.voices is not None and not has_voice(declared.voices, need.voice):
        nearest = _voice(candidate, need)
        told = f", its nearest is '{nearest}'" if nearest not in (None, need.voice) else ""
        found.append(f"has no voice '{need.voice}'{told}")
    if need.format is not None and declared.formats is not None and need.format not in declared.formats:
        found.append(f"does not offer {need.format}")
    if need.streaming and declared.streams is False:
        found.append("does not stream")
    return tuple(found)


def _voice(candidate: Candidate, need: Need) -> str | None:
    """The voice to ask for; None: the endpoint's own choice, as none of its voices is like the wanted one.

    A name that follows no known scheme has no nearest: the endpoint is asked and says no itself.
    """
    voices = candidate.declared.voices
    if need.voice is None or voices is None or has_voice(voices, need.voice) or traits(need.voice) == VoiceTraits():
        return need.voice
    return nearest_voice(voices, need.voice, need.language)


# -- words


_ORIGINS = {
    Origin.NAMED: "named in the settings",
    Origin.FOUND: "found on this machine",
    Origin.CLOUD: "in the cloud",
    Origin.BUILTIN: "built in",
}


def _reasons(able: _Able, need: Need) -> tuple[str, ...]:
    candidate, health = able.candidate, able.candidate.health
    place = _ORIGINS[candidate.origin]
    if candidate.origin is Origin.NAMED:
        place += f" at place {candidate.rank + 1}"
    before = ["spoke the sentence before"] if candidate.name == need.previous else []
    doubt = [f"is tried again after: {health.trouble.rstrip('.')}"] if able.probe else []
    return (*before, place, *able.shortcomings, *doubt, _pace(able.expected_s, health.tally.in_flight))


def _pace(expected_s: float | None, in_flight: int) -> str:
    busy = f", {in_flight} in flight" if in_flight else ""
    return ("latency not known yet" if expected_s is None else f"answers in about {expected_s * 1000:.0f} ms") + busy


def absence(health: Health, now: float) -> str:
    """Why nobody may ask it now, as a phrase; its breaker is not closed."""
    if health.breaker.state is BreakerState.HALF_OPEN:
        return "is being tried by another request"
    if math.isinf(health.breaker.until):
        return "is not asked until the settings change"
    return f"is left alone for {max(health.breaker.until - now, 0):.0f} s more"


def _absence(health: Health, now: float) -> str:
    return f"{absence(health, now)} after: {health.trouble.rstrip('.')}"
