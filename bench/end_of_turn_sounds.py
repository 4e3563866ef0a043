"""Sounds for the benchmark of the end of a turn: clips with their words, spoken phrases, rooms and noises."""

from __future__ import annotations

import functools
import json
import math
import shutil
import subprocess
import tempfile
import wave
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import soxr

from voicemode.audio import CAPTURE_RATE

__all__ = ["Clip", "Floats", "Word", "babble", "noise", "phrase", "read_clips", "rms", "room_tone"]

Floats: TypeAlias = npt.NDArray[np.float32]
"""16 kHz mono, full scale 1."""
_ROOM_S = 0.2
_EDGE_S = 0.5
"""Room before and behind a clip, so that the aligner finds where its first and last word end."""
_BREATH_S = 0.12
"""What stays of the clip's own room beside a word."""
_LEVEL = 0.1
"""RMS of speech, -20 dBFS: a headset in a quiet room."""


@dataclass(frozen=True, slots=True)
class Word:
    """A word, and where it sounds, in seconds."""

    text: str
    begin: float
    end: float


@dataclass(frozen=True, slots=True, eq=False)
class Clip:
    """Somebody saying something, and the room they say it in."""

    name: str
    speaker: str
    sound: Floats
    words: tuple[Word, ...]

    def part(self, first: int, last: int) -> tuple[Floats, tuple[Word, ...]]:
        """The sound of the words ``first`` to ``last``, both included, and the words, timed from its beginning.

        Cut at the quietest instant near the words' edges.
        """
        before = self.words[first - 1].end if first else 0.0
        after = self.words[last + 1].begin if last + 1 < len(self.words) else math.inf
        begin = self._edge(max(self.words[first].begin - _BREATH_S, (self.words[first].begin + before) / 2))
        end = self._edge(min(self.words[last].end + _BREATH_S, (self.words[last].end + after) / 2))
        shift = begin / CAPTURE_RATE
        words = tuple(Word(word.text, word.begin - shift, word.end - shift) for word in self.words[first : last + 1])
        return self.sound[begin:end], words

    def _edge(self, seconds: float) -> int:
        frame, reach = CAPTURE_RATE // 100, 4
        middle = round(seconds * 100)
        frames = [n for n in range(middle - reach, middle + reach + 1) if 0 <= n * frame < len(self.sound) - frame]
        return min(frames, key=lambda n: rms(self.sound[n * frame : (n + 1) * frame])) * frame


def rms(sound: Floats) -> float:
    return float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)) + 1e-12))


def room_tone(sound: Floats, seconds: float) -> Floats:
    """The quietest part of a recording, again and again, each time joined to its own mirror image."""
    size = round(_ROOM_S * CAPTURE_RATE)
    starts = range(0, max(len(sound) - size, 1), size // 10)
    quietest = min(starts, key=lambda start: rms(sound[start : start + size]))
    tone = sound[quietest : quietest + size]
    return np.resize(np.concatenate((tone, tone[::-1])), round(seconds * CAPTURE_RATE))


def read_clips(folder: Path) -> list[Clip]:
    """Every clip of the folder, sorted by name; words come from its manifest.json, or else from the file's name."""
    manifest = folder / "manifest.json"
    entries: list[dict[str, Any]] = json.loads(manifest.read_text("utf-8")) if manifest.exists() else []
    if not entries:
        entries = [{"file": path.name, "transcript": path.stem.replace("_", " ")} for path in folder.glob("*.wav")]
    clips = []
    for entry in sorted(entries, key=lambda entry: str(entry["file"])):
        name = Path(entry["file"]).stem
        sound = _read(folder / entry["file"])
        clips.append(_clip(name, entry.get("speaker", name.split("_")[0]), sound, entry["transcript"]))
    return clips


def _read(path: Path) -> Floats:
    with wave.open(str(path)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float32) / 32_768
        sound: Floats = soxr.resample(samples, file.getframerate(), CAPTURE_RATE).astype(np.float32)
    return sound


def _clip(name: str, speaker: str, sound: Floats, text: str) -> Clip:
    edge = room_tone(sound, _EDGE_S)
    sound = np.concatenate((edge, sound, edge))
    words = _align(sound, text)
    spoken = np.concatenate([sound[round(w.begin * CAPTURE_RATE) : round(w.end * CAPTURE_RATE)] for w in words])
    return Clip(name, speaker, (sound * (_LEVEL / rms(spoken))).astype(np.float32), words)


@functools.cache
def _decoder() -> Any:
    import pocketsphinx

    return pocketsphinx.Decoder(lm=None, loglevel="FATAL")


def _align(sound: Floats, text: str) -> tuple[Word, ...]:
    """Where each word of an English text sounds, by forced alignment with the built-in recogniser's model: 10 ms frames."""
    decoder = _decoder()
    decoder.set_align_text(text)
    decoder.start_utt()
    decoder.process_raw((np.clip(sound, -1, 1) * 32_767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    found = [s for s in decoder.seg() if not s.word.startswith("<")]
    if len(found) != len(text.split()):
        raise ValueError(f"the aligner found {len(found)} words of '{text}'")
    return tuple(Word(s.word.split("(")[0], s.start_frame / 100, (s.end_frame + 1) / 100) for s in found)


def phrase(text: str, accent: str, variant: str, speed: int) -> Clip:
    """A phrase spoken by espeak-ng. Raises RuntimeError without it."""
    program = shutil.which("espeak-ng")
    if program is None:
        raise RuntimeError("espeak-ng is not installed")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phrase.wav"
        subprocess.run([program, "-v", accent + variant, "-s", str(speed), "-w", str(path), text], check=True, timeout=20)
        sound = _read(path)
    sound = sound + np.random.default_rng(5).standard_normal(len(sound)).astype(np.float32) * 1e-4
    return _clip(text, f"espeak-{accent}", sound, text)


def noise(kind: str, seconds: float, others: Sequence[Clip], seed: int) -> Floats:
    """White, pink or babble, RMS 1."""
    chance = np.random.default_rng(seed)
    count = round(seconds * CAPTURE_RATE)
    if kind == "babble":
        return babble(count, others, chance)
    white = chance.standard_normal(count)
    if kind == "pink":
        spectrum = np.fft.rfft(white)
        spectrum /= np.sqrt(np.maximum(np.arange(len(spectrum)), 50))  # flat below 50 bins: no rumble
        white = np.fft.irfft(spectrum, count)
    sound: Floats = (white / np.std(white)).astype(np.float32)
    return sound


def babble(count: int, others: Sequence[Clip], chance: np.random.Generator) -> Floats:
    """Six voices at once, each from a random place of a random clip."""
    total = np.zeros(count, dtype=np.float32)
    for _ in range(6):
        sound = others[int(chance.integers(len(others)))].sound
        total += np.resize(np.roll(sound, chance.integers(len(sound))), count)
    return (total / rms(total)).astype(np.float32)
