"""Which endpoint is asked, and which is asked after it: a pure function of what is known now, with its reasons.

What counts, in this order:

1. Who cannot do it, or is not to be asked now (breaker open), is passed over.
2. The endpoint that spoke the sentence before, so that a voice does not change in mid-message.
3. The order of the person: named endpoints as written, then services found on this machine, then the cloud, then built in.
4. What it can do: the voice, the sample format, streaming.
5. Health: one that is being tried again comes after one that works.
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
from voicemode.core.voices import VoiceTraits, has_voice, nearest_voice, traits

__all__ = ["UNDECLARED", "Candidate", "Choice", "Decision", "Declared", "Need", "Origin", "Task", "choose", "in_order"]

Task: TypeAlias = Literal["tts", "stt", "chat"]

SAME_X = 1.5
"""Endpoints whose latency is within this factor of the best are equals: less is noise."""

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
    """BCP 47; a language without region stands for all of its regions."""
    streams: bool | None = None
    """The first sound or word comes before the last one is made."""


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


def choose(candidates: Sequence[Candidate], need: Need, now: float) -> Decision:
    """Decide. ``now`` is in the seconds of the clock that the health was told in."""
    able = [candidate for candidate in candidates if _inability(candidate, need) is None]
    admitted = [candidate for candidate in able if candidate.health.breaker.admits(now)]
    if not admitted:
        # Better to ask too early than not at all: whoever is due first, unless it said itself when to come back.
        early = [candidate for candidate in able if candidate.health.breaker.admits_early()]
        admitted = sorted(early, key=lambda candidate: candidate.health.breaker.until)[:1]
    fastest_s = {tier: _fastest_s(admitted, tier, now) for tier in {_tier(candidate) for candidate in admitted}}
    ordered = sorted(admitted, key=lambda c: (*_standing(c, need), *_load(c, fastest_s[_tier(c)], now)))
    order = tuple(
        Choice(c.name, _reasons(c, need, now), _voice(c, need), probe=c.health.breaker.state is not BreakerState.CLOSED)
        for c in ordered
    )
    passed_over = tuple(
        Choice(c.name, (_inability(c, need) or _absence(c.health, now),)) for c in candidates if c not in admitted
    )
    return Decision(order, passed_over)


def in_order(candidates: Sequence[Candidate], need: Need) -> list[Choice]:
    """Everyone who can do it in the order of the person, whatever their health: for what needs no request."""
    able = [candidate for candidate in candidates if _inability(candidate, need) is None]
    able.sort(key=lambda candidate: (_tier(candidate), len(_shortcomings(candidate, need))))
    return [Choice(candidate.name, (), _voice(candidate, need)) for candidate in able]


def _tier(candidate: Candidate) -> tuple[int, int]:
    return (candidate.origin, candidate.rank)


def _standing(candidate: Candidate, need: Need) -> tuple[bool, int, int, int, bool]:
    """Points 2 to 5 of this file's head; less is better."""
    doubtful = candidate.health.breaker.state is not BreakerState.CLOSED
    return candidate.name != need.previous, *_tier(candidate), len(_shortcomings(candidate, need)), doubtful


def _load(candidate: Candidate, fastest_s: float, now: float) -> tuple[float, int, float]:
    """Point 6; less is better."""
    tally = candidate.health.tally
    expected_s = tally.expected_s(now)
    near = expected_s is None or expected_s <= max(fastest_s * SAME_X, fastest_s + SAME_S)
    return (0.0 if near or expected_s is None else expected_s), tally.in_flight, tally.last_used


def _fastest_s(candidates: Sequence[Candidate], tier: tuple[int, int], now: float) -> float:
    known = (candidate.health.tally.expected_s(now) for candidate in candidates if _tier(candidate) == tier)
    return min((seconds for seconds in known if seconds is not None), default=0.0)


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
    def base(tag: str) -> str:
        return tag.replace("_", "-").partition("-")[0].casefold()

    return base(wanted) in {base(language) for language in languages}


def _shortcomings(candidate: Candidate, need: Need) -> list[str]:
    """What it lacks of the wishes that are not musts."""
    declared = candidate.declared
    found = []
    if need.voice is not None and declared.voices is not None and not has_voice(declared.voices, need.voice):
        nearest = _voice(candidate, need)
        found.append(f"has no voice '{need.voice}'" + (f", its nearest is '{nearest}'" if nearest != need.voice else ""))
    if need.format is not None and declared.formats is not None and need.format not in declared.formats:
        found.append(f"does not offer {need.format}")
    if need.streaming and declared.streams is False:
        found.append("does not stream")
    return found


def _voice(candidate: Candidate, need: Need) -> str | None:
    """The voice to ask for. A name that follows no known scheme has no nearest: the endpoint is asked and says no itself."""
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


def _reasons(candidate: Candidate, need: Need, now: float) -> tuple[str, ...]:
    place = _ORIGINS[candidate.origin]
    if candidate.origin is Origin.NAMED:
        place += f" at place {candidate.rank + 1}"
    reasons = [place, *_shortcomings(candidate, need)]
    if candidate.name == need.previous:
        reasons.insert(0, "spoke the sentence before")
    if candidate.health.breaker.state is not BreakerState.CLOSED:
        reasons.append(f"is tried again after: {candidate.health.trouble.rstrip('.')}")
    return (*reasons, _pace(candidate.health, now))


def _pace(health: Health, now: float) -> str:
    expected_s, in_flight = health.tally.expected_s(now), health.tally.in_flight
    busy = f", {in_flight} in flight" if in_flight else ""
    return ("latency not known yet" if expected_s is None else f"answers in about {expected_s * 1000:.0f} ms") + busy


def _absence(health: Health, now: float) -> str:
    trouble = health.trouble.rstrip(".")
    if health.breaker.state is BreakerState.HALF_OPEN:
        return f"is being tried by another request after: {trouble}"
    if math.isinf(health.breaker.until):
        return f"is not asked until the settings change: {trouble}"
    return f"is left alone for {max(health.breaker.until - now, 0):.0f} s more after: {trouble}"
