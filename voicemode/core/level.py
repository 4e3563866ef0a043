"""How loud sound is, and how loud the room is when nobody speaks."""

from __future__ import annotations

import math
from collections import deque

import numpy as np

from voicemode.audio import CAPTURE_RATE, FULL_SCALE, Samples

__all__ = ["LOWEST_DBFS", "Leveller", "NoiseFloor", "amplified", "is_clipped", "levels_dbfs", "peak_dbfs", "rms_dbfs"]

LOWEST_DBFS = -96.0
"""dBFS reported for digital silence: a little under one step of 16-bit PCM (-90.3 dBFS)."""

_LOWEST_FLOOR_DBFS = -75.0
"""No microphone in a room is quieter; digital silence between words must not make breath look loud."""
_SMOOTHING_FRAMES = 5
"""Levels of 10 ms scatter by several dB even in steady noise, and a minimum picks the lowest: average 50 ms first."""
_BIAS_DB = 1.0
"""How far the lowest 50 ms of 1.5 s lie under the mean of steady noise: 0.6 dB (white) to 1.8 dB (pink), measured."""
_MOST_GAIN_DB = 12.0
"""Enough that Silero, which hears worse below -35 dBFS, hears a quiet talker; it starts no false alarm on noise."""
_USUAL_SPEECH_DBFS = -20.0
"""What microphones deliver of a person in front of them; louder sound is left as it is."""
_RELEASE_DB_PER_S = 10.0
"""Slow enough that the gain does not follow syllables."""
_BIN_S = 0.25
_BINS = 6
"""6 bins of 0.25 s: people who talk without a break still pause within 1.5 s, at stops and between words."""


_CLIPPED_SHARE = 0.001
"""Sixteen samples in a second: a door that slams has fewer, a voice that is recorded 6 dB too loud some hundred."""
_KNEE = 0.5
"""Of full scale: speech at its usual -20 dBFS has peaks there."""


def rms_dbfs(samples: Samples) -> float:
    """Level in dBFS, 0 for a full-scale square wave, -96 for zeros and for nothing at all."""
    if len(samples) == 0:
        return LOWEST_DBFS
    wide = samples.astype(np.float64)
    return _dbfs(math.sqrt(float(np.dot(wide, wide)) / len(samples)))  # a third of what np.mean takes for 10 ms


def levels_dbfs(frames: Samples) -> list[float]:
    """The level of each row, as by ``rms_dbfs``, of (frames, samples)."""
    wide = frames.astype(np.float64)
    powers = np.einsum("ij,ij->i", wide, wide).tolist()
    return [_dbfs(math.sqrt(power / frames.shape[1])) for power in powers]


def amplified(samples: Samples, gain_db: float) -> Samples:
    """The samples, so many dB louder; peaks that would leave full scale are rounded off, from half of it on."""
    if gain_db == 0:
        return samples
    wanted = samples.astype(np.float32) * np.float32(10 ** (gain_db / 20) / FULL_SCALE)
    over = np.maximum(np.abs(wanted) - _KNEE, 0.0)
    # tanh has slope 1 at 0: below the knee nothing is bent, and above it the curve goes on without a corner.
    bent = np.where(over > 0, np.sign(wanted) * (_KNEE + (1 - _KNEE) * np.tanh(over / (1 - _KNEE))), wanted)
    louder: Samples = np.rint(bent * (FULL_SCALE - 1)).astype(np.int16)
    return louder


def is_clipped(samples: Samples) -> bool:
    """Does the sound reach full scale so often that its waveform is cut off?"""
    at_limit = int(np.count_nonzero(np.abs(samples.astype(np.int32)) >= FULL_SCALE - 1))
    return at_limit > _CLIPPED_SHARE * len(samples)


def peak_dbfs(samples: Samples) -> float:
    """The largest magnitude in dBFS, -96 for zeros and for nothing at all."""
    if len(samples) == 0:
        return LOWEST_DBFS
    return _dbfs(float(np.max(np.abs(samples.astype(np.int32)))))


def _dbfs(magnitude: float) -> float:
    if magnitude <= 0:
        return LOWEST_DBFS
    return max(20 * math.log10(magnitude / FULL_SCALE), LOWEST_DBFS)


class NoiseFloor:
    """The level of the room without speech, by minimum statistics: the lowest smoothed level of the last 1.5 s.

    It falls at once and rises within 2 s, so steady noise that begins in mid-call becomes the floor.
    """

    def __init__(self) -> None:
        self._recent: deque[float] = deque(maxlen=_SMOOTHING_FRAMES)
        """Power of the last frames, relative to full scale."""
        self._minima: deque[float] = deque([math.inf], maxlen=_BINS + 1)
        """Lowest smoothed power of each bin, the last one still filling."""
        self._bin_s = 0.0
        """Seconds in the bin that is filling."""
        self._lowest, self._dbfs = math.inf, _LOWEST_FLOOR_DBFS
        """The lowest power of all bins, and the floor that it makes."""

    @property
    def dbfs(self) -> float:
        """The floor in dBFS, never under -75; -75 before anything was heard."""
        return self._dbfs

    def push(self, level_dbfs: float, seconds: float) -> float:
        """Learn from a frame of about 10 ms; returns the new floor in dBFS.

        Zeros before the first sound are a device that starts, not a quiet room: nothing is learned from them.
        """
        if level_dbfs <= LOWEST_DBFS and not self._recent:
            return self.dbfs
        self._recent.append(10 ** (level_dbfs / 10))
        smoothed = sum(self._recent) / len(self._recent)
        self._minima[-1] = min(self._minima[-1], smoothed)
        self._bin_s += seconds
        if self._bin_s >= _BIN_S:
            self._bin_s = 0.0
            self._minima.append(math.inf)
        lowest = min(self._minima)
        if lowest != self._lowest:
            self._lowest = lowest
            heard = 0 < lowest < math.inf
            self._dbfs = max(10 * math.log10(lowest) + _BIAS_DB, _LOWEST_FLOOR_DBFS) if heard else _LOWEST_FLOOR_DBFS
        return self._dbfs


class Leveller:
    """Amplifies quiet sound for a speech detector, so that it judges quiet talkers as it does others.

    The gain falls at once when sound is loud and returns slowly; it is never under 0 dB.
    """

    def __init__(self) -> None:
        self._gain_db = _MOST_GAIN_DB

    def push(self, frame: Samples) -> Samples:
        """The frame, amplified by 0 to 12 dB; of the same length, clipped at full scale."""
        room_db = _USUAL_SPEECH_DBFS - rms_dbfs(frame)
        risen_db = min(self._gain_db + _RELEASE_DB_PER_S * len(frame) / CAPTURE_RATE, _MOST_GAIN_DB)
        self._gain_db = max(min(risen_db, room_db), 0.0)
        if self._gain_db == 0:
            return frame
        louder = np.rint(np.multiply(frame, np.float32(10 ** (self._gain_db / 20)), dtype=np.float32))
        clipped: Samples = np.maximum(np.minimum(louder, FULL_SCALE - 1), -FULL_SCALE).astype(np.int16)
        return clipped
