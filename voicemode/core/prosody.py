"""Has somebody finished, judged from the melody, the loudness and the pauses of what they said?

The cues and their directions are those that Gravano and Hirschberg found in conversations ("Turn-taking cues in task-oriented
dialogue", Computer Speech and Language 25, 2011): before people give the turn away, pitch falls or ends low in their range, and
the voice gets softer; before they go on, pitch stays level and the last vowel is drawn out. Who has paused will pause again.
Each cue is brought to between -1 (goes on) and 1 (has finished). Weights are round figures set by reasoning, not fitted.

Two cues of theirs are left out. Speaking rate told nothing in recordings, and the length of a turn so far told only that long
texts have more pauses. ``bench/turn_scorers.py`` measures what the rest is worth.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicemode.audio import CAPTURE_RATE, FULL_SCALE, Samples
from voicemode.core.pitch import HOP_S, pitch_track

__all__ = ["WEIGHTS", "ProsodyFacts", "cues", "prosody_score", "read_prosody", "speech_spans"]

Floats = npt.NDArray[np.float64]

_WINDOW_S = 8
_FRAME_S = 0.01
_FRAME = round(CAPTURE_RATE * _FRAME_S)
_FLOOR = 10**-7.5
"""-75 dBFS: no microphone in a room is quieter, and digital silence must not make breath look loud."""
_LEAST_RANGE_DB = 9.0
"""Between the loud and the quiet part; noise alone has 2 to 4."""
_MARGIN_LEAST_DB, _MARGIN_MOST_DB = 6.0, 15.0
"""Speech stands a third of the way from the quiet to the loud, within these, as in ``voicing``."""
_PAUSE_S = 0.2
"""A shorter silence may be a stop consonant."""
_FINAL_S = 0.3
"""A last syllable with its rhyme."""
_LEAST_SPREAD = 1.5
"""The narrowest range a voice is credited with, in semitones."""
_OCTAVE = 9.0
_LEAST_VOICED, _LEAST_TAIL = 6, 4
"""Frames of pitch, 20 ms each, for a range and for an end."""
_GLIDE = 2.5
"""Semitones in 20 ms: faster than voices move (about 1, Xu and Sun 2002), slower than an octave error."""
_APART = 7
"""Frames: vowels are 150 ms apart or more."""
_VOWEL_UNDER_DB = 20.0
"""A last vowel may be this much softer than the loudest."""
_VOWEL_DB = 6.0

WEIGHTS = {"low": 1.0, "falling": 0.5, "softer": 0.7, "drawn out": 0.7, "pauses": 0.5, "fragment": 0.3}
"""Natural logarithm of the odds that a cue at its strongest is worth. Pitch is the best cue in the literature, and the one that
microphones and rooms change least; loudness follows; what rests on a single pause or phrase counts least."""
_LOW_SPREADS = 1.5
"""A voice that ends one and a half spreads under its median is at the bottom of its range."""
_FALL = 4.0
"""Semitones in 0.3 s, a third of an octave: a clear fall."""
_LEVEL = 2.0
"""Semitones in 0.3 s that are heard as no movement at all."""
_DROP_USUAL_DB, _DROP_SCALE_DB = 3.0, 4.0
"""Last syllables are 3 dB softer than the rest whether more follows or not."""
_VOWEL_S = 0.3
"""A last vowel, which is longer than others, in any case; one of twice the length is "um", or "and" drawn out."""
_FRAGMENT_S = 0.6
"""A word or two after a pause: digits of a number, or a new start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProsodyFacts:
    """What the last 8 s sound like. A cue that cannot be read is None."""

    speech_s: float
    """Seconds of speech; 0 where there is none, and then nothing else counts."""
    phrase_s: float = 0.0
    """Seconds since the last pause, or since the beginning, to the last word."""
    silence_s: float = 0.0
    """Seconds since the last word."""
    longest_pause_s: float = 0.0
    """Of the pauses inside the turn; 0 without one."""
    final_pitch: float | None = None
    """Where the voice ends in its own range: 0 is its median, -1 one spread under it."""
    pitch_change: float | None = None
    """Semitones over the last 0.3 s of voice; negative falls."""
    final_drop_db: float = 0.0
    """How much softer the last 0.3 s are than the phrase; positive is softer."""
    drawn_out_s: float = 0.0
    """How long the last vowel keeps its level."""


