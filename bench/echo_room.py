"""A simulated room: a loudspeaker that obeys, the way of its sound to the microphone, and a person who speaks over it.

The loop is closed: what ``duck`` and ``pause`` do to the loudspeaker is heard, later and reverberant, by the microphone.
Everything is seeded, so two runs hear the same sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from voicemode.audio import CAPTURE_RATE, FULL_SCALE, Samples

__all__ = [
    "BLOCK",
    "Device",
    "EchoPath",
    "Loudspeaker",
    "Room",
    "active_dbfs",
    "draw_path",
    "impulse_response",
    "pcm",
    "scaled",
]

Signal = npt.NDArray[np.float32]
"""Sound relative to full scale: 16 kHz mono, shape (n,)."""

BLOCK = CAPTURE_RATE // 100
"""10 ms."""
_BUFFERED = 10
"""Blocks that a device takes ahead of time."""
_ACTIVE_BELOW_LOUDEST_DB = 30.0
"""Frames within so much of the loudest one count as speech for its level; the pauses in between do not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoPath:
    """One room and one pair of devices."""

    seed: int
    rt60_s: float
    """Seconds in which the reverberation falls by 60 dB."""
    delay_s: float
    """From the far end, as the canceller gets it, to its first arrival in the microphone: device buffers and the air."""
    drift_ppm: float
    """By how much the microphone's clock is faster than the loudspeaker's."""
    gain_db: float
    """Level of the echo relative to what was played."""
    distortion: float
    """0 for a perfect loudspeaker; 0.3 adds 1 to 2 % of harmonics at full level."""
    noise_dbfs: float
    """The room without anybody."""


def draw_path(seed: int, *, gain_db: float | None = None) -> EchoPath:
    """A room by chance, within the ranges that the benchmark promises."""
    chance = np.random.default_rng(seed)
    return EchoPath(
        seed=seed,
        rt60_s=float(chance.uniform(0.2, 0.6)),
        delay_s=float(chance.uniform(0.02, 0.25)),
        drift_ppm=float(chance.uniform(-100, 100)),
        gain_db=float(chance.uniform(-30, -6)) if gain_db is None else gain_db,
        distortion=float(chance.uniform(0.0, 0.3)),
        noise_dbfs=float(chance.uniform(-75, -62)),
    )


def impulse_response(rt60_s: float, seed: int, *, direct_to_reverberant_db: float = 3.0) -> Signal:
    """A direct path, then noise that decays exponentially; its energy is 1."""
    chance = np.random.default_rng(seed)
    seconds = np.arange(round(rt60_s * 0.8 * CAPTURE_RATE)) / CAPTURE_RATE  # beyond it is under -48 dB
    tail = chance.standard_normal(len(seconds)) * 10 ** (-3 * seconds / rt60_s)
    tail[: CAPTURE_RATE // 500] = 0  # nothing comes back within 2 ms
    tail *= 10 ** (-direct_to_reverberant_db / 20) / np.sqrt(np.sum(tail**2))
    tail[0] = 1.0
    response: Signal = (tail / np.sqrt(np.sum(tail**2))).astype(np.float32)
    return response


def active_dbfs(sound: Signal) -> float:
    """The level of the frames of 10 ms that hold speech, in dBFS."""
    whole = sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK).astype(np.float64)
    powers = np.mean(whole**2, axis=1)
    active = powers[powers > powers.max() * 10 ** (-_ACTIVE_BELOW_LOUDEST_DB / 10)]
    return float(10 * np.log10(np.mean(active)))


def scaled(sound: Signal, dbfs: float) -> Signal:
    """The same sound with this active level."""
    return (sound * np.float32(10 ** ((dbfs - active_dbfs(sound)) / 20))).astype(np.float32)


