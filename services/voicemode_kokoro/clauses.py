"""Cut a text into clauses to be spoken one after another: the first one short, so that sound comes soon.

The engine makes no sound before a whole clause is done, and one of 100 characters takes it about as long as the clause takes to
hear. So the first clause ends at the first punctuation mark that leaves it worth speaking, and later ones grow while the sound
before them plays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["clauses"]

FIRST_MIN, FIRST_MAX = 12, 60
"""Characters of the first clause: a second of speech is about 15."""

LATER_MIN, LATER_MAX = 40, 220
"""Of the others. The model takes 510 phonemes at most, and a character is seldom more than two."""

_SENTENCE = re.compile(r"[.!?…。！？]+[\"'”’)\]]*(?=\s|$)|[。！？]")  # noqa: RUF001  (marks of other scripts)
_CLAUSE = re.compile(r"[,;:，；：、—–][\"'”’)\]]*(?=\s|$)|[，；：、]")  # noqa: RUF001
_SPACE = re.compile(r"\s+")


def clauses(text: str) -> Iterator[str]:
    """The text in pieces that together are the text, white space between them left out; nothing of an empty text."""
    rest = _SPACE.sub(" ", text).strip()
    least, most = FIRST_MIN, FIRST_MAX
    while rest:
        end = _end(rest, least, most)
        yield rest[:end].strip()
        rest = rest[end:].strip()
        least, most = LATER_MIN, LATER_MAX


def _end(text: str, least: int, most: int) -> int:
    """Where the piece ends: at a sentence, else at a clause, else at a word, else in the middle of one."""
    if len(text) <= most and not (least == FIRST_MIN and len(text) > FIRST_MAX // 2):
        return len(text)
    window = text[:most]
    for mark in (_SENTENCE, _CLAUSE):
        for found in mark.finditer(text, 0, min(most + 1, len(text))):
            if least <= found.end() <= most:
                return found.end()
    space = window.rfind(" ", least)
    return space if space > 0 else most
