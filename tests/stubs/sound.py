"""What the stub speech server says: a tone with the rhythm and the harmonics of a voice, or espeak-ng."""

from __future__ import annotations

import io
import shutil
import subprocess
import wave
from functools import lru_cache
from typing import Any

import av
import numpy as np
import soxr

from tests.stubs.sentence_tones import sounds
from tests.stubs.spoken_words import spoken_words
from voicemode.audio import Samples

__all__ = ["RATE", "encode", "speech"]

RATE = 24_000
_CODECS = {"mp3": ("mp3", "libmp3lame"), "opus": ("ogg", "libopus"), "aac": ("adts", "aac"), "flac": ("flac", "flac")}


@lru_cache(maxsize=64)
def speech(text: str, voice: str, seconds_per_char: float) -> Samples:
    """24 kHz mono. The length depends on the text alone: at least 0.3 s, else ``seconds_per_char`` for each character."""
    if voice == "words":
        return spoken_words(text)[0]
    program = shutil.which("espeak-ng")
    if voice == "espeak" and program:
        spoken = subprocess.run([program, "--stdout", text], capture_output=True, check=True).stdout
        with wave.open(io.BytesIO(spoken)) as wav:
            samples = np.frombuffer(wav.readframes(wav.getnframes()), dtype="<i2").astype(np.int16)
            return np.asarray(soxr.resample(samples, wav.getframerate(), RATE), dtype=np.int16)
    seconds = max(0.3, seconds_per_char * len(text))
    if voice == "numbers":
        return sounds(text, RATE, seconds)
    time = np.arange(round(RATE * seconds)) / RATE
    edges = np.minimum(1, np.minimum(time, time[::-1]) / 0.005)
    if voice == "steady":
        return np.asarray(9000 * np.sin(2 * np.pi * 440 * time) * edges, dtype=np.int16)
    pitch = 110 + sum(map(ord, text)) % 60
    sound = sum(np.sin(2 * np.pi * pitch * n * time) / n for n in range(1, 12))
    syllables = 0.6 + 0.4 * np.cos(2 * np.pi * 4 * time)  # people speak about four syllables a second
    return np.asarray(6000 * sound * syllables * edges, dtype=np.int16)


def encode(samples: Samples, container: str, *, streamed: bool = True) -> bytes:
    """``streamed`` writes a WAV that does not know its length, as services do that send while they speak."""
    if container == "pcm":
        return samples.astype("<i2").tobytes()
    if container == "wav":
        return _wav(samples, streamed=streamed)
    av_format, codec = _CODECS[container]
    out = io.BytesIO()
    # Microseconds: pages of 20 ms, as services write that send while they speak.
    options = {"page_duration": "20000"} if container == "opus" else {}
    with av.open(out, "w", format=av_format, options=options) as box:
        stream: Any = box.add_stream(codec, rate=48_000 if container == "opus" else RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples.reshape(1, -1), format="s16", layout="mono")
        frame.sample_rate = RATE
        box.mux(stream.encode(frame))
        box.mux(stream.encode(None))
    return out.getvalue()


def _wav(samples: Samples, *, streamed: bool) -> bytes:
    out = io.BytesIO()
    with wave.open(out, "wb") as wav:
        wav.setnchannels(1)
        wav.setsampwidth(2)
        wav.setframerate(RATE)
        wav.writeframes(samples.astype("<i2").tobytes())
    data = bytearray(out.getvalue())
    if streamed:
        data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    return bytes(data)
