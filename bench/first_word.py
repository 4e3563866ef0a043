"""Is the person's first word in the sound that would be transcribed? Told from the sound, which the simulation knows apart.

A moment of 10 ms is there when what differs from the person's own sound has at most half of its power. Where they came through
11 dB softer, or with an echo as loud as they are, it is not. A time stamp alone cannot tell: a canceller may have taken the
word out of the stretch that it names.
"""

from __future__ import annotations

import numpy as np

from bench.echo_room import BLOCK, Signal
from voicemode.audio import CAPTURE_RATE, FULL_SCALE, Samples

__all__ = ["WORD_KEPT", "first_word_share"]

_WORD_S = 0.4
"""A word, at the 2.5 to 3.3 in a second that people say."""
_BELOW_LOUDEST_DB = 20.0
"""Of the moments in it, those that carry the word; softer ones are the same in many words."""
_OVER_NOISE_DB = 6.0
"""What the room itself covers cannot get lost."""
_ERROR = 0.5
_MOST_LATE = BLOCK
"""Samples by which the sound may come late: a canceller's own latency. AEC3 takes 128."""
WORD_KEPT = 0.5
"""The share of its loud moments with which a word counts as kept."""


def first_word_share(person: Signal, utterance: Samples, begins: int, *, noise_dbfs: float) -> float:
    """How much of the first 0.4 s of ``person`` is in ``utterance``, 0 to 1: the share of its loud moments.

    ``person`` is what arrives at the microphone, from the first word on; it belongs to ``utterance`` from the sample
    ``begins`` on, which is below 0 where the utterance begins too late.
    """
    word = person[: round(_WORD_S * CAPTURE_RATE) // BLOCK * BLOCK]
    moments = word[: len(word) // BLOCK * BLOCK].reshape(-1, BLOCK).astype(np.float64)
    power = np.mean(moments**2, axis=1)
    least = max(power.max() * 10 ** (-_BELOW_LOUDEST_DB / 10), 10 ** ((noise_dbfs + _OVER_NOISE_DB) / 10))
    loud = np.flatnonzero(power >= min(least, power.max()))
    heard = utterance.astype(np.float64) / FULL_SCALE
    return sum(_is_there(moments[at], heard, begins + int(at) * BLOCK) for at in loud) / len(loud)


def _is_there(
    moment: np.ndarray[tuple[int], np.dtype[np.float64]], heard: np.ndarray[tuple[int], np.dtype[np.float64]], at: int
) -> bool:
    if at < 0 or at + BLOCK > len(heard):
        return False
    shifted = np.lib.stride_tricks.sliding_window_view(heard[at : at + BLOCK + _MOST_LATE], BLOCK)
    return bool(np.min(np.sum((shifted - moment) ** 2, axis=1)) <= _ERROR * np.sum(moment**2))
