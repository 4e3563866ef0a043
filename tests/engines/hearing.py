"""What a listener could say about a recording of the virtual sound card."""

from __future__ import annotations

import numpy as np

from scripts.sound_recorder import CARD_RATE, Recording
from voicemode.audio import Samples

_WINDOW = 480  # 10 ms
_LOUD = 1_000


def loud_part(recording: Recording) -> tuple[float, float]:
    """When the first and the last sample over 1,000 were in the air."""
    loud = np.flatnonzero(np.abs(recording.samples.astype(np.int32)) > _LOUD)
    if not len(loud):
        raise AssertionError("nothing was heard")
    return recording.started_at + loud[0] / CARD_RATE, recording.started_at + loud[-1] / CARD_RATE


def breaks(recording: Recording, hertz: float) -> list[float]:
    """Seconds into a steady tone at which its phase or level jumps: a gap, a lost or an extra sample (5 or more)."""
    loud = np.flatnonzero(np.abs(recording.samples.astype(np.int32)) > _LOUD)
    tone = recording.samples[loud[0] : loud[-1]].astype(np.float64)
    turned = tone * np.exp(-2j * np.pi * hertz * np.arange(len(tone)) / CARD_RATE)
    windows = len(turned) // _WINDOW
    phasor = turned[: windows * _WINDOW].reshape(windows, _WINDOW).mean(axis=1)[1:-1]
    turn = np.abs(np.angle(phasor[1:] / phasor[:-1]))
    level = np.abs(phasor) / np.median(np.abs(phasor))
    bad = (turn > 2 * np.pi * hertz * 5 / CARD_RATE) | (np.abs(level[1:] - 1) > 0.1)
    return [float(index + 2) * _WINDOW / CARD_RATE for index in np.flatnonzero(bad)]


def shift_of(part: Samples, whole: Samples) -> tuple[int, float]:
    """At which sample of ``whole`` the part fits best, and the correlation there, 0 to 1."""
    a, b = part.astype(np.float64), whole.astype(np.float64)
    size = 1 << (len(a) + len(b)).bit_length()
    fit = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)[: len(b) - len(a) + 1]
    at = int(np.argmax(fit))
    return at, float(np.corrcoef(a, b[at : at + len(a)])[0, 1])
