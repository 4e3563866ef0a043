"""The sound that says: the microphone listens now."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from voicemode.audio import FULL_SCALE, AudioChunk

__all__ = ["listening_chime", "notes"]

_RATE = 24_000
_NOTES_HZ = (660.0, 880.0)
"""A rising fourth: heard as a question in most music, and apart from the system sounds of desktops."""
_NOTE_S = 0.07
_RAMP_S = 0.01
"""Ramps of 10 ms keep each note free of clicks."""
_LEVEL_DBFS = -24.0
"""Softer than speech, which engines deliver at about -20 dBFS."""


def listening_chime() -> AudioChunk:
    """Two short notes, 24 kHz."""
    return notes(_NOTES_HZ, _LEVEL_DBFS)


def notes(pitches_hz: Sequence[float], level_dbfs: float) -> AudioChunk:
    """One short note after the other, 24 kHz, with peaks at ``level_dbfs`` and without clicks."""
    t = np.arange(round(_NOTE_S * _RATE)) / _RATE
    envelope = np.minimum(1.0, np.minimum(t, t[::-1]) / _RAMP_S)
    tones = np.concatenate([np.sin(2 * np.pi * hertz * t) * envelope for hertz in pitches_hz])
    return AudioChunk((tones * FULL_SCALE * 10 ** (level_dbfs / 20)).astype(np.int16), _RATE)
