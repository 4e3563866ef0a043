"""Scripted conversations: what a microphone, a scorer and a transcriber would tell the turn engine, without any sound.

A script is data; ``conversation(seed)`` makes one up, ``replay`` plays it to the engine and returns what was decided. Answers
that take time (scores, words) arrive in audio time, as late as the script says.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TypeAlias

from voicemode.core.endpointing import (
    Endpointer,
    EndpointingOptions,
    FrameFacts,
    NobodySpoke,
    PauseBegan,
    ScoreWanted,
    TurnEnded,
)
from voicemode.core.interruption import Interruption, NearEnd, Stop, WordsWanted
from voicemode.core.pauses import SpeakerPauses
from voicemode.core.questions import Asked, Question
from voicemode.core.residual import Residual
from voicemode.core.turn_policy import PATIENCE, TurnPolicy

__all__ = ["PEOPLE", "Answer", "Conversation", "Decision", "Stretch", "Turn", "conversation", "digest", "replay"]

_FRAMES_PER_S = 100
_NOISE_DBFS = -65.0
_ECHO_LEFT_DB = -35.0
"""What an echo canceller that has converged leaves of the far end."""

Decision: TypeAlias = str
"""An event as text, with its times to the microsecond."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Equal frames of 10 ms, one after another."""

    frames: int
    level_dbfs: float
    """Of the person and the room, at the microphone."""
    probability: float
    """What the detector says."""
    far_end_dbfs: float = -96.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What a scorer or a transcriber says, and how late."""

    after_s: float
    probability: float = 0.0
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """The assistant speaks, the person answers or interrupts."""

    playback: tuple[Stretch, ...]
    listening: tuple[Stretch, ...]
    scores: tuple[Answer, ...]
    """To the first score that is wanted, the second, and so on; the last one to all that follow."""
    partials: tuple[Answer, ...]
    """The same for the words of each pause."""
    snippets: tuple[Answer, ...]
    """The same for what was said over the playback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversation:
    """Turns of one person, who is learnt about from turn to turn."""

    person: str
    noise_dbfs: float
    question: Question
    policy: TurnPolicy
    turns: tuple[Turn, ...]


def replay(script: Conversation) -> tuple[Decision, ...]:
    """What the turn engine decides, in order. The same script gives the same decisions."""
    pauses, residual = SpeakerPauses(), Residual()
    decisions: list[Decision] = []
    for turn in script.turns:
        interrupted = _play(turn, script, residual, decisions)
        decisions.append(f"interrupted {interrupted}")
        _listen(turn, script, pauses, decisions)
    return tuple(decisions)


def digest(decisions: Iterable[Sequence[Decision]]) -> str:
    """One number for what was decided in all conversations, in whatever order they were replayed."""
    each = sorted(sha256("\n".join(course).encode()).hexdigest() for course in decisions)
    return sha256("".join(each).encode()).hexdigest()


def _play(turn: Turn, script: Conversation, residual: Residual, decisions: list[Decision]) -> bool:
    judge = Interruption(_is_backchannel, residual)
    due: list[tuple[float, int, Answer, WordsWanted]] = []
    asked = 0
    now = 0.0
    for facts in _near_end(turn.playback, script.noise_dbfs):
        now += facts.seconds
        events = judge.push(facts)
        while due and due[0][0] <= now:
            _, _, answer, question = heapq.heappop(due)
            events += judge.words(answer.text, question)
        for event in events:
            decisions.append(_told(event))
            if isinstance(event, WordsWanted):
                answer = _nth(turn.snippets, asked)
                heapq.heappush(due, (now + answer.after_s, asked, answer, event))
                asked += 1
            if isinstance(event, Stop):
                return True
    return False


