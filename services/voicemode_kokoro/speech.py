"""A request as steps of the work queue: one clause each, encoded as it is made."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import closing

import numpy as np
from numpy.typing import NDArray
from voicemode_service.encode import Format, encoder
from voicemode_service.errors import BadRequestError
from voicemode_service.work import Stop

from voicemode_kokoro.clauses import clauses, cut, pause_after
from voicemode_kokoro.engine import Engine, Interrupt, Spoken

__all__ = ["Chunk", "Pace", "speech"]

LONG_S = 0.7
"""A piece that takes the engine longer gives way to whoever has heard nothing yet."""

PIECE_S = 0.8
"""What gave way is made in pieces that take at most this long, and do not give way again."""

MOST_PHONEMES = 400
"""In one run of the model, which takes 510."""

FEWEST_PHONEMES = 20


class Pace:
    """How long the engine takes, learned from what it does. Shared by all jobs; a lost update does no harm."""

    def __init__(self, per_phoneme_s: float = 0.03) -> None:
        """The default is what two cores of 2.5 GHz need."""
        self._per_phoneme_s = per_phoneme_s

    def takes(self, phonemes: str) -> float:
        """Seconds."""
        return len(phonemes) * self._per_phoneme_s

    def affords(self, seconds: float) -> int:
        """How many phonemes may be made in that time, within what is sensible."""
        return min(MOST_PHONEMES, max(FEWEST_PHONEMES, int(seconds / self._per_phoneme_s)))

    def learn(self, phonemes: str, took_s: float) -> None:
        """Tell it how long a run took."""
        self._per_phoneme_s += 0.2 * (took_s / max(len(phonemes), FEWEST_PHONEMES) - self._per_phoneme_s)


class Chunk(bytes):
    """Encoded sound; empty where the codec keeps what it was given, or the step gave way to others."""

    seconds: float
    """Of the sound that went in."""
    last: bool
    """Nothing comes after it: to ask for more would cost a turn in the queue."""

    def __new__(cls, data: bytes, seconds: float = 0.0, *, last: bool = False) -> Chunk:
        chunk = super().__new__(cls, data)
        chunk.seconds, chunk.last = seconds, last
        return chunk


def speech(engine: Engine, pace: Pace, text: str, how: Spoken, *, wanted: Format, stop: Stop) -> Iterator[Chunk]:
    """The encoded sound of a text, clause by clause.

    Raises BadRequestError where nothing of it can be spoken, EngineFailedError where the engine breaks.
    """
    pieces = _pieces(engine, text, how)
    following = next(pieces, None)
    if following is None:
        raise BadRequestError("Nothing in the text can be spoken.", param="input")
    with closing(encoder(wanted, engine.rate)) as encode:
        while following is not None:
            piece, following = following, next(pieces, None)
            for samples, done in _sounds(engine, pace, piece, how, stop):
                last = done and following is None
                data = encode.feed(samples) + (encode.finish() if last else b"")
                yield Chunk(data, samples.size / engine.rate, last=last)
            if stop:
                return


def _pieces(engine: Engine, text: str, how: Spoken) -> Iterator[tuple[str, float]]:
    """What the engine is to speak at a time: phonemes, and the seconds of silence before them."""
    pause_s = 0.0
    for clause in clauses(text):
        phonemes = engine.phonemes(clause, how.language)
        if not any(sound.isalpha() for sound in phonemes):
            continue  # the model makes noise of punctuation alone
        for piece in cut(phonemes, MOST_PHONEMES):
            yield piece, pause_s
            pause_s = 0.0
        pause_s = pause_after(clause) / how.speed


def _sounds(
    engine: Engine, pace: Pace, piece: tuple[str, float], how: Spoken, stop: Stop
) -> Iterator[tuple[NDArray[np.float32], bool]]:
    """The sound of a piece in one part, or in several with an empty one first, where it gave way; and whether that is all."""
    phonemes, pause_s = piece
    samples = _made(engine, pace, phonemes, how, stop, patient=True)
    if samples is not None:
        yield _after_silence(samples, pause_s, engine.rate), True
        return
    yield np.zeros(0, np.float32), False
    parts = deque(cut(phonemes, pace.affords(PIECE_S)))
    while parts and not stop:
        samples = _made(engine, pace, parts.popleft(), how, stop, patient=False)
        if samples is not None:
            yield _after_silence(samples, pause_s, engine.rate), not parts
            pause_s = 0.0


def _made(engine: Engine, pace: Pace, piece: str, how: Spoken, stop: Stop, *, patient: bool) -> NDArray[np.float32] | None:
    """The sound of a piece; None if somebody else goes first or nobody waits any more."""
    interrupt, began = Interrupt(), time.monotonic()
    stop.calls(interrupt.set)
    if patient and pace.takes(piece) > LONG_S:
        stop.gives_way(interrupt.set)
    try:
        samples = engine.speak(piece, how, interrupt)
    finally:
        stop.gives_way(None)
        stop.forget(interrupt.set)
    if samples is not None:
        pace.learn(piece, time.monotonic() - began)
    return samples


def _after_silence(samples: NDArray[np.float32], seconds: float, rate: int) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(round(seconds * rate), np.float32), samples]) if seconds else samples