def read_prosody(samples: Samples) -> ProsodyFacts:
    """Facts about the last 8 s of 16 kHz mono PCM: a turn so far and the silence behind it."""
    sound = samples[-_WINDOW_S * CAPTURE_RATE :]
    levels = _levels(sound)
    spans = _speech_spans(levels)
    if not spans:
        return ProsodyFacts(speech_s=0.0)
    (begin, end), pauses = spans[-1], [later[0] - earlier[1] for earlier, later in itertools.pairwise(spans)]
    phrase = levels[begin:end]
    final_pitch, change = _final_pitch(sound, spans)
    final = phrase[-round(_FINAL_S / _FRAME_S) :]
    return ProsodyFacts(
        speech_s=sum(stop - start for start, stop in spans) * _FRAME_S,
        phrase_s=(end - begin) * _FRAME_S,
        silence_s=(len(levels) - end) * _FRAME_S,
        longest_pause_s=max(pauses, default=0) * _FRAME_S,
        final_pitch=final_pitch,
        pitch_change=change,
        final_drop_db=float(_mean_db(phrase) - _mean_db(final)),
        drawn_out_s=_drawn_out(phrase),
    )


def speech_spans(samples: Samples) -> list[tuple[float, float]]:
    """Seconds from and to of each stretch of speech in 16 kHz mono PCM, told by level; the pauses are between them."""
    return [(begin * _FRAME_S, end * _FRAME_S) for begin, end in _speech_spans(_levels(samples))]


def _levels(sound: Samples) -> Floats:
    """dBFS of every 10 ms."""
    whole = len(sound) // _FRAME * _FRAME
    frames = sound[len(sound) - whole :].reshape(-1, _FRAME).astype(np.float32) / np.float32(FULL_SCALE)
    power = np.einsum("ij,ij->i", frames, frames) / _FRAME
    levels: Floats = 10 * np.log10(np.maximum(power.astype(np.float64), _FLOOR))
    return levels


def _speech_spans(levels: Floats) -> list[tuple[int, int]]:
    """Frames from and to of each stretch of speech; shorter silences than a pause belong to it, clicks are none."""
    if len(levels) < round(_PAUSE_S / _FRAME_S):
        return []
    smooth = _smooth(levels, 3)
    quiet, loud = np.percentile(smooth, (10, 95))
    if loud - quiet < _LEAST_RANGE_DB:
        return []
    above = np.flatnonzero(smooth > quiet + min(max((loud - quiet) / 3, _MARGIN_LEAST_DB), _MARGIN_MOST_DB))
    breaks = np.flatnonzero(np.diff(above) > round(_PAUSE_S / _FRAME_S))
    starts, stops = above[np.r_[0, breaks + 1]], above[np.r_[breaks, len(above) - 1]] + 1
    return [(int(start), int(stop)) for start, stop in zip(starts, stops, strict=True) if stop - start >= 6]


