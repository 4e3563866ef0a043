"""One interruption of a realtime answer: what was sent after it, how much had been heard, and what the record says.

The voice is a stub that speaks words of known times, so that seconds of sound are words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bench.heard import audible_s, reference, words_heard
from bench.realtime_sounds import WIRE_RATE
from voicemode.audio import AudioChunk, Samples

__all__ = ["LAST_BYTE_MS", "Happened", "Player", "Trial", "context_words", "judged", "late_events"]

LAST_BYTE_MS = 50.0
"""Issue 6, "Done when" 2."""
MOST_WORDS_OFF = 1
_SURE = 0.7
"""Likeness below which a recording tells nothing."""
Event = Mapping[str, Any]


@dataclass(slots=True)
class Player:
    """A client that plays what comes, as it comes: how much of it was audible at a moment."""

    received_s: float = 0.0
    _until: float = 0.0
    """When what was received will have been played."""

    def add(self, seconds: float, now: float) -> None:
        """More sound came. Where the player had run dry, it goes on now."""
        self._until = max(self._until, now) + seconds
        self.received_s += seconds

    def played_s(self, now: float) -> float:
        """Seconds that were audible by then."""
        return self.received_s - max(self._until - now, 0.0)


@dataclass(slots=True)
class Happened:
    """What a client saw of one interruption, with instants of its clock."""

    offset_s: float
    """Of the answer's sound when the person began to speak."""
    spoke_at: float = 0.0
    """When their first audible sample was spoken."""
    noticed_at: float | None = None
    """When it was told that they speak."""
    events: list[tuple[float, Event]] = field(default_factory=list)
    """All of them."""
    pieces: list[str] = field(default_factory=list)
    """The words of the old answer, as they were spoken one after the other."""
    old_id: str = ""
    last_sound_at: float | None = None
    """The last packet or event with audible sound of the old answer."""
    played_s: float | None = None
    """Of the old answer, where the client plays; None: ``recording`` tells."""
    recording: AudioChunk | None = None
    context: Sequence[Mapping[str, Any]] = ()
    """The messages of the next request to the chat endpoint."""
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Trial:
    """One interruption, judged."""

    series: str
    offset_s: float
    noticed_ms: float
    """From the first audible sample of the person to the decision at the client."""
    last_ms: float
    """From the decision to the last byte of sound of the old answer; negative: it came before."""
    late: int
    """Events of the old answer after its end."""
    played: int
    """Words that were audible."""
    told: int
    """Words that the record has."""
    status: str
    """Of the old answer."""
    problem: str = ""

    @property
    def error(self) -> int:
        return self.told - self.played

    @property
    def kept(self) -> bool:
        silent, exact = self.last_ms <= LAST_BYTE_MS and self.late == 0, abs(self.error) <= MOST_WORDS_OFF
        return not self.problem and silent and exact


def late_events(events: Sequence[tuple[float, Event]], response_id: str) -> int:
    """Deltas and everything else of an answer behind its ``response.done``, but for what tells of its playing."""
    over, late = False, 0
    for _, event in events:
        kind = str(event["type"])
        if kind == "response.done" and event["response"]["id"] == response_id:
            over = True
        elif over and event.get("response_id") == response_id and not kind.startswith("output_audio_buffer."):
            late += 1
    return late


def context_words(messages: Sequence[Mapping[str, Any]]) -> list[str]:
    """The assistant's words as the next request has them."""
    said = [str(message["content"] or "") for message in messages if message["role"] == "assistant"]
    return " ".join(said).split()


def judged(series: str, seen: Happened) -> Trial:
    """What is to be said about it. It always says something: a trial that failed has a problem."""
    told = context_words(seen.context)
    status = next((str(e["response"]["status"]) for _, e in seen.events if _ends(e, seen.old_id)), "")
    if seen.problem or seen.noticed_at is None or not status:
        problem = seen.problem or ("nobody noticed" if seen.noticed_at is None else "the old answer has no end")
        return Trial(series, seen.offset_s, 0.0, 0.0, 0, 0, len(told), status, problem)
    sound, words = reference(seen.pieces)
    played_s, problem = seen.played_s, ""
    if played_s is None:
        played_s, likeness = audible_s(sound, seen.recording or AudioChunk(np.zeros(0, np.int16), WIRE_RATE))
        problem = f"the recording ends like no part of the answer ({likeness:.2f})" if likeness < _SURE else ""
    if not problem and told != [word.text for word in words][: len(told)]:
        problem = f"the record has other words: {' '.join(told)[-60:]}"
    if not problem and not seen.context:
        problem = "the chat endpoint was not asked again"
    last_ms = ((seen.last_sound_at or seen.noticed_at) - seen.noticed_at) * 1000
    noticed_ms = (seen.noticed_at - seen.spoke_at) * 1000
    late = late_events(seen.events, seen.old_id)
    return Trial(series, seen.offset_s, noticed_ms, last_ms, late, words_heard(words, played_s), len(told), status, problem)


def _ends(event: Event, response_id: str) -> bool:
    return bool(event["type"] == "response.done" and event["response"]["id"] == response_id)


def sound_of(samples: Sequence[Samples], sample_rate: int) -> AudioChunk:
    """One behind the other."""
    return AudioChunk(np.concatenate([np.zeros(0, np.int16), *samples]), sample_rate)
