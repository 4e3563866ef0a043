"""What the person says at the sound card: recorded people as they are, and sentences that halt where they cannot end."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import soxr

from bench.end_of_turn_sounds import Clip, Floats, Word, room_tone
from bench.person import utterance
from tests.stubs.spoken_words import sounding, trimmed
from voicemode.audio import CAPTURE_RATE, FULL_SCALE, AudioChunk, Samples

__all__ = ["Saying", "clip_sayings", "halting_sayings"]

_BESIDE_S = 0.15
"""How far beside the aligner's first and last word their sound may begin and end."""
_TRIM_DB = 30.0
"""As the stub that counts words takes it: softer than the loudest 10 ms by more is the room."""
_CANNOT_END = frozenset({"a", "an", "and", "for", "his", "in", "my", "of", "the", "to", "with"})
_SENTENCES = (("I would like to go to,", "Paris."), ("My number is five five,", "three."))
"""The comma lets a synthesizer's melody go on, as a person's does who is not done."""
_VOICES = {
    "espeak-ng": [["espeak-ng", "-v", voice, "--stdin", "-w"] for voice in ("en-us", "en-gb+f3", "en-us+m7")],
    "flite": [["flite", "-voice", voice, "-f", "/dev/stdin", "-o"] for voice in ("slt", "rms", "awb")],
}


@dataclass(frozen=True, slots=True, eq=False)
class Saying:
    """One turn of a person."""

    name: str
    sound: AudioChunk
    """As ``bench.person.utterance`` makes it: its first and last samples are speech."""
    words: tuple[tuple[float, str], ...]
    """Each with an instant at which it sounds, in seconds of the sound."""
    pause_s: float = 0.0
    """The pause that was put in; 0 for none."""
    halt_words: int = 0
    """How many words are before it."""

    @property
    def text(self) -> str:
        return " ".join(word for _, word in self.words)


def clip_sayings(clips: Sequence[Clip]) -> list[Saying]:
    """Recorded people, from the first sound of their first word to the last of their last."""
    return [_saying(clip.name, *_bare(clip.sound, clip.words)) for clip in clips]


def halting_sayings(clips: Sequence[Clip], pause_s: float) -> list[Saying]:
    """Synthetic voices that halt before "Paris" and "three", and each clip, halted behind the first word that cannot end."""
    spoken = (_synthetic(command, parts, pause_s) for command in _commands() for parts in _SENTENCES)
    return [*spoken, *(halted for clip in clips if (halted := _halted(clip, pause_s)) is not None)]


def _commands() -> Iterator[list[str]]:
    for program, commands in _VOICES.items():
        if shutil.which(program):
            yield from commands


def _halted(clip: Clip, pause_s: float) -> Saying | None:
    places = [n for n, word in enumerate(clip.words[:-1]) if n and word.text in _CANNOT_END]
    if not places:
        return None
    before, first = _bare(*clip.part(0, places[0]))
    after, second = _bare(*clip.part(places[0] + 1, len(clip.words) - 1))
    return _joined(clip.name, ((before, first), (after, second)), room_tone(clip.sound, pause_s), pause_s)


def _synthetic(command: list[str], parts: Sequence[str], pause_s: float) -> Saying:
    made = []
    for part in parts:
        sound = _spoken(command, part)
        words = part.strip(",.").lower().split()
        each_s = len(sound) / CAPTURE_RATE / len(words)
        made.append((sound, tuple(Word(word, n * each_s, (n + 1) * each_s) for n, word in enumerate(words))))
    silence = np.zeros(round(pause_s * CAPTURE_RATE), np.float32)
    return _joined(f"{command[0]} {command[2]}: {parts[-1]}", made, silence, pause_s)


def _joined(name: str, parts: Sequence[tuple[Floats, Sequence[Word]]], silence: Floats, pause_s: float) -> Saying:
    (before, first), (after, second) = parts
    shift = (len(before) + len(silence)) / CAPTURE_RATE
    words = [*first, *(Word(word.text, word.begin + shift, word.end + shift) for word in second)]
    return replace(_saying(name, np.concatenate([before, silence, after]), words), pause_s=pause_s, halt_words=len(first))


def _saying(name: str, sound: Floats, words: Sequence[Word]) -> Saying:
    spoken = utterance(AudioChunk(_pcm(sound), CAPTURE_RATE), 0.0, len(sound) / CAPTURE_RATE)
    return Saying(name, spoken, tuple(((word.begin + word.end) / 2, word.text) for word in words))


def _bare(sound: Floats, words: Sequence[Word]) -> tuple[Floats, tuple[Word, ...]]:
    """Without what is before the first and behind the last word."""
    first = max(round((words[0].begin - _BESIDE_S) * CAPTURE_RATE), 0)
    last = round((words[-1].end + _BESIDE_S) * CAPTURE_RATE)
    start, end = sounding(_pcm(sound[first:last]), CAPTURE_RATE, _TRIM_DB)
    shift = (first + start) / CAPTURE_RATE
    bare = tuple(Word(word.text, word.begin - shift, word.end - shift) for word in words)
    return sound[first + start : first + end], bare


def _spoken(command: list[str], text: str) -> Floats:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        subprocess.run([*command, str(path)], input=text, text=True, check=True, capture_output=True, timeout=30)
        with wave.open(str(path)) as file:
            samples = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
            resampled = soxr.resample(samples.astype(np.float32), file.getframerate(), CAPTURE_RATE)
    bare = trimmed(np.rint(resampled).astype(np.int16), CAPTURE_RATE, _TRIM_DB)
    return bare.astype(np.float32) / FULL_SCALE


def _pcm(sound: Floats) -> Samples:
    pcm: Samples = np.rint(np.clip(sound, -1, 1) * (FULL_SCALE - 1)).astype(np.int16)
    return pcm