def _listen(turn: Turn, script: Conversation, pauses: SpeakerPauses, decisions: list[Decision]) -> None:
    options = EndpointingOptions(start_timeout_s=3.0, policy=script.policy, question=script.question, partials=True)
    endpointer = Endpointer(options, pauses=pauses)
    due: list[tuple[float, int, Answer, float]] = []
    scores = partials = 0
    now = 0.0
    for facts in _facts(turn.listening, script.noise_dbfs):
        now += facts.seconds
        while due and due[0][0] <= now:
            _, _, answer, silence = heapq.heappop(due)
            if answer.text is None:
                endpointer.scored(answer.probability, silence)
            else:
                endpointer.partial(answer.text, silence)
        for event in endpointer.push(facts):
            decisions.append(_told(event))
            match event:
                case ScoreWanted():
                    heapq.heappush(due, _reply(now, scores + partials, _nth(turn.scores, scores), event.silence_since))
                    scores += 1
                case PauseBegan():
                    heapq.heappush(due, _reply(now, scores + partials, _nth(turn.partials, partials), event.at))
                    partials += 1
                case TurnEnded() | NobodySpoke():
                    return
                case _:
                    pass
    decisions += map(_told, endpointer.finish())


def _reply(now: float, number: int, answer: Answer, silence: float) -> tuple[float, int, Answer, float]:
    return now + answer.after_s, number, answer, silence


def _facts(stretches: Sequence[Stretch], noise_dbfs: float) -> Iterator[FrameFacts]:
    for each in stretches:
        facts = FrameFacts(
            level_dbfs=each.level_dbfs,
            noise_floor_dbfs=noise_dbfs,
            gate_open=each.probability >= 0.5,
            probability=each.probability,
        )
        for _ in range(each.frames):
            yield facts


def _near_end(stretches: Sequence[Stretch], noise_dbfs: float) -> Iterator[NearEnd]:
    for each in stretches:
        echo_dbfs = each.far_end_dbfs + _ECHO_LEFT_DB
        facts = NearEnd(
            probability=each.probability,
            cleaned_dbfs=max(each.level_dbfs, echo_dbfs),
            raw_dbfs=max(each.level_dbfs, each.far_end_dbfs - 10.0),
            far_end_dbfs=each.far_end_dbfs,
            noise_floor_dbfs=noise_dbfs,
        )
        for _ in range(each.frames):
            yield facts


def _nth(answers: Sequence[Answer], number: int) -> Answer:
    return answers[min(number, len(answers) - 1)]


def _told(event: object) -> Decision:
    slots = getattr(event, "__slots__", ())
    return f"{type(event).__name__} " + " ".join(f"{name}={_value(getattr(event, name))}" for name in slots)


def _value(value: object) -> str:
    return f"{value:.6f}" if isinstance(value, float) else str(value)


def _is_backchannel(text: str) -> bool:
    return text in _BACKCHANNELS


# -- people


_BACKCHANNELS = ("mhm", "right", "uh-huh")
_SENTENCES = (
    "I would like to go to Paris",
    "my number is five five five one two",
    "yes",
    "no",
    "the red one",
    "it fails when I start it",
    "open the file and read it to me",
    "because it was late",
    "three",
)
_UNFINISHED = ("I would like to go to", "my number is five five", "well and", "because", "the", "um")


@dataclass(frozen=True, slots=True)
class _Person:
    """How somebody talks; ranges in seconds."""

    phrases: tuple[int, int]
    phrase_s: tuple[float, float]
    pause_s: tuple[float, float]
    snr_db: float = 40.0
    noise_dbfs: float = _NOISE_DBFS
    coughs: float = 0.0
    """How likely a pause has one."""
    talks_over: float = 0.0
    """How likely something is said while the assistant speaks."""


PEOPLE = {
    "fluent": _Person((1, 2), (0.8, 1.6), (0.2, 0.4)),
    "hesitant": _Person((2, 4), (0.3, 0.9), (0.5, 1.3)),
    "fast": _Person((1, 1), (0.2, 0.8), (0.1, 0.2)),
    "noisy": _Person((1, 2), (0.5, 1.2), (0.3, 0.7), snr_db=9.0, noise_dbfs=-38.0, coughs=0.5),
    "interrupting": _Person((1, 2), (0.5, 1.5), (0.2, 0.6), talks_over=0.9),
    "absent": _Person((0, 0), (0.0, 0.0), (0.0, 0.0), coughs=0.3),
}


