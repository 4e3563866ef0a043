"""Speech that can be told apart by ear: each number word in a text is a tone of its own between two marks.

A sentence that holds "three" sounds as: mark, the tone of three, another mark. So what was heard can be read back:
which sentences, in which order, and whether each was whole.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from voicemode.audio import FULL_SCALE, Samples

__all__ = ["NUMBERS", "Heard", "listen", "sentences", "sounds"]

NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

_BEGIN_HZ, _END_HZ, _FIRST_HZ, _STEP_HZ = 3000, 3600, 400, 200
_MARK_S = 0.06
_FRAME_S = 0.02
_SURE_FRAMES = 2
"""A tone of fewer frames is where two others meet."""
_QUIET_DBFS = -50.0
_GARBAGE = -1


@dataclass(frozen=True, slots=True)
class Heard:
    """One sentence, or a part of one, in order of sounding."""

    number: int
    """Which one; -1 for sound that is none of ours."""
    whole: bool
    """From its first mark to its last."""
    at_s: float
    """Where it begins, in seconds of the sound that was given."""
    seconds: float


@dataclass(frozen=True, slots=True)
class _Sound:
    hertz: int
    at_s: float
    until_s: float


def sentences(count: int) -> list[str]:
    """So many sentences, each with a tone of its own."""
    return [f"This is sentence {NUMBERS[n]}." for n in range(1, count + 1)]


def sounds(text: str, sample_rate: int, seconds: float) -> Samples:
    """The tones of a text's number words, sharing ``seconds``; a text without any is tone zero."""
    numbers = [NUMBERS.index(word) for word in re.findall(r"[a-z]+", text.lower()) if word in NUMBERS] or [0]
    each_s = max(seconds / len(numbers), 4 * _MARK_S)
    parts = []
    for number in numbers:
        body_hz = _FIRST_HZ + _STEP_HZ * number
        parts += [_tone(_BEGIN_HZ, _MARK_S, sample_rate), _tone(body_hz, each_s - 2 * _MARK_S, sample_rate)]
        parts += [_tone(_END_HZ, _MARK_S, sample_rate)]
    return np.concatenate(parts)


def listen(samples: Samples, sample_rate: int) -> list[Heard]:
    """What is to be heard in it."""
    heard: list[Heard] = []
    part: list[_Sound] = []
    for sound in _tones(samples, sample_rate):
        follows = bool(part) and sound.hertz != _BEGIN_HZ and (sound.hertz == _END_HZ or part[-1].hertz == _BEGIN_HZ)
        if part and not follows:
            heard.append(_heard(part))
            part = []
        part.append(sound)
        if sound.hertz == _END_HZ:
            heard.append(_heard(part))
            part = []
    return [*heard, _heard(part)] if part else heard


def _heard(part: Sequence[_Sound]) -> Heard:
    number = next((n for sound in part if (n := _number(sound.hertz)) is not None), _GARBAGE)
    complete = len(part) == 3 and part[0].hertz == _BEGIN_HZ and part[-1].hertz == _END_HZ
    return Heard(number, complete and number != _GARBAGE, part[0].at_s, part[-1].until_s - part[0].at_s)


def _number(hertz: int) -> int | None:
    found, rest = divmod(hertz - _FIRST_HZ, _STEP_HZ)
    return found if not rest and 0 <= found < len(NUMBERS) else None


def _tone(hertz: int, seconds: float, sample_rate: int) -> Samples:
    time_s = np.arange(round(seconds * sample_rate)) / sample_rate
    return np.rint(0.3 * FULL_SCALE * np.sin(2 * np.pi * hertz * time_s)).astype(np.int16)


def _tones(samples: Samples, sample_rate: int) -> list[_Sound]:
    """Each tone that lasts, to the nearest hundred hertz; silence is left out."""
    size = round(_FRAME_S * sample_rate) // 2 * 2
    hop = size // 2
    frames = [samples[at : at + size] for at in range(0, len(samples) - size + 1, hop)]
    found: list[_Sound] = []
    at = 0
    for hertz, run in groupby(_pitch(frame, sample_rate) for frame in frames):
        length = len(list(run))
        begins_s, ends_s = at * hop / sample_rate, (at + length + 1) * hop / sample_rate
        at += length
        if hertz is None or length < _SURE_FRAMES:
            continue
        if found and found[-1].hertz == hertz and begins_s - found[-1].until_s < _FRAME_S:
            found[-1] = replace(found[-1], until_s=ends_s)
        else:
            found.append(_Sound(hertz, begins_s, ends_s))
    return found


def _pitch(frame: Samples, sample_rate: int) -> int | None:
    wave = frame.astype(np.float64) / FULL_SCALE
    if not len(wave) or 20 * np.log10(np.sqrt(np.mean(wave**2)) + 1e-9) < _QUIET_DBFS:
        return None
    spectrum = np.abs(np.fft.rfft(wave * np.hanning(len(wave)), 4096))
    return round(float(np.argmax(spectrum)) * sample_rate / 4096 / 100) * 100
