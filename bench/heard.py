"""Does ``heard`` say what was heard? ``python -m bench.heard [-n 20] [--json FILE]``.

The product speaks at the virtual sound card and is interrupted at random moments: every other time by a human voice, with
headphones and with open speakers in turn, else by ``voicemode control stop``. Its speech engine is a stub that speaks words of
known times, so a recording of the loudspeaker tells how many of them were audible; a word counts when most of it was.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soxr
from rich.console import Console
from rich.table import Table

from bench.person import Ears
from bench.room import Room
from bench.source import commit
from bench.stdio_client import Answer, StdioServer
from scripts.virtual_sound_card import available
from tests.stubs.sound import RATE
from tests.stubs.spoken_words import SpokenWord, spoken_words
from voicemode.audio import CAPTURE_RATE, FULL_SCALE, AudioChunk

__all__ = ["MESSAGES", "Trial", "audible_s", "main", "reference", "words_heard"]

_ROOT = Path(__file__).parents[1]
MESSAGES = (
    (
        "The tests of the sound card are green again. Two of them had failed, because the clock of the room was read too "
        "late, and nobody had noticed it before. I moved the reading to the beginning, and added a test for it. Shall I "
        "look at the next one?"
    ),
    (
        "Your calendar for Thursday is full, but Friday is free after lunch. There is a meeting with the designers at "
        "nine, a review at eleven, and a telephone call that may take longer than planned; so I would suggest half past "
        "two, if that suits you."
    ),
    (
        "I read the whole report. It says that the first pump was repaired in March, that the second one was replaced, "
        "and that the third should be watched. The costs were lower than expected. What would you like to hear first, the "
        "summary or the details?"
    ),
    (
        "Once upon a time, there was a fisherman who lived with his wife in a little house near the sea. Every day he "
        "went out to fish, and every evening he came home with an empty net. One morning the line went down, far down, to "
        "the bottom of the sea."
    ),
)
_VOICE, _SPEAKERS, _KEY = "voice, headphones", "voice, open speakers", "voicemode control stop"
_WAYS = (_VOICE, _KEY, _SPEAKERS, _KEY)
_ECHO_DB = -12.0
_NOT_BEFORE_S = 1.0
_AFTER_STOP_S = 0.5
_CALL_S = 60.0
_QUIET_DBFS = -70.0
"""Under the softest sound of a voice that is ducked; the virtual loudspeaker's silence is exact."""
_TAIL_S = 0.8
"""Of what was audible last; long enough to be found, and to hold more than one word."""
_SURE = 0.7
"""Correlation below which the recording says nothing: playback was torn to pieces, or something else sounded."""
_FRAME = CAPTURE_RATE // 100


@dataclass(frozen=True, slots=True)
class Trial:
    """One interruption."""

    way: str
    at_s: float
    """When the person began, or the command was started, after the first sound."""
    audible_s: float
    """How much of the message was audible, by the recording."""
    correlation: float
    """Of the recording's last ``_TAIL_S`` with the message where it was found."""
    words: int
    """Of the message that were audible, by the recording."""
    told: int
    """How many ``heard`` has."""

    @property
    def error(self) -> int:
        return self.told - self.words


def reference(pieces: Sequence[str]) -> tuple[AudioChunk, tuple[SpokenWord, ...]]:
    """The sound of the pieces that were asked for, one behind the other, and the times of their words in it."""
    sounds, words, at = [np.zeros(0, np.int16)], list[SpokenWord](), 0.0
    for piece in pieces:
        samples, spoken = spoken_words(piece)
        words += [SpokenWord(word.text, word.begin_s + at, word.end_s + at) for word in spoken]
        sounds.append(samples)
        at += len(samples) / RATE
    return AudioChunk(np.concatenate(sounds), RATE), tuple(words)