def conversation(seed: int) -> Conversation:
    """The same for the same number, on every machine and in every process."""
    chance = random.Random(seed)
    name = chance.choice(sorted(PEOPLE))
    person = PEOPLE[name]
    return Conversation(
        person=name,
        noise_dbfs=person.noise_dbfs,
        question=Question(chance.choice(list(Asked)), "en"),
        policy=TurnPolicy(factor=chance.choice(list(PATIENCE.values()))),
        turns=tuple(_turn(chance, person) for _ in range(chance.randint(1, 2))),
    )


def _turn(chance: random.Random, person: _Person) -> Turn:
    late = chance.uniform(0.02, 0.35)
    count = chance.randint(*person.phrases)
    rising = [chance.betavariate(0.6, 1.4) for _ in range(max(count - 1, 0))] + [chance.betavariate(2.5, 0.7)]
    unfinished = [chance.choice(_UNFINISHED) for _ in range(max(count - 1, 0))]
    words = [*unfinished, chance.choice(_SENTENCES)]
    over = chance.choice([*_BACKCHANNELS, "", "wait that is wrong", None])
    return Turn(
        playback=tuple(_assistant(chance, person)),
        listening=tuple(_answer(chance, person, count)),
        scores=tuple(Answer(late, probability) for probability in rising for _ in range(3)),
        partials=tuple(Answer(chance.uniform(0.1, 0.9), text=text) for text in words),
        snippets=(Answer(chance.uniform(0.1, 1.3), text=over),),
    )


def _answer(chance: random.Random, person: _Person, count: int) -> Iterator[Stretch]:
    yield from _silence(chance, person, chance.uniform(0.1, 1.0))
    for number in range(count):
        if number:
            yield from _silence(chance, person, chance.uniform(*person.pause_s))
        yield from _speech(chance, person, chance.uniform(*person.phrase_s), far_end_dbfs=-96.0)
    yield from _silence(chance, person, 5.6)  # longer than any patience


def _assistant(chance: random.Random, person: _Person) -> Iterator[Stretch]:
    loud = chance.uniform(-30.0, -15.0)
    yield Stretch(chance.randint(60, 160), person.noise_dbfs, 0.05, loud)
    if chance.random() < person.coughs:  # a chair, or echo that the canceller missed: worth a suspicion, no more
        yield Stretch(3, loud - 20.0, 0.6, loud)
        yield Stretch(40, person.noise_dbfs, 0.05, loud)
    if chance.random() < person.talks_over:
        yield from _speech(chance, person, chance.uniform(0.15, 1.6), far_end_dbfs=loud)
        yield Stretch(140, person.noise_dbfs, 0.05, loud)


def _speech(chance: random.Random, person: _Person, seconds: float, *, far_end_dbfs: float) -> Iterator[Stretch]:
    """Syllables of 80 to 200 ms, with the dips between them."""
    left = round(seconds * _FRAMES_PER_S)
    while left > 0:
        frames = min(chance.randint(8, 20), left)
        level = person.noise_dbfs + person.snr_db + chance.gauss(0.0, 4.0)
        yield Stretch(frames, level, chance.uniform(0.7, 1.0), far_end_dbfs)
        left -= frames
        if left > 0:
            yield Stretch(2, level - 12.0, chance.uniform(0.4, 0.8), far_end_dbfs)


def _silence(chance: random.Random, person: _Person, seconds: float) -> Iterator[Stretch]:
    frames = round(seconds * _FRAMES_PER_S)
    if frames > 30 and chance.random() < person.coughs:
        at = chance.randint(5, frames - 15)
        yield Stretch(at, person.noise_dbfs, 0.05)
        yield Stretch(8, person.noise_dbfs + 25.0, 0.6)
        frames -= at + 8
    yield Stretch(frames, person.noise_dbfs + chance.uniform(-2.0, 2.0), chance.uniform(0.0, 0.3))
