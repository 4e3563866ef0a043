"""What somebody searches for, in the index's language; which of what was found is better; and the part of it to show."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from voicemode.store.rows import spaced

__all__ = ["Wanted", "best", "rank", "snippet", "wanted"]

_PIECES = re.compile(r'"([^"]*)"|(\S+)')
_MOST_PIECES = 16
_LONGEST_PIECE = 200
_AROUND = 60
"""Characters of a snippet before and behind what was found."""
_SATURATION, _LENGTH_WEIGHT, _USUAL_LETTERS = 1.2, 0.75, 120.0
"""k1 and b of BM25 as Robertson and Zaragoza recommend them, and the letters of a usual spoken turn."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is searched for."""

    pieces: tuple[str, ...]
    """Words, and words that belong together; each without anything that is no letter or digit."""

    def expression(self, scope: str) -> str:
        """For FTS5: everything in quotes, so nothing of it is an operator."""
        found = " AND ".join(f'"{piece}"' for piece in self.pieces)
        return f"scope : {scope} AND body : ({found})"

    def is_in(self, text: str) -> bool:
        """Whether a text holds all pieces, as the index would say."""
        folded = _fold(text)
        return all(_pattern(piece).search(folded) for piece in self.pieces)


def wanted(words: str) -> Wanted:
    """Read what a person typed; whatever it is, it can be searched for."""
    found: dict[str, None] = {}
    for phrase, word in _PIECES.findall(words[: _MOST_PIECES * _LONGEST_PIECE]):
        piece = _plain((phrase or word)[:_LONGEST_PIECE])
        if piece:
            found[piece] = None
    return Wanted(tuple(found)[:_MOST_PIECES])


def _plain(piece: str) -> str:
    """Letters and digits, as the index's tokenizer (unicode61) sees them, and spaces between."""
    text = spaced(piece) or piece
    return " ".join(
        "".join(c if unicodedata.category(c)[0] in "LNM" or unicodedata.category(c) == "Co" else " " for c in text).split()
    )


def rank(want: Wanted, text: str) -> float:
    """How well a text that holds all pieces suits: more of them in fewer words are better, as in BM25.

    How rare a word is in all texts does not matter: every text that was found has them all.
    """
    folded = _fold(text)
    long = 1 - _LENGTH_WEIGHT + _LENGTH_WEIGHT * len(folded) / _USUAL_LETTERS
    counts = [len(_pattern(piece).findall(folded)) for piece in want.pieces]
    return sum(count / (count + _SATURATION * long) for count in counts)


def snippet(want: Wanted, text: str) -> str:
    """The part of a text around the first of the words, on one line."""
    line = " ".join(text.split())
    folded = _fold(line)
    # Folding may change the length of rare letters; then the snippet is merely less in the middle.
    places = [match.start() for piece in want.pieces if (match := _pattern(piece).search(folded))]
    middle = min(places, default=0)
    begin, end = max(0, middle - _AROUND), min(len(line), middle + 2 * _AROUND)
    if begin:
        begin = line.find(" ", begin, middle) + 1 or begin
    if end < len(line):
        end = line.rfind(" ", middle + 1, end) if line.rfind(" ", middle + 1, end) > 0 else end
    return f"{'…' if begin else ''}{line[begin:end]}{'…' if end < len(line) else ''}"


def _pattern(piece: str) -> re.Pattern[str]:
    words = r"\W*".join(map(re.escape, _fold(piece).split()))
    return re.compile(rf"(?<!\w){words}(?!\w)" if spaced(piece) is None else words)


def _fold(text: str) -> str:
    if text.isascii():
        return text.lower()
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def best(want: Wanted, found: Sequence[tuple[int, str]], most: int) -> list[int]:
    """The numbers of the best of the texts; of equals the first."""
    ranked = sorted(found, key=lambda each: -rank(want, each[1]))
    return [number for number, _ in ranked[:most]]
