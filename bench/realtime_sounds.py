"""What the people of the realtime measurements say: human clips whose last audible sample is known."""

from __future__ import annotations

import base64
import json
import random
import wave
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from tests.stubs.spoken_words import sounding
from voicemode.audio import Samples

__all__ = ["CHUNK_S", "WIRE_RATE", "Saying", "appends", "clips", "room", "saying"]

WIRE_RATE = 24_000
"""Hertz of PCM in the protocol."""
CHUNK_S = 0.02
"""Of one append, as long as a packet of Opus: what a client waits for a chunk to fill is latency too."""

_CLIPS = Path(__file__).parents[1] / "tests" / "clips"
_BELOW_DB = 10.0
"""Speech ends softly, and where is a matter of opinion: the clips are cut at the end of their last loud sound."""
_FADE_S = 0.003
_ROOM_RMS = 10.0
"""About -70 dBFS: a quiet room, and not digital silence."""
_ROOM_S = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class Saying:
    """An utterance at 24 kHz, with room before it and none behind it."""

    samples: Samples
    begin_s: float
    """Its first audible sample; what is before is room."""

    @property
    def end_s(self) -> float:
        """Its last audible sample."""
        return len(self.samples) / WIRE_RATE


@lru_cache(maxsize=1)
def clips() -> tuple[Samples, ...]:
    """All of them at 24 kHz, from the first audible sample to the last one."""
    return tuple(_clip(path) for path in sorted(_CLIPS.glob("*.wav")))


def _clip(path: Path) -> Samples:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        at_rate: npt.NDArray[np.float32] = np.asarray(soxr.resample(samples.astype(np.float32), file.getframerate(), WIRE_RATE))
    first, last = sounding(at_rate.astype(np.int16), WIRE_RATE, _BELOW_DB)
    sound = at_rate[first:last]
    fade = round(_FADE_S * WIRE_RATE)
    sound[:fade] *= np.linspace(0, 1, fade)
    sound[-fade:] *= np.linspace(1, 0, fade)
    clip: Samples = np.clip(sound, -32_768, 32_767).astype(np.int16)
    return clip


@lru_cache(maxsize=1)
def _noise() -> Samples:
    noise: Samples = np.random.default_rng(1).normal(0, _ROOM_RMS, round(_ROOM_S * WIRE_RATE)).astype(np.int16)
    return noise


def room(seconds: float) -> Samples:
    """Nobody speaks."""
    noise: Samples = np.resize(_noise(), round(seconds * WIRE_RATE))
    return noise


def saying(chance: random.Random, lead_s: tuple[float, float] = (0.2, 0.5)) -> Saying:
    """A clip by chance, behind a silence of chance: so its end falls anywhere in a chunk."""
    clip, lead = chance.choice(clips()), room(chance.uniform(*lead_s))
    return Saying(np.concatenate((lead, clip)), len(lead) / WIRE_RATE)


def appends(samples: Samples, chunk_s: float = CHUNK_S) -> list[str]:
    """The events that carry it; the last chunk is filled up with room."""
    size = round(chunk_s * WIRE_RATE)
    missing = -len(samples) % size
    whole = np.concatenate((samples, room(missing / WIRE_RATE))) if missing else samples
    return [_append(whole[at : at + size]) for at in range(0, len(whole), size)]


def _append(samples: Samples) -> str:
    sound = base64.b64encode(samples.astype("<i2").tobytes()).decode()
    return json.dumps({"type": "input_audio_buffer.append", "audio": sound})
