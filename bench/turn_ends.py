"""Ends of turns and pauses inside them, cut from recordings: what the judges of an end are measured on."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from voicemode.audio import CAPTURE_RATE, FULL_SCALE, Samples
from voicemode.core.level import rms_dbfs
from voicemode.core.prosody import speech_spans
from voicemode.engines.sound_file import open_sound

__all__ = ["End", "from_clips", "from_prompts", "synthetic"]

_LEAST_BEFORE_S = 0.3
"""Speech before a pause; less is no beginning of a turn."""
_SENTENCES = re.compile(r"[.!?]+(?=\s|$)")
_VOICES = {
    "espeak-ng": [["espeak-ng", "-v", voice, "--stdin", "-w"] for voice in ("en-us", "en-gb+f3", "en-us+m7")],
    "flite": [["flite", "-voice", voice, "-f", "/dev/stdin", "-o"] for voice in ("slt", "rms", "awb")],
}
_PHRASES = {
    True: (
        "I would like to go to Paris.",
        "My number is five five three.",
        "Open the last file and run the tests.",
        "Yes, that is fine.",
        "Please rename the function.",
        "Remove it, because nobody uses it.",
        "The build fails on my machine.",
        "Tell me what changed since Monday.",
    ),
    False: (
        "I would like to go to,",
        "My number is five five,",
        "Open the last file and,",
        "Yes, but if,",
        "Please rename the,",
        "Remove it, because,",
        "The build fails when,",
        "Tell me what changed since,",
    ),
}


@dataclass(frozen=True, slots=True, eq=False)
class End:
    """A turn so far, with the silence behind it."""

    source: str
    """Which of the collections below, with what kind of going on it is compared."""
    speaker: str
    name: str
    finished: bool
    """Whether the speaker has; False where the same person goes on after the silence."""
    sound: Samples
    """16 kHz mono PCM."""


def from_clips(folder: Path, silence_s: float) -> Iterator[End]:
    """Of each recording its end, and each pause inside it. Whose name begins alike up to a digit is one speaker."""
    for path in sorted(folder.glob("*.wav")):
        speaker = re.split(r"_*\d", path.stem)[0]
        for finished, sound in _cut(_read(path), silence_s):
            yield End("clips: pauses inside", speaker, path.stem, finished, sound)


def from_prompts(folder: Path, silence_s: float) -> Iterator[End]:
    """Spoken prompts of one speaker, with ``prompts.txt``: lines of "name: text" (any format of sound that PyAV reads).

    A text that ends in dots was spoken to be continued; one that ends in a full stop was not. Pauses inside count where the
    text is one sentence.
    """
    files = {path.stem: path for path in folder.iterdir() if path.suffix != ".txt"}
    for line in (folder / "prompts.txt").read_text("utf-8", errors="replace").splitlines():
        name, _, text = (part.strip() for part in line.replace("…", "...").partition(":"))
        if name not in files or text.startswith(("...", "[", "(", ";")):
            continue
        dots = text.endswith("...")
        for finished, sound in _cut(_read(files[name]), silence_s):
            if finished and (dots or text.endswith((".", "!", "?"))):
                for kind in ("unfinished ones",) if dots else ("unfinished ones", "pauses inside"):
                    yield End(f"prompts: {kind}", folder.name, name, not dots, sound)
            elif not finished and len(_SENTENCES.findall(text.removesuffix("..."))) <= 1:
                yield End("prompts: pauses inside", folder.name, name, False, sound)


def synthetic(silence_s: float) -> Iterator[End]:
    """Phrases and beginnings of phrases by espeak-ng and flite, where they are installed."""
    for program, commands in _VOICES.items():
        for command in commands if shutil.which(program) else []:
            for finished, texts in _PHRASES.items():
                for text in texts:
                    sound = _spoken(command, text)
                    spans = speech_spans(sound)
                    if spans:
                        yield End(f"{program}: beginnings", command[2], text, finished, _until(sound, spans[-1][1], silence_s))


def _spoken(command: list[str], text: str) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "spoken.wav"
        subprocess.run([*command, str(path)], input=text, text=True, check=True, capture_output=True, timeout=30)
        return _read(path)


def _cut(sound: Samples, silence_s: float) -> Iterator[tuple[bool, Samples]]:
    """Whether it is the end, and the sound up to there with ``silence_s`` of what follows."""
    spans = speech_spans(sound)
    for (_, end_s), (next_s, _) in itertools.pairwise(spans):
        if next_s - end_s >= silence_s and end_s - spans[0][0] >= _LEAST_BEFORE_S:
            yield False, _until(sound, end_s, silence_s)
    if spans:
        yield True, _until(sound, spans[-1][1], silence_s)


def _until(sound: Samples, end_s: float, silence_s: float) -> Samples:
    """Up to ``silence_s`` after ``end_s``; what the recording lacks is noise as loud as its quietest tenth of a second."""
    lacking = round((end_s + silence_s) * CAPTURE_RATE) - len(sound)
    if lacking <= 0:
        return sound[:lacking] if lacking else sound
    step = CAPTURE_RATE // 10
    quiet = min((rms_dbfs(sound[at : at + step]) for at in range(0, len(sound) - step, step)), default=-60.0)
    scale = FULL_SCALE * 10 ** (max(quiet, -75.0) / 20)
    room: Samples = np.rint(np.random.default_rng(1).normal(0, scale, lacking)).astype(np.int16)
    return np.concatenate([sound, room])


def _read(path: Path) -> Samples:
    with open_sound(path) as file:
        return np.concatenate([np.zeros(0, np.int16), *file.blocks()])
