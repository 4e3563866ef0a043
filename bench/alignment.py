"""Where one sound lies in another, and what is missing of it. Pure: samples in, figures out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from voicemode.audio import CAPTURE_RATE, FULL_SCALE, AudioChunk, Samples

__all__ = ["Alignment", "Clipping", "Dropouts", "clipping", "dropouts", "lateness_ms", "locate", "louder"]

_WINDOW_S = 0.005
_PIECE_S = 0.3
"""Of the head and of the tail of an utterance; long enough to be found, short enough to lie on one side of a gap."""
_TONE_FLOOR_DBFS = -45.0
_MIN_TONE_WINDOWS = 20


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the reference begins."""

    offset_s: float
    """Seconds from the first sample of what was heard; negative when the reference began before it."""
    correlation: float
    """Of the part they share, 0 to 1."""


@dataclass(frozen=True, slots=True)
class Clipping:
    """What is missing of an utterance, in milliseconds."""

    head_ms: float
    tail_ms: float
    inner_ms: float
    """How much shorter (positive) or longer (negative) the inside is; 0 for utterances too short to tell."""
    correlation: float

    @property
    def lost_ms(self) -> float:
        """The worse end."""
        return max(self.head_ms, self.tail_ms)


@dataclass(frozen=True, slots=True)
class Dropouts:
    """Breaks in a steady tone."""

    count: int
    total_ms: float
    longest_ms: float
    tone_s: float
    """How long the tone was heard, breaks included."""


def locate(reference: AudioChunk, heard: AudioChunk) -> Alignment:
    """Find the reference by cross-correlation, also where its head or tail is missing."""
    a, b = _at_capture_rate(reference), _at_capture_rate(heard)
    if not len(a) or not len(b):
        return Alignment(0.0, 0.0)
    size = 1 << (len(a) + len(b) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(b, size) * np.conj(np.fft.rfft(a, size)), size)
    lags = np.concatenate([products[size - len(a) + 1 :], products[: len(b)]])
    lag = int(np.argmax(np.abs(lags))) - (len(a) - 1)
    first, last = max(0, lag), min(len(b), lag + len(a))
    shared_a, shared_b = a[first - lag : last - lag], b[first:last]
    energy = float(np.sqrt(np.sum(shared_a**2) * np.sum(shared_b**2)))
    match = abs(float(lags[lag + len(a) - 1])) / energy if energy else 0.0
    return Alignment(lag / CAPTURE_RATE, match)


def clipping(utterance: AudioChunk, upload: AudioChunk) -> Clipping:
    """What of the utterance did not reach the recognizer. Its first and last samples are speech."""
    whole = locate(utterance, upload)
    inner = 0.0
    piece = round(_PIECE_S * utterance.sample_rate)
    if len(utterance.samples) > 4 * piece:
        # A gap inside pulls head and tail apart; each is then where its own piece is found.
        head, tail = (
            locate(AudioChunk(part, utterance.sample_rate), upload).offset_s
            for part in (utterance.samples[piece : 2 * piece], utterance.samples[-2 * piece : -piece])
        )
        inner = utterance.seconds - 3 * _PIECE_S - (tail - head)
    return Clipping(
        head_ms=_milliseconds(max(0.0, -whole.offset_s)),
        tail_ms=_milliseconds(max(0.0, whole.offset_s + utterance.seconds - upload.seconds)),
        inner_ms=_milliseconds(inner),
        correlation=whole.correlation,
    )


def dropouts(heard: AudioChunk) -> Dropouts | None:
    """Windows of 5 ms under half of the tone's median level, between its first and last; None when no tone was heard."""
    levels = _levels(heard.samples, heard.sample_rate)
    loud = np.flatnonzero(levels > FULL_SCALE * 10 ** (_TONE_FLOOR_DBFS / 20))
    if len(loud) < _MIN_TONE_WINDOWS:
        return None
    # The outermost windows hold the tone's own ramps.
    body = levels[loud[0] + 3 : loud[-1] - 2]
    low = np.concatenate([[False], body < np.median(body) / 2, [False]]).astype(np.int8)
    edges = np.flatnonzero(np.diff(low))
    runs = (edges[1::2] - edges[::2]) * _WINDOW_S * 1000
    return Dropouts(len(runs), float(runs.sum()), float(runs.max(initial=0.0)), len(body) * _WINDOW_S)


def lateness_ms(sent_at: Sequence[float], every_s: float) -> float:
    """How late the latest piece left that was to leave ``every_s`` seconds after the one before it, from the first on."""
    return max((1000 * (at - sent_at[0] - index * every_s) for index, at in enumerate(sent_at)), default=0.0)


def louder(sound: AudioChunk, rms_dbfs: float) -> AudioChunk:
    """At this level (RMS over the whole); peaks are limited to full scale."""
    samples = sound.samples.astype(np.float64)
    samples *= FULL_SCALE * 10 ** (rms_dbfs / 20) / max(1e-9, float(np.sqrt(np.mean(samples**2))))
    limit = FULL_SCALE - 1
    return AudioChunk(np.clip(np.round(samples), -limit, limit).astype(np.int16), sound.sample_rate)


def _levels(samples: Samples, rate: int) -> npt.NDArray[np.float64]:
    step = round(_WINDOW_S * rate)
    whole = len(samples) // step * step
    windows = samples[:whole].reshape(-1, step).astype(np.float64)
    power: npt.NDArray[np.float64] = np.mean(windows**2, axis=1)
    return np.sqrt(power)


def _at_capture_rate(sound: AudioChunk) -> npt.NDArray[np.float64]:
    samples = sound.samples.astype(np.float64)
    if sound.sample_rate == CAPTURE_RATE or not len(samples):
        return samples
    return np.asarray(soxr.resample(samples, sound.sample_rate, CAPTURE_RATE), dtype=np.float64)


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
