"""Which words of one spoken answer had been heard at a time, and the sound of the latest utterances."""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import replace

import numpy as np

from voicemode.audio import AudioChunk, Samples, WordOnset, join_onsets
from voicemode.core.heard import Piece, find_silences, heard_until, seconds_per_letter
from voicemode.wire.realtime.formats import ANSWER_RATE

__all__ = ["KeptSound", "SpokenWords"]

_GONE_KNOWN = 32
"""Only answers under way grow, and there are fewer at a time."""


class SpokenWords:
    """The words of one spoken answer, laid out over its sound. Holds the sound of the last stretch of words only."""

    def __init__(self, letter_s: float | None = None) -> None:
        """``letter_s`` is the pace of earlier answers, as ``seconds_per_letter`` tells it; None: none is known."""
        self._letter_s = letter_s
        self._pieces: list[Piece] = []
        self._samples = 0
        self._open: list[AudioChunk] | None = None
        """The sound of the last piece while more of it may come."""
        self._asked: tuple[float, str] | None = None
        """What was asked of it last, and the answer; None where more sound may change that."""

    @property
    def length_ms(self) -> float:
        return self._samples * 1000 / ANSWER_RATE

    @property
    def letter_s(self) -> float | None:
        """The pace of the stretches that ended; that of earlier answers where none did."""
        ended = [piece for piece in self._pieces if piece.end_s is not None]
        return seconds_per_letter(ended) if ended else self._letter_s

    def add(self, samples: Samples, text: str, onsets: tuple[WordOnset, ...] = ()) -> None:
        """More sound; ``text`` is what begins with it, "" where the words before go on. ``onsets`` as in ``AnswerAudio``."""
        self._asked = None
        if text.strip():
            self.finish()
            self._pieces.append(Piece(text, self._samples / ANSWER_RATE))
            self._open = []
        if self._open is not None:
            self._open.append(AudioChunk(samples, ANSWER_RATE, onsets))
        self._samples += len(samples)

    def finish(self) -> None:
        """The last stretch of words has all its sound. Idempotent."""
        if self._open is None:
            return
        self._pieces[-1] = replace(self._last(self._open), end_s=self._samples / ANSWER_RATE)
        self._open = None

    def break_off(self) -> None:
        """No more sound comes, and the last stretch of words lacks some of its own. Idempotent."""
        if self._open is None:
            return
        self._pieces[-1] = self._last(self._open)
        self._open = None

    def heard(self, until_ms: float) -> str:
        """The words that were heard when so much of the sound had been audible."""
        if self._asked is not None and self._asked[0] == until_ms:
            return self._asked[1]
        found = self._heard(until_ms)
        # Each history asks again of every answer that was interrupted.
        self._asked = (until_ms, found) if self._open is None else None
        return found

    def _heard(self, until_ms: float) -> str:
        pieces = list(self._pieces)
        if self._open is not None:
            pieces[-1] = self._last(self._open)
        return heard_until(pieces, until_ms / 1000, letter_s=self._letter_s).heard

    def _last(self, sound: list[AudioChunk]) -> Piece:
        """The last stretch of words, as far as its sound has come."""
        samples = np.concatenate([np.zeros(0, np.int16), *(chunk.samples for chunk in sound)])
        silences = find_silences(samples, ANSWER_RATE)
        return replace(self._pieces[-1], onsets=join_onsets(sound), silences=silences)


class KeptSound:
    """The sound of the latest utterances, so that items can be retrieved with it; whole utterances, within a budget."""

    def __init__(self, most_bytes: int) -> None:
        self._most = most_bytes
        self._kept: OrderedDict[str, bytearray] = OrderedDict()
        self._bytes = 0
        self._gone: deque[str] = deque(maxlen=_GONE_KNOWN)
        """Items that were dropped: what comes of one later is its end, and would be taken for the whole."""

    def add(self, item_id: str, data: bytes) -> None:
        """Bytes as they travel, behind those that the item has already."""
        if item_id in self._gone:
            return
        self._kept.setdefault(item_id, bytearray()).extend(data)
        self._bytes += len(data)
        while self._bytes > self._most:
            oldest, dropped = self._kept.popitem(last=False)
            self._bytes -= len(dropped)
            self._gone.append(oldest)

    def drop(self, item_id: str) -> None:
        self._bytes -= len(self._kept.pop(item_id, b""))

    def get(self, item_id: str) -> bytes | None:
        """None: too long ago, too long, or never."""
        kept = self._kept.get(item_id)
        return None if kept is None else bytes(kept)
