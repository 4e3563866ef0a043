"""Lays an answer's words over its sound: an upstream tells both, but not which words begin where."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from voicemode.core.heard import Piece, heard_until, seconds_per_letter

__all__ = ["Labels"]

_LOOKED_AT = 160
"""Characters; a chunk of sound holds fewer."""
_ENDS = frozenset(".!?\u2026\u3002\uff01\uff1f")
"""What ends a word, though no white space follows yet."""


@dataclass(slots=True)
class Labels:
    """Of one answer. Words are never laid before the sound that is known when they come."""

    letter_s: float | None = None
    """The pace of earlier answers, as ``seconds_per_letter`` tells it; None: none is known."""
    text: str = ""
    """All words so far."""
    seconds: float = 0.0
    """Of sound so far."""
    _pieces: list[tuple[int, float]] = field(default_factory=list)
    """Where a stretch of words ends in the text, and where it begins in the sound."""
    _from_s: float = 0.0
    """Where the words that were not laid yet begin."""

    def say(self, delta: str) -> None:
        if not self._waiting.strip():
            self._from_s = self.seconds
        self.text += delta

    def sound(self, seconds: float) -> str:
        """More sound; the words that begin with it."""
        begin_s, self.seconds = self.seconds, self.seconds + seconds
        waiting = _whole_words(self._waiting[:_LOOKED_AT])
        if not waiting.strip():
            return ""
        heard = heard_until([Piece(waiting, self._from_s)], self.seconds, letter_s=self.letter_s).heard
        if not heard:
            return ""
        # Its white space may have been joined, its words are those of the text.
        words = len(heard.split())
        ends = [match.end() for match in re.finditer(r"\S+\s*", waiting)]
        self._lay(ends[min(words, len(ends)) - 1], begin_s)
        self._from_s = self.seconds
        return heard

    def rest(self) -> str:
        """All sound is there: the words that lie behind it."""
        waiting = self._waiting.strip()
        if waiting:
            self._lay(len(self._waiting), self.seconds)
        return waiting

    def pace(self) -> float | None:
        """Of an answer that is whole."""
        if not self.seconds or not self.text.strip():
            return self.letter_s
        return seconds_per_letter([Piece(self.text, 0.0, self.seconds)])

    def ms_of(self, heard: str) -> float | None:
        """Where in the sound these words end, the first ones of the answer; None: they are all of them."""
        words = len(heard.split())
        ends = [match.end() for match in re.finditer(r"\S+", self.text)]
        if words >= len(ends):
            return None
        if not words:
            return 0.0
        end = ends[words - 1]
        begin, begin_s = 0, 0.0
        for at, (until, from_s) in enumerate(self._pieces):
            if end <= until:
                to_s = self._pieces[at + 1][1] if at + 1 < len(self._pieces) else self.seconds
                return 1000 * (from_s + (to_s - from_s) * (end - begin) / (until - begin))
            begin, begin_s = until, from_s
        return 1000 * max(begin_s, self.seconds)

    @property
    def _waiting(self) -> str:
        return self.text[self._laid :]

    @property
    def _laid(self) -> int:
        return self._pieces[-1][0] if self._pieces else 0

    def _lay(self, characters: int, begin_s: float) -> None:
        self._pieces.append((self._laid + characters, begin_s))


def _whole_words(text: str) -> str:
    """Without the last word, if it may still grow."""
    return text if not text or text[-1] in _ENDS or text[-1].isspace() else text[: len(text) - len(text.split()[-1])]