def _smooth(levels: Floats, frames: int) -> Floats:
    """The mean of ``frames`` neighbours, an odd number; beyond the ends the level goes on as it is there."""
    return np.convolve(np.pad(levels, frames // 2, mode="edge"), np.full(frames, 1 / frames), mode="valid")


def _mean_db(levels: Floats) -> float:
    return 10 * math.log10(float(np.mean(10 ** (levels / 10))))


def _final_pitch(sound: Samples, spans: list[tuple[int, int]]) -> tuple[float | None, float | None]:
    """Where the voice ends in its range, and how far it moved on the way there."""
    hertz = pitch_track(sound)
    time_s = (np.arange(len(hertz)) + 1) * HOP_S
    spoken = np.zeros(len(hertz), dtype=bool)
    for begin, end in spans:
        spoken |= (time_s >= begin * _FRAME_S) & (time_s <= end * _FRAME_S)
    voiced = spoken & _steady(hertz)
    if voiced.sum() < _LEAST_VOICED:
        return None, None
    semitones = 12 * np.log2(hertz[voiced])
    middle = float(np.median(semitones))
    when = time_s[voiced]
    sure = np.abs(semitones - middle) < _OCTAVE  # an octave is a mistake of the tracker more often than of the voice
    semitones, when = semitones[sure] - middle, when[sure]
    low, high = np.percentile(semitones, (16, 84))
    spread = max((high - low) / 2, _LEAST_SPREAD)
    end_s = spans[-1][1] * _FRAME_S
    last = when > end_s - 2 * _FINAL_S
    tail = semitones[last][-round(_FINAL_S / HOP_S) :]
    if len(tail) < _LEAST_TAIL:
        return None, None
    slope = float(np.polyfit(np.arange(len(tail)), tail, 1)[0])
    return float(np.median(tail[-_LEAST_TAIL:])) / spread, slope * _FINAL_S / HOP_S


def _steady(hertz: Floats) -> npt.NDArray[np.bool_]:
    """Frames whose pitch a neighbour shares: a voice glides, and what jumps is a mistake or a creak."""
    if len(hertz) < 2:
        return np.zeros(len(hertz), dtype=bool)
    near = np.abs(12 * np.diff(np.log2(hertz))) < _GLIDE  # False beside NaN
    shared: npt.NDArray[np.bool_] = np.r_[near, False] | np.r_[False, near]
    return shared


def _drawn_out(phrase: Floats) -> float:
    """Seconds around the peak of the last vowel in which the level stays near it."""
    smooth = _smooth(phrase, 5)
    around = np.lib.stride_tricks.sliding_window_view(np.pad(smooth, _APART, constant_values=-np.inf), 2 * _APART + 1)
    vowels = np.flatnonzero((smooth == around.max(axis=1)) & (smooth > smooth.max() - _VOWEL_UNDER_DB))
    at = int(vowels[-1])
    other = np.abs(phrase - smooth[at]) > _VOWEL_DB
    before, after = np.flatnonzero(other[:at]), np.flatnonzero(other[at:])
    begin = int(before[-1]) + 1 if len(before) else 0
    end = at + int(after[0]) if len(after) else len(phrase)
    return (end - begin) * _FRAME_S


def prosody_score(facts: ProsodyFacts) -> float:
    """How likely the person has finished, 0 to 1; 0.5 where there is no speech."""
    if facts.speech_s <= 0:
        return 0.5
    evidence = sum(WEIGHTS[cue] * value for cue, value in cues(facts).items())
    return 1 / (1 + math.exp(-evidence))


def cues(facts: ProsodyFacts) -> dict[str, float]:
    """What each cue says, from -1 (goes on) to 1 (has finished); 0 where it says nothing."""
    pitch, change = facts.final_pitch, facts.pitch_change
    level = change is not None and abs(change) < _LEVEL
    return {
        "low": 0.0 if pitch is None else _halved_below_0(-pitch / _LOW_SPREADS),
        "falling": 0.0 if change is None else _halved_below_0(-change / _FALL),
        "softer": _within((facts.final_drop_db - _DROP_USUAL_DB) / _DROP_SCALE_DB),
        "drawn out": min(0.0, _within((_VOWEL_S - facts.drawn_out_s) / _VOWEL_S)) if level else 0.0,
        "pauses": _within(math.log2(max(facts.silence_s, _FRAME_S) / facts.longest_pause_s))
        if facts.longest_pause_s > 0
        else 0.0,
        "fragment": min(0.0, _within((facts.phrase_s - _FRAGMENT_S) / _FRAGMENT_S)) if facts.longest_pause_s > 0 else 0.0,
    }


def _halved_below_0(value: float) -> float:
    """A voice that ends high or rises asks, or promises more; the sound alone does not tell which."""
    return _within(value) * (1.0 if value > 0 else 0.5)


def _within(value: float) -> float:
    return min(max(value, -1.0), 1.0)
