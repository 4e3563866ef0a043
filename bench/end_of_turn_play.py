"""Plays scenes to the product's own listener and endpointer, frame by frame, with answers as late as they are in life.

What a listener makes of the sound depends on no rule, so it is kept; each rule then gets an endpointer of its own.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from bench.end_of_turn_scenes import Scene
from bench.end_of_turn_sounds import Floats
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.endpointing import (
    Endpointer,
    EndpointEvent,
    EndpointingOptions,
    FrameFacts,
    NobodySpoke,
    PauseBegan,
    ScoreWanted,
    SpeechBegan,
    State,
    TurnEnded,
)
from voicemode.core.listener import Listener
from voicemode.core.pauses import SpeakerPauses
from voicemode.engines.silero_vad import SileroDetector

__all__ = ["Mean", "Outcome", "Play", "Rule", "Scorer", "Take", "record"]

_PREROLL = CAPTURE_RATE // 2
_THERE_AND_BACK_S = 0.015
"""8 s of sound through a pipe, and the event loop's turn."""


@dataclass(frozen=True, slots=True, eq=False)
class Take:
    """One scene in one room, and what the listener made of each 10 ms of it."""

    scene: Scene
    snr_db: float | None
    samples: Samples
    facts: tuple[FrameFacts, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """A way to end turns."""

    name: str
    family: str
    options: EndpointingOptions
    scorer: str = ""
    """Empty for none."""
    words: bool = False
    """Is the policy told the words?"""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one turn."""

    cut: tuple[int, ...]
    """Pauses, by number, in which the turn was ended; -1 for a word in the middle of which it was."""
    latency_s: float | None
    """From the end of the last word to the decision; None where the end is no true end, or was not found."""
    answer_s: float | None
    """As ``latency_s``, to the decision or to the words, whichever is later."""


def record(scene: Scene, snr_db: float | None, sound: Floats) -> Take:
    """Let the listener hear the scene: speech detector, leveller, gate and noise floor."""
    samples = np.clip(np.rint(sound * 32_768), -32_768, 32_767).astype(np.int16)
    endless = EndpointingOptions(max_utterance_s=math.inf, silence_s=math.inf)
    listener, frame, facts = Listener(SileroDetector(), endless), CAPTURE_RATE // 100, list[FrameFacts]()
    listener.begin(0)
    for start in range(0, len(samples) - frame + 1, frame):
        listener.push(samples[start : start + frame])
        facts += listener.latest
    return Take(scene, snr_db, samples, tuple(facts))


class Scorer:
    """A scorer that is asked once for the same sound, and is as slow as it was measured to be."""

    def __init__(self, name: str, score: Callable[[Samples], float], kept: Path | None) -> None:
        """``kept``: a file that keeps its answers from run to run."""
        self.name = name
        self._score = score
        self._kept = kept
        self._answers: dict[str, float] = {}
        self.took: list[float] = []
        """CPU seconds of each call made in this run, or kept from the last."""
        if kept is not None and kept.exists():
            stored = json.loads(kept.read_text("utf-8"))
            self._answers, self.took = stored["answers"], stored["took"]

    @property
    def late_s(self) -> float:
        """The median CPU time of a call, and the way to its process and back, in seconds, rounded up to a 10 ms frame."""
        return float(np.ceil((np.median(self.took) + _THERE_AND_BACK_S) * 100) / 100) if self.took else 0.1

    def __call__(self, samples: Samples) -> float:
        last = samples[-8 * CAPTURE_RATE :]
        key = hashlib.sha1(last.tobytes(), usedforsecurity=False).hexdigest()
        if key not in self._answers:
            began = time.process_time()
            self._answers[key] = self._score(last)
            self.took.append(time.process_time() - began)
        return self._answers[key]

    def save(self) -> None:
        if self._kept is not None:
            self._kept.write_text(json.dumps({"answers": self._answers, "took": self.took}), "utf-8")


class Mean(Scorer):
    """Two scorers' mean, as late as the later."""

    def __init__(self, name: str, one: Scorer, other: Scorer) -> None:
        super().__init__(name, lambda samples: (one(samples) + other(samples)) / 2, None)
        self._both = (one, other)

    @property
    def late_s(self) -> float:
        return max(scorer.late_s for scorer in self._both)


@dataclass(slots=True)
class _Answer:
    due: float
    give: Callable[[], None]


@dataclass(slots=True)
class Play:
    """One take under one rule."""

    take: Take
    rule: Rule
    scorer: Scorer | None
    late_s: float
    """How late the scorer answers, in seconds."""
    stt_s: float
    """How long a transcription takes, in seconds; it begins with the pause."""
    full_stop: bool = False
    """Does the transcriber end everything with a full stop, as Whisper does?"""
    _now: float = 0.0
    _busy_until: float = 0.0
    _words_at: float = 0.0
    """When the words of the last pause are there."""
    _began: float = 0.0
    _answers: list[_Answer] = field(default_factory=list)

    def run(self) -> Outcome:
        """The rule goes on after each cut, as a conversation would, so one turn can be cut more than once."""
        scene, pauses, cuts = self.take.scene, SpeakerPauses(), list[int]()
        options = replace(self.rule.options, question=scene.question)
        endpointer = Endpointer(options, pauses=pauses)
        for facts in self.take.facts:
            self._now += facts.seconds
            self._deliver()
            events = endpointer.push(facts)
            for event in events:
                self._note(event, endpointer)
            if endpointer.state is State.ENDED:
                self._answers.clear()
                last = events[-1]
                if isinstance(last, TurnEnded) and last.at >= scene.end - 0.1:
                    return self._ended(last, tuple(cuts))
                if isinstance(last, TurnEnded):
                    cuts.append(_pause_at(scene, last.at))
                endpointer = Endpointer(options, self._now, pauses=pauses)
        return Outcome(tuple(cuts), None, None)

    def _deliver(self) -> None:
        due = [answer for answer in self._answers if answer.due <= self._now + 1e-6]
        self._answers = [answer for answer in self._answers if answer.due > self._now + 1e-6]
        for answer in due:
            answer.give()

    def _note(self, event: EndpointEvent, endpointer: Endpointer) -> None:
        match event:
            case SpeechBegan(at=at):
                self._began = at
            case PauseBegan(at=since):
                self._words_at = self._now + self.stt_s
                if self.rule.words:
                    text = self.take.scene.text(since) + ("." if self.full_stop else "")
                    self._answers.append(_Answer(self._words_at, lambda: endpointer.partial(text, since)))
            case ScoreWanted(at=at, silence_since=since) if self.scorer is not None and at >= self._busy_until - 1e-6:
                start = max(round(self._began * CAPTURE_RATE) - _PREROLL, 0)
                score = self.scorer(self.take.samples[start : round(at * CAPTURE_RATE)])
                self._busy_until = at + self.late_s
                self._answers.append(_Answer(self._busy_until, lambda: endpointer.scored(score, since)))
            case NobodySpoke() | _:
                pass

    def _ended(self, event: TurnEnded, cuts: tuple[int, ...]) -> Outcome:
        if not self.take.scene.ends:
            return Outcome(cuts, None, None)
        latency_s = event.at - self.take.scene.end
        paused = event.wait_s is None or event.at - event.speech_ended > 0.2
        words_at = self._words_at if paused else event.at + self.stt_s
        return Outcome(cuts, latency_s, max(latency_s, words_at - self.take.scene.end))


def _pause_at(scene: Scene, at: float) -> int:
    """The pause in which the turn was ended; the detector may find its end a little later than it is."""
    found = (number for number, pause in enumerate(scene.pauses) if pause.begin <= at <= pause.end + 0.1)
    return next(found, -1)