def audible_s(message: AudioChunk, recording: AudioChunk) -> tuple[float, float]:
    """How much of the message had been audible when the recording fell silent, in seconds, and how surely (0 to 1).

    The last sound of the recording is looked for in the message, at whatever level. Silence is no sound: where the message was
    stopped in a pause, it is the end of the word before. (0, 0) where nothing was audible.
    """
    heard, whole = _at_capture_rate(recording), _at_capture_rate(message)
    frames = heard[: len(heard) // _FRAME * _FRAME].reshape(-1, _FRAME)
    loud = np.flatnonzero(np.sqrt(np.mean(frames**2, axis=1)) > FULL_SCALE * 10 ** (_QUIET_DBFS / 20))
    if not len(loud):
        return 0.0, 0.0
    end = (int(loud[-1]) + 1) * _FRAME
    tail = heard[max(end - round(_TAIL_S * CAPTURE_RATE), int(loud[0]) * _FRAME) : end]
    padded = np.concatenate([np.zeros(len(tail)), whole, np.zeros(len(tail))])
    size = 1 << (len(padded) + len(tail) - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(padded, size) * np.conj(np.fft.rfft(tail, size)), size)[: len(padded) - len(tail) + 1]
    powers = np.concatenate([[0.0], np.cumsum(padded**2)])
    power = powers[len(tail) :] - powers[: len(powers) - len(tail)]
    likeness = products / np.sqrt(np.maximum(power, 0.01 * power.max()) * np.sum(tail**2))
    best = int(np.argmax(likeness))
    return min(best, len(whole)) / CAPTURE_RATE, float(likeness[best])


def words_heard(words: Sequence[SpokenWord], seconds: float) -> int:
    """How many words were audible by more than half."""
    return sum((word.begin_s + word.end_s) / 2 < seconds for word in words)


def _at_capture_rate(sound: AudioChunk) -> npt.NDArray[np.float64]:
    return np.asarray(soxr.resample(sound.samples.astype(np.float64), sound.sample_rate, CAPTURE_RATE), dtype=np.float64)


class _MissedError(RuntimeError):
    """It was not interrupted, or by nobody; the text says which."""


async def _trial(room: Room, server: StdioServer, way: str, chance: random.Random, message: str) -> Trial:
    spoken_s = spoken_words(message)[0].size / RATE
    at_s = chance.uniform(_NOT_BEFORE_S, spoken_s - _NOT_BEFORE_S)
    before = len(room.stub.events("tts"))
    ears = Ears(room.card)
    await room.mouth.arm()
    call = server.converse(message)
    try:
        first = await ears.first_sound(10.0)
        if way == _KEY:
            await asyncio.sleep(first + at_s - time.monotonic())
            await asyncio.to_thread(_control_stop, server)
        else:
            await room.mouth.say(room.sentence, first + at_s)
        answer = await call.wait(_CALL_S)
        await ears.catch_up(time.monotonic() + _AFTER_STOP_S)
        recording = ears.heard()
    except BaseException:
        server.cancel(call)
        raise
    finally:
        ears.close()
    pieces = [event["body"]["input"] for event in room.stub.events("tts")[before:] if "body" in event]
    return _judged(way, at_s, _said(answer, message), recording.chunk, pieces)


def _said(answer: Answer, message: str) -> str:
    """What was heard. Raises _MissedError."""
    told: Mapping[str, Any] = answer.result.get("structuredContent", {})
    heard, unheard = told.get("heard", ""), told.get("unheard", "")
    if answer.failed or not (heard or unheard):
        raise _MissedError(f"not interrupted, but: {answer.text[:200]}")
    if f"{heard} {unheard}".split() != message.split():
        raise _MissedError(f"heard and unheard are not the message: {heard} | {unheard}")
    return str(heard)


def _judged(way: str, at_s: float, heard: str, recording: AudioChunk, pieces: Sequence[str]) -> Trial:
    sound, words = reference(pieces)
    seconds, correlation = audible_s(sound, recording)
    if correlation < _SURE:
        raise _MissedError(f"the recording ends like no part of the message ({correlation:.2f}); heard: {heard[-40:]}")
    if way != _KEY and seconds < at_s - 0.05:
        raise _MissedError(f"it stopped {at_s - seconds:.2f} s before anybody spoke")
    return Trial(way, at_s, seconds, correlation, words_heard(words, seconds), len(heard.split()))


def _control_stop(server: StdioServer) -> None:
    command = [sys.executable, "-m", "voicemode", "control", "stop"]
    run = subprocess.run(command, env=dict(server.env), capture_output=True, text=True, check=False, timeout=10)
    if run.returncode:
        raise _MissedError(f"voicemode control stop: {run.stdout} {run.stderr}")


async def _measure(n: int, seed: int) -> tuple[list[Trial], list[str]]:
    chance, trials, problems = random.Random(seed), list[Trial](), list[str]()
    async with Room.open() as room:
        command, variables = room.product_command()
        room.configure(voice="words")
        # Whoever stops by key says nothing afterwards, and need not be waited for.
        async with room.server(command, **variables, VOICEMODE_START_TIMEOUT_S="1.5") as server:
            await server.initialize()
            for number in range(n):
                way = _WAYS[number % len(_WAYS)]
                if way == _SPEAKERS:
                    room.card.open_speakers(_ECHO_DB)
                else:
                    room.card.wear_headphones()
                try:
                    message = MESSAGES[chance.randrange(len(MESSAGES))]
                    trials.append(await _trial(room, server, way, chance, message))
                except (_MissedError, TimeoutError) as error:
                    problems.append(f"{number}, {way}: {str(error) or type(error).__name__}")
    return trials, problems


def _table(trials: Sequence[Trial]) -> Table:
    table = Table(title="words in `heard` against words in the recording of the loudspeaker")
    for column in ("interrupted by", "n", "within one word", "mean error", "worst", "errors"):
        table.add_column(column, justify="left" if column == "interrupted by" else "right")
    for way in (*dict.fromkeys(_WAYS), "all"):
        errors = [trial.error for trial in trials if way in (trial.way, "all")]
        if errors:
            within = sum(abs(error) <= 1 for error in errors)
            worst = max(errors, key=abs)
            mean = statistics.mean(errors)
            row = [str(len(errors)), f"{within / len(errors):.0%}", f"{mean:+.2f}", f"{worst:+d}"]
            table.add_row(way, *row, " ".join(f"{error:+d}" for error in errors))
    return table


def main() -> int:
    """Exit status 0, 1 where an interruption was more than one word off or failed, 69 where no sound card can be made."""
    parser = argparse.ArgumentParser(prog="python -m bench.heard", description=__doc__)
    parser.add_argument("-n", type=int, default=20, help="interruptions (default 20)")
    parser.add_argument("--seed", type=int, default=5, help="of the moments")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every interruption there")
    arguments = parser.parse_args()
    reason = available()
    if reason is not None:
        print(reason, file=sys.stderr)
        return 69  # EX_UNAVAILABLE
    load = os.getloadavg()[0]
    trials, problems = asyncio.run(_measure(arguments.n, arguments.seed))
    console = Console(width=150)
    console.print(_table(trials))
    console.print(f"voicemode {commit(_ROOT)}, load {load:.1f} before, {os.getloadavg()[0]:.1f} after", highlight=False)
    for problem in problems:
        console.print(f"FAILED  {problem}", highlight=False, markup=False)
    if arguments.json is not None:
        rows = [asdict(trial) | {"error": trial.error} for trial in trials]
        arguments.json.write_text(json.dumps({"trials": rows, "problems": problems}, indent=1) + "\n", "utf-8")
    return int(bool(problems) or any(abs(trial.error) > 1 for trial in trials))


if __name__ == "__main__":
    raise SystemExit(main())
