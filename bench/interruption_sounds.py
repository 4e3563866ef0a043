"""What is played and said in the interruption benchmark: messages of espeak-ng, human clips, backchannels and coughs."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

from bench.echo_room import BLOCK, Signal, scaled
from voicemode.audio import CAPTURE_RATE, FULL_SCALE
from voicemode.engines.builtin_tts import BuiltinSynthesizer
from voicemode.interfaces import SpeechDetector, SpeechRequest
from voicemode.wire.wav import decode_wav

__all__ = ["Clip", "backchannels", "clips", "cough", "keystrokes", "messages"]

_ONSET_DB = 25.0
"""A frame of 10 ms sounds when it is within so much of the loudest one."""
_LEAD_S = 0.064
"""A detector's first frame of speech may hold the end of a word's first sound only: two frames of Silero."""
_LONGEST_S = 6.0
_PAUSE_S = 0.2
_LISTENING_DBFS = -20.0
_TYPING_S = 4.0
_LEAST_S = 0.9
"""Three words at 3.3 words a second."""
_TEXT = (
    "The northern valley had been settled for more than four hundred years before the first road was cut through the hills. "
    "Farmers carried their goods on foot, and in winter nobody came or went. When the railway arrived, everything changed "
    "within a decade: two mills were built, a school was opened, and the market moved to the station square. People still "
    "tell how the mayor, who had opposed the line, was the first to buy a ticket. Today the mills are gone, yet the square is "
    "as busy as ever, and every spring a small fair is held there. If you plan to visit, take the early train, because the "
    "later ones are crowded. The walk from the station to the old bridge takes about twenty minutes, and there is a bakery "
    "half way. Ask for the rye bread, which is still made to the recipe of eighteen ninety. In the afternoon the light is best "
    "from the western bank, where the path climbs past three farms and a chapel. I found four files that mention it. The "
    "second one failed its test, because the date was off by a day. Shall I change it, or do you want to look at it first?"
)
_WORDS = ("mhm", "uh-huh", "right", "okay", "yeah", "I see")
_WORD_VOICES = ("en-us", "en-gb+f3", "en-gb-scotland+m3", "en-us+f4")


@dataclass(frozen=True, slots=True)
class Clip:
    """Something said by a person."""

    text: str
    sound: Signal
    """16 kHz; its first sample belongs to the first word."""


def messages(voices: Sequence[str]) -> list[Signal]:
    """A minute of the assistant's speech in each of espeak-ng's voices."""
    return asyncio.run(_speak([(_TEXT, voice) for voice in voices]))


def backchannels(human: Sequence[Clip] = ()) -> list[Clip]:
    """Words that only show that somebody listens, by espeak-ng; ``human`` clips of one word stand in for more of them."""
    spoken = [(word, voice) for word in _WORDS for voice in _WORD_VOICES]
    sounds = asyncio.run(_speak(spoken))
    made = [Clip(word, _from_onset(sound)) for (word, _), sound in zip(spoken, sounds, strict=True)]
    return [*made, *(Clip("right", clip.sound) for clip in human)]


def clips(folder: Path, detector: SpeechDetector) -> tuple[list[Clip], list[Clip]]:
    """Human recordings of three words or more, and of one word.

    Texts come from ``manifest.json`` (a list of {file, transcript}) where there is one, else from the files' names. Long
    recordings are cut at their pauses; what is left of breath and room tone is told from words by ``detector``.
    """
    manifest = folder / "manifest.json"
    if manifest.exists():
        texts = {entry["file"]: entry["transcript"] for entry in json.loads(manifest.read_text("utf-8"))}
    else:
        texts = {path.name: path.stem.replace("_", " ") for path in sorted(folder.glob("*.wav"))}
    sentences: list[Clip] = []
    words: list[Clip] = []
    for name, text in texts.items():
        sound = _loaded(folder / name)
        is_long = len(sound) > _LONGEST_S * CAPTURE_RATE
        parts = [_spoken(part, detector) for part in (_at_pauses(sound) if is_long else [sound])]
        if len(text.split()) == 1:
            words += [Clip(text, _to_last_sound(part)) for part, _ in parts]
        else:
            told = f"{text[:40]} ..." if is_long else text
            sentences += [Clip(told, part) for part, speech_s in parts if speech_s >= _LEAST_S or not is_long]
    return sentences, words


def _spoken(sound: Signal, detector: SpeechDetector) -> tuple[Signal, float]:
    """The sound from its first word on, and how many seconds of it are speech."""
    detector.reset()
    size = detector.frame_samples
    loud = scaled(sound, _LISTENING_DBFS)
    pcm = np.clip(np.rint(loud * FULL_SCALE), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
    speech = [detector.probability(pcm[at : at + size]) >= 0.5 for at in range(0, len(pcm) - size + 1, size)]
    if not any(speech):
        return sound, 0.0
    earliest = max(speech.index(True) * size - round(_LEAD_S * CAPTURE_RATE), 0)
    return _from_onset(sound[earliest:]), sum(speech) * size / CAPTURE_RATE


def cough(chance: np.random.Generator) -> Signal:
    """One or two bursts of noise, 0.15 to 0.35 s each, with a sharp beginning: what a throat does, as far as levels go."""
    bursts = []
    for _ in range(int(chance.integers(1, 3))):
        seconds = np.arange(round(chance.uniform(0.15, 0.35) * CAPTURE_RATE)) / CAPTURE_RATE
        noise = np.convolve(chance.standard_normal(len(seconds)), np.ones(6) / 6, "same")  # little above 2 kHz
        bursts += [noise * np.exp(-seconds / chance.uniform(0.05, 0.12)), np.zeros(round(0.12 * CAPTURE_RATE))]
    return np.concatenate(bursts).astype(np.float32)


def keystrokes(chance: np.random.Generator) -> Signal:
    """Four seconds of keystrokes, seven a second, as far as levels go: bursts of noise of 30 ms, softer ones on release."""
    sound = np.zeros(round(_TYPING_S * CAPTURE_RATE))
    seconds = np.arange(round(0.03 * CAPTURE_RATE)) / CAPTURE_RATE
    at_s = 0.0
    while at_s < _TYPING_S - 0.2:
        noise = np.convolve(chance.standard_normal(len(seconds)), [1.0, -0.5], "same")  # more above 4 kHz than below
        stroke = chance.uniform(0.5, 1.5) * noise * np.exp(-seconds / chance.uniform(0.004, 0.012))
        for part, begins_s in ((stroke, at_s), (0.3 * stroke, at_s + chance.uniform(0.06, 0.1))):
            begins = round(begins_s * CAPTURE_RATE)
            sound[begins : begins + len(part)] += part
        at_s += 0.06 + chance.exponential(0.08)
    return sound.astype(np.float32)


async def _speak(wanted: Sequence[tuple[str, str]]) -> list[Signal]:
    synthesizer = BuiltinSynthesizer(os.environ)
    try:
        sounds: list[Signal] = []
        for text, voice in wanted:
            chunks = [chunk async for chunk in synthesizer.synthesize(SpeechRequest(text, voice=voice))]
            whole = np.concatenate([chunk.samples for chunk in chunks])
            sounds.append(_at_16_khz(whole.astype(np.float32) / np.float32(FULL_SCALE), chunks[0].sample_rate))
        return sounds
    finally:
        await synthesizer.aclose()


def _loaded(path: Path) -> Signal:
    chunk = decode_wav(path.read_bytes())
    return _at_16_khz(chunk.samples.astype(np.float32) / np.float32(FULL_SCALE), chunk.sample_rate)


def _at_16_khz(sound: Signal, rate: int) -> Signal:
    resampled: Signal = soxr.resample(sound, rate, CAPTURE_RATE).astype(np.float32)
    return resampled


def _sounding(sound: Signal) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which blocks of 10 ms hold speech."""
    power = np.mean(sound[: len(sound) // BLOCK * BLOCK].reshape(-1, BLOCK).astype(np.float64) ** 2, axis=1)
    loud: np.ndarray[tuple[int], np.dtype[np.bool_]] = power > power.max() * 10 ** (-_ONSET_DB / 10)
    return loud


def _from_onset(sound: Signal) -> Signal:
    return sound[int(np.argmax(_sounding(sound))) * BLOCK :]


def _to_last_sound(sound: Signal) -> Signal:
    loud = _sounding(sound)
    return sound[: (len(loud) - int(np.argmax(loud[::-1]))) * BLOCK]


def _at_pauses(sound: Signal) -> list[Signal]:
    loud = _sounding(sound)
    parts: list[Signal] = []
    began, silent = 0, 0
    for at, is_loud in enumerate(loud):
        silent = 0 if is_loud else silent + 1
        at_pause = silent * BLOCK >= _PAUSE_S * CAPTURE_RATE
        length = (at + 1 - silent - began) * BLOCK
        if (at_pause and length >= _LEAST_S * CAPTURE_RATE) or length >= _LONGEST_S * CAPTURE_RATE:
            parts.append(_from_onset(sound[began * BLOCK : (at + 1 - silent) * BLOCK]))
            began, silent = at + 1, 0
        elif at_pause and length <= 0:
            began = at + 1
    return parts
