"""Scenes for the benchmark of the end of a turn: one turn each, with pauses whose truth is known.

Pauses are the speakers' own, or put in between two words. Those are as long as pauses of people are: their lengths follow the
share of turns that a plain silence rule cuts off in LiveKit's eot-bench (English, real turns): 56 % at 0.3 s, 22 % at 0.6 s,
10 % at 1.0 s, 5 % at 1.6 s.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bench.end_of_turn_sounds import Clip, Floats, Word, noise, phrase, rms, room_tone
from voicemode.audio import CAPTURE_RATE
from voicemode.core.questions import Question, question_in

__all__ = ["SNRS", "Pause", "Scene", "make_scenes"]

SNRS: tuple[float | None, ...] = (None, 20.0, 10.0, 5.0)
"""Decibels of speech over noise; None is a quiet room."""
NOISES = ("white", "pink", "babble")
ENGLISH = Question(language="en")
"""What is known of a clip's context: the agent speaks English."""
_QUIET = 3e-4
"""RMS of the quiet room, -70 dBFS."""
_LEAST_PAUSE_S = 0.25
"""Silence between two words that counts as a pause; stops and slow articulation are shorter."""
_LEAD_S, _TAIL_S = 0.6, 3.6
"""Room before and behind the turn; behind it long enough for the slowest rule, 3 s."""
_CUT_OFF = ((0.3, 0.556), (0.6, 0.217), (1.0, 0.10), (1.6, 0.05))
_INSERTED_S = (0.4, 1.6)


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause inside the turn, in seconds."""

    begin: float
    end: float
    inserted: bool


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One turn."""

    name: str
    speaker: str
    kind: str
    """"natural", "inserted", "joined", "spoken" (by espeak-ng) or "hesitation" (0.7 or 1.2 s where it cannot end)."""
    sound: Floats
    words: tuple[Word, ...]
    pauses: tuple[Pause, ...]
    question: Question = ENGLISH
    ends: bool = True
    """Is the end a true end? An excerpt's is not; its pauses count."""

    @property
    def end(self) -> float:
        """Where the last word ends."""
        return self.words[-1].end

    def text(self, until: float) -> str:
        """The words said by then."""
        return " ".join(word.text for word in self.words if word.begin + word.end < 2 * until + 0.1)

    def noisy(self, snr_db: float | None, others: Sequence[Clip], number: int) -> Floats:
        """In a room; the kind of noise goes by the scene's number."""
        seconds = len(self.sound) / CAPTURE_RATE
        kind = NOISES[number % len(NOISES)]
        if snr_db is None:
            return self.sound + _QUIET * noise("white", seconds, (), seed=number)
        spoken = np.concatenate([self.sound[round(w.begin * CAPTURE_RATE) : round(w.end * CAPTURE_RATE)] for w in self.words])
        strangers = [clip for clip in others if clip.speaker != self.speaker]
        loudness = rms(spoken) * 10 ** (-snr_db / 20)
        return (self.sound + loudness * noise(kind, seconds, strangers, seed=number)).astype(np.float32)


def pause_lengths(count: int) -> list[float]:
    """``count`` lengths at even shares of the distribution of people's pauses, shuffled, always the same."""
    seconds, left = zip(*_CUT_OFF, strict=True)
    most, least = np.interp(_INSERTED_S, seconds, np.log(left))
    shares = np.exp(least) + (np.exp(most) - np.exp(least)) * (np.arange(count) + 0.5) / count
    lengths = np.interp(np.log(shares)[::-1], np.log(left)[::-1], seconds[::-1])
    return [float(length) for length in np.random.default_rng(11).permutation(lengths)]


Piece = tuple[Clip, int, int]
"""A clip's words from the one to the other, both included."""


def _assemble(pieces: Sequence[Piece], silences: Sequence[float]) -> tuple[Floats, tuple[Word, ...], tuple[Pause, ...]]:
    """Pieces with silence between them; a pause counts from the end of one word to the beginning of the next."""
    clip = pieces[0][0]
    parts = [room_tone(clip.sound, _LEAD_S)]
    words: list[Word] = []
    joints: set[int] = set()
    for number, (clip, first, last) in enumerate(pieces):
        at = sum(map(len, parts)) / CAPTURE_RATE
        sound, spoken = clip.part(first, last)
        words += [Word(word.text, word.begin + at, word.end + at) for word in spoken]
        parts += [sound, room_tone(clip.sound, silences[number] if number < len(silences) else _TAIL_S)]
        joints.add(len(words) - 1)
    gaps = [
        Pause(before.end, after.begin, index in joints)
        for index, (before, after) in enumerate(itertools.pairwise(words))
        if after.begin - before.end >= _LEAST_PAUSE_S
    ]
    return np.concatenate(parts), tuple(words), tuple(gaps)


def _natural(clips: Iterable[Clip]) -> Iterator[Scene]:
    for clip in clips:
        sound, words, pauses = _assemble([(clip, 0, len(clip.words) - 1)], [])
        yield Scene(clip.name, clip.speaker, "natural", sound, words, pauses)


