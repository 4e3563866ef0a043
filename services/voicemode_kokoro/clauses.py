"""Cut a text into clauses to be spoken one after another: the first one short, so that sound comes soon.

The engine makes no sound before a whole clause is done, and on two cores that takes it more than half as long as the clause
takes to hear. So the first clause ends at the first mark that leaves something worth speaking, and each later one is at most
half again as long as the one before it: it is made while that one is heard.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

__all__ = ["clauses", "cut", "pause_after"]

FIRST_MIN, FIRST_MAX = 10, 45
"""Characters of the first clause: 15 are about a second of speech."""

FIRST_WHOLE = 30
"""A text no longer than this is spoken in one piece: cutting it would cost more in melody than it saves in time."""

LATER_MIN, LATER_MAX = 40, 160
"""Of the others. The model takes 510 phonemes at most, and a character of prose is seldom two."""

GROWTH = 1.5

SENTENCE_PAUSE_S, CLAUSE_PAUSE_S = 0.25, 0.1
"""What kokoro-onnx itself puts between the batches of a long text, whose silence it trims as we do."""

_UNSPOKEN = re.compile(r"[\s\x00-\x1f\x7f-\x9f\ud800-\udfff]+")
"""White space, control characters (espeak-ng ends the text at a NUL), and halves of characters, which JSON allows."""

_CLOSERS = r"[\"'”’»)\]]*"  # noqa: RUF001
_SENTENCE = re.compile(rf"[.!?…।]+{_CLOSERS}|[。！？]+[」』）]*")  # noqa: RUF001
_CLAUSE = re.compile(rf"[,;:—–]+{_CLOSERS}|[，；：、]+")  # noqa: RUF001
_WIDE = "。！？」』），；：、"  # noqa: RUF001
"""Marks that no space follows."""

_NO_END = re.compile(
    r"""(?: (?:^|[^\w]) (?: [^\W\d_] | \d{1,2}                  # an initial, the number of an item or a day
          | (?:mr|mrs|ms|dr|prof|st|sr|jr|vs|etc|approx|no|nos|fig|vol|gen|col|sgt|rev|hon|inc|ltd|dept|est|cf|ca|resp
            |nr|bzw|usw|ggf|evtl|inkl|zzgl|sra|srta|mme|mlle)
          | (?:[^\W\d_]\.)+[^\W\d_] ) ) \. $""",  # e.g., i.e., U.S., z.B.
    re.VERBOSE | re.IGNORECASE,
)
_LONGEST_ABBREVIATION = 16


def clauses(text: str) -> Iterator[str]:
    """The pieces that together are the text; white space and what is no character are left out."""
    whole = _UNSPOKEN.sub(" ", text).strip()
    at, before = 0, 0
    while at < len(whole):
        end = _later_end(whole, at, before) if before else _first_end(whole, at)
        yield whole[at:end].strip()
        before = end - at
        at = end + whole.startswith(" ", end)


def cut(text: str, most: int) -> Iterator[str]:
    """Pieces of at most ``most`` characters, cut between words where there are any. For phonemes, too."""
    rest = text.strip()
    while len(rest) > most:
        space = rest.rfind(" ", 1, most + 1)
        end = space if space > 0 else most
        yield rest[:end].rstrip()
        rest = rest[end:].lstrip()
    if rest:
        yield rest


def pause_after(clause: str) -> float:
    """Seconds of silence between this clause and the next: none where it was cut between two words."""
    if _ends_with(_SENTENCE, clause):
        return SENTENCE_PAUSE_S
    return CLAUSE_PAUSE_S if _ends_with(_CLAUSE, clause) else 0.0


def _first_end(text: str, at: int) -> int:
    if len(text) - at <= FIRST_WHOLE:
        return len(text)
    marks = sorted({*_marks(_SENTENCE, text, at, at + FIRST_MAX), *_marks(_CLAUSE, text, at, at + FIRST_MAX)})
    return next((end for end in marks if end - at >= FIRST_MIN), None) or _word_end(text, at, FIRST_MAX)


def _later_end(text: str, at: int, before: int) -> int:
    most = min(LATER_MAX, max(LATER_MIN, int(before * GROWTH)))
    if len(text) - at <= most:
        return len(text)
    for mark in (_SENTENCE, _CLAUSE):
        ends = [end for end in _marks(mark, text, at, at + most) if end - at >= most // 4]
        if ends:
            return ends[-1]
    return _word_end(text, at, most)


def _word_end(text: str, at: int, most: int) -> int:
    """The end of the last whole word, or of what there is room for."""
    if len(text) - at <= most:
        return len(text)
    space = text.rfind(" ", at + 1, at + most + 1)
    return space if space > at else at + most


def _marks(mark: re.Pattern[str], text: str, at: int, most: int) -> Iterator[int]:
    """Where pieces may end in text[at:most], in order."""
    for found in mark.finditer(text, at, min(most, len(text))):
        end = found.end()
        follows = text[end : end + 1]
        if follows not in ("", " ") and text[end - 1] not in _WIDE:
            continue  # 3.5, 10:30, example.com
        if found.group() == "." and follows and _NO_END.search(text, max(at, end - _LONGEST_ABBREVIATION), end):
            continue
        yield end


def _ends_with(mark: re.Pattern[str], clause: str) -> bool:
    return any(found.end() == len(clause) for found in mark.finditer(clause, max(0, len(clause) - 8)))
