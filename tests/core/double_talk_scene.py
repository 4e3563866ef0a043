"""Somebody who speaks while the loudspeaker does, for the linear filter beside a canceller that leaves nothing."""

from __future__ import annotations

import numpy as np

from tests.core.rooms import as_pcm, echo_of, noise, room, voice
from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.double_talk import DoubleTalk
from voicemode.core.linear_echo import Floats

__all__ = ["SPOKEN_S", "scene", "silence_where_cancelled", "somebody", "spoken"]

SPOKEN_S = 4.0
"""When somebody begins to speak, if anybody does: two seconds after the filter is worth something."""


def scene(
    seed: int, *, person: Floats | None = None, gain: float = 0.3, answer: Floats | None = None
) -> tuple[Samples, Samples]:
    """Microphone and far end of 6 s."""
    far = voice(6.0, seed)
    near = echo_of(far, room(seed, gain) if answer is None else answer) + noise(6.0, seed, 3e-4)
    if person is not None:
        near[round(SPOKEN_S * CAPTURE_RATE) :] += person
    return as_pcm(near), as_pcm(far)


def somebody(seed: int, level: float) -> Floats:
    return voice(6.0 - SPOKEN_S, seed + 1, level)


def silence_where_cancelled(
    near: Samples, far: Samples, *, known: bool = True, double_talk: DoubleTalk | None = None
) -> Samples:
    """A canceller that leaves nothing shows what comes by the other way."""
    double_talk = DoubleTalk() if double_talk is None else double_talk
    return double_talk.process(near, far, np.zeros_like(near), delay=0, known=known)


def spoken(sound: Samples) -> Samples:
    return sound[round(SPOKEN_S * CAPTURE_RATE) :]