def pcm(sound: Signal) -> Samples:
    """As a device takes it."""
    pcm: Samples = np.clip(np.rint(sound * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    return pcm


class Loudspeaker:
    """Plays one long message; gain changes are ramps of one block, so they do not click."""

    def __init__(self, message: Signal, *, duck_db: float = -12.0) -> None:
        self._message = message
        self._duck = np.float32(10 ** (duck_db / 20))
        self._position = 0
        self._gain = self._target = np.float32(1.0)
        self._paused = False

    @property
    def ended(self) -> bool:
        return self._position >= len(self._message)

    def duck(self) -> None:
        self._target = self._duck

    def unduck(self) -> None:
        self._target = np.float32(1.0)

    def pause(self) -> None:
        self._paused = True

    def resume(self) -> None:
        self._paused, self._gain, self._target = False, np.float32(0.0), np.float32(1.0)

    def next_block(self) -> Signal:
        """The next 10 ms that are given to the device."""
        if self._paused and self._gain == 0:
            return np.zeros(BLOCK, np.float32)
        block = np.zeros(BLOCK, np.float32)
        piece = self._message[self._position : self._position + BLOCK]
        block[: len(piece)] = piece
        self._position += BLOCK
        target = np.float32(0.0) if self._paused else self._target
        ramp = np.linspace(self._gain, target, BLOCK, dtype=np.float32)
        self._gain = target
        return block * ramp


class Device:
    """Between loudspeaker and air: takes sound ahead of time, and dates it. A far end as an ear reads it."""

    tears = 1
    """Begun once, as the far end of a device that was opened."""

    def __init__(self, began_s: float = 0.0, *, late: int = 0) -> None:
        """Opened at ``began_s`` of the microphone's clock; dates are so many samples ``late``."""
        self._buffer = [np.zeros(BLOCK, np.float32)] * _BUFFERED
        self._first = round(began_s * CAPTURE_RATE) - CAPTURE_RATE + late
        self._sound: Samples = np.zeros(CAPTURE_RATE + _BUFFERED * BLOCK, np.int16)

    def play(self, block: Signal) -> Signal:
        """Take the next 10 ms, and give those that are heard now."""
        self._buffer.append(block)
        self._sound = np.concatenate((self._sound, pcm(block)))
        return self._buffer.pop(0)

    def between(self, start: float, samples: int) -> Samples:
        """What is heard from that instant on, by the dates that it gives."""
        at = round(start * CAPTURE_RATE) - self._first
        return self._sound[at : at + samples]


class Room:
    """From the loudspeaker's blocks and the person's sound to the microphone's blocks."""

    def __init__(self, path: EchoPath, person: Signal) -> None:
        """``person`` is what arrives of the person at the microphone, from the first block on; silence follows it."""
        self._path = path
        self._person = person
        self._response = impulse_response(path.rt60_s, path.seed) * np.float32(10 ** (path.gain_db / 20))
        self._fft = 1 << int(np.ceil(np.log2(len(self._response) + BLOCK)))
        self._spectrum = np.fft.rfft(self._response, self._fft)
        self._tail = np.zeros(self._fft, np.float64)
        self._chance = np.random.default_rng(path.seed + 1)
        self._delay = round(path.delay_s * CAPTURE_RATE)
        self._history = np.zeros(self._delay + 8 * BLOCK, np.float64)
        """What has arrived so far and is not heard yet; 200 s of 100 ppm either way fit in."""
        self._blocks = 0

    def hear(self, played: Signal) -> Samples:
        """The microphone's next 10 ms, of which the loudspeaker played the beginning ``delay_s`` ago."""
        self._history = np.concatenate((self._history[BLOCK:], self._echo_of(played)))
        start = self._blocks * BLOCK
        self._blocks += 1
        offset = start * self._path.drift_ppm * 1e-6
        mixed = self._read(len(self._history) - BLOCK - self._delay - 2 + offset)
        voice = self._person[start : start + BLOCK]
        mixed[: len(voice)] += voice
        mixed += self._chance.standard_normal(BLOCK) * 10 ** (self._path.noise_dbfs / 20)
        heard: Samples = np.clip(np.rint(mixed * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
        return heard

    def _echo_of(self, played: Signal) -> npt.NDArray[np.float64]:
        bent = played.astype(np.float64)
        bent = bent - self._path.distortion * bent**3 + 0.3 * self._path.distortion * bent**2
        self._tail += np.fft.irfft(np.fft.rfft(bent, self._fft) * self._spectrum, self._fft)
        ready = self._tail[:BLOCK].copy()
        self._tail = np.concatenate((self._tail[BLOCK:], np.zeros(BLOCK)))
        return ready

    def _read(self, position: float) -> npt.NDArray[np.float64]:
        """10 ms from a position between samples, by the cubic through the four samples around each."""
        first = int(np.floor(position))
        part = position - first
        taps = (
            -part * (part - 1) * (part - 2) / 6,
            (part + 1) * (part - 1) * (part - 2) / 2,
            -(part + 1) * part * (part - 2) / 2,
            (part + 1) * part * (part - 1) / 6,
        )
        parts = (tap * self._history[first - 1 + at : first - 1 + at + BLOCK] for at, tap in enumerate(taps))
        between: npt.NDArray[np.float64] = np.sum(list(parts), axis=0)
        return between