def _phrases(clip: Clip) -> list[tuple[int, int]]:
    """First and last words between the speaker's own pauses."""
    starts = [0, *(n for n in range(1, len(clip.words)) if clip.words[n].begin - clip.words[n - 1].end >= _LEAST_PAUSE_S)]
    return [(first, after - 1) for first, after in zip(starts, [*starts[1:], len(clip.words)], strict=True)]


def _inserted(clips: Iterable[Clip]) -> Iterator[Scene]:
    """Each phrase stopped between two of its words, long phrases at two or three places, one at a time."""
    places = []
    for clip in clips:
        for first, last in _phrases(clip):
            boundaries = range(first + 1, last)  # behind the second word at the earliest, before the last at the latest
            wanted = min(3, len(boundaries) // 4 + 1) if boundaries else 0
            chosen = {boundaries[(2 * n + 1) * len(boundaries) // (2 * wanted)] for n in range(wanted)}
            places += [(clip, first, at, last) for at in sorted(chosen)]
    for (clip, first, at, last), length in zip(places, pause_lengths(len(places)), strict=True):
        sound, words, pauses = _assemble([(clip, first, at), (clip, at + 1, last)], [length])
        name = f"{clip.name} {first}-{at}|{last}"
        yield Scene(name, clip.speaker, "inserted", sound, words, pauses, ends=last == len(clip.words) - 1)


def _joined(clips: Sequence[Clip]) -> Iterator[Scene]:
    """Two whole sentences of one speaker in one turn: what no words and hardly a melody can tell from two turns."""
    pairs = [(a, b) for a, b in itertools.pairwise(clips) if a.speaker == b.speaker and len(a.words) > 1]
    for (a, b), length in zip(pairs, pause_lengths(len(pairs)), strict=True):
        sound, words, pauses = _assemble([(a, 0, len(a.words) - 1), (b, 0, len(b.words) - 1)], [length])
        yield Scene(f"{a.name}+{b.name}", a.speaker, "joined", sound, words, pauses)


_VOICES = ((("en-gb", "+f3", 175), ("en-gb", "-x-rp+f2", 160)), (("en-us", "", 165), ("en-us", "+m3", 150)))
"""Accent, variant, words a minute. The accents say different sentences, so that halves by speaker share no words."""
_SPOKEN = (
    ("Where would you like to go?", "i would like to go to | paris"),
    ("What is your telephone number?", "my number is five five | three"),
    ("What should I do?", "please open the | settings page and | turn on the dark mode"),
    ("Shall I deploy it?", "yes please"),
    ("Tea or coffee?", "coffee"),
    ("How many do you need?", "i think about | twenty five"),
    ("Anything else?", "can you remind me | to call my mother tomorrow morning"),
    ("Which one?", "the second | one"),
    ("When does it start?", "the meeting starts | at nine"),
    ("What happened?", "i tried to open the file but | it said that i have no permission"),
    ("Should we wait?", "no i think we should | go ahead"),
    ("What do you think?", "well it is a good idea because | it saves us a lot of time"),
    ("Who is coming?", "my brother and | his wife"),
    ("What is the problem?", "when i press the button | nothing happens"),
    ("Do you want to hear more?", "no thank you that is all"),
    ("What is the name of the file?", "it is called | summer"),
)
_HESITATIONS = (
    ("Where would you like to go?", "i would like to go to | paris"),
    ("What is your number?", "my number is five five | three"),
    ("What would you like?", "i would like to have a | coffee with milk"),
    ("Why?", "i cannot come because | i am ill"),
    ("Who is coming?", "my brother and | his wife"),
    ("What is the matter?", "the problem is | the battery is empty"),
)
HESITATIONS_S = (0.7, 1.2)


def _spoken() -> Iterator[Scene]:
    """Each sentence by both voices of an accent; pauses where the bar stands."""
    said = [(asked, text, voice) for n, (asked, text) in enumerate(_SPOKEN) for voice in _VOICES[n % 2]]
    lengths = iter(pause_lengths(sum(text.count("|") for _, text, _ in said)))
    for asked, text, voice in said:
        yield _say(asked, text, voice, [next(lengths) for _ in range(text.count("|"))], "spoken")


def _hesitations() -> Iterator[Scene]:
    for n, (asked, text) in enumerate(_HESITATIONS):
        for length in HESITATIONS_S:
            yield _say(asked, text, _VOICES[n % 2][0], [length], "hesitation")


def _say(asked: str, text: str, voice: tuple[str, str, int], silences: list[float], kind: str) -> Scene:
    parts = [part.split() for part in text.split("|")]
    accent, variant, speed = voice
    clip = phrase(" ".join(word for part in parts for word in part), accent, variant, speed)
    pieces, first = [], 0
    for part in parts:
        pieces.append((clip, first, first + len(part) - 1))
        first += len(part)
    sound, words, pauses = _assemble(pieces, silences)
    return Scene(
        f"{text} ({accent}{variant}, {kind} {silences[:1]})",
        clip.speaker,
        kind,
        sound,
        words,
        pauses,
        question_in(asked, language="en"),
    )


def make_scenes(clips: Sequence[Clip]) -> list[Scene]:
    """All scenes, always the same ones for the same clips."""
    return [*_natural(clips), *_inserted(clips), *_joined(clips), *_spoken(), *_hesitations()]
