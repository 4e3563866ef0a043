"""Markdown that arrives in any chunks becomes pieces to be spoken, as early as it is certain how they are said.

Two questions are settled one after the other: where the Markdown can be cut so that each part reads as it does in the whole (a
code block or a table only behind its end, prose behind a sentence or a clause with no mark left open), and where a voice may
pause (``sentences``).
"""

from __future__ import annotations

import re

from voicemode.core.sentences import SentenceSplitter
from voicemode.core.speakable import speakable

__all__ = ["SpokenStream"]

_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MARKED = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)]|#{1,6}|>)(?:\s|\Z)")
"""A list item, a heading or a quotation: a line that is read as a whole."""
_LEAST_LINE = 4
"""So many characters tell what a line is: "10. ", "### "."""
_END = re.compile(r"[.!?\u2026:;,][\"'\u201d\u2019)\]*_~`]*(?=\s+\S)|[\u3002\uff01\uff1f\uff0c\uff1b\uff1a]")
"""Of a sentence or a clause, the next word being there."""
_CLAUSE_CHARS = 25
"""A shorter clause is not worth a cut: numbers, names and their abbreviations are read with what follows them."""
_LONGEST = 600
"""Prose that offers no end for so long is cut between words: a mark that is left open must not silence the rest."""
_LOOK_AHEAD = 2
"""Characters that tell whether a sentence has ended: the next one, and whether it is a letter."""
_HURRIED_CHARS = 8
"""Less is a word, and would be spoken alone."""


class SpokenStream:
    """One answer's way to the voice. Its words are those of ``speakable`` for the whole."""

    def __init__(self, language: str = "en") -> None:
        """``language``: BCP 47, for numbers and names."""
        self._language = language
        self._raw = ""
        """Markdown that may still change how it is read."""
        self._inside = False
        """Does ``_raw`` go on with a paragraph?"""
        self._splitter = SentenceSplitter()
        self._waiting = 0
        """Characters that are settled and not given out, about."""
        self._given = False

    def push(self, markdown: str) -> list[str]:
        """Take more; returns the pieces that are certain now, often none. Each has a letter or digit."""
        self._raw += markdown.replace("\r\n", "\n")
        pieces: list[str] = []
        while (cut := self._settled_end()) is not None:
            pieces += self._settle(cut)
        return self._give(pieces)

    def hurry(self) -> list[str]:
        """The answer is slow in coming: give out what is settled, as long as nothing was."""
        if self._given or self._waiting < _HURRIED_CHARS:
            return []
        return self._give(self._splitter.flush())

    def flush(self) -> list[str]:
        """The answer has ended: the rest."""
        pieces = self._settle(len(self._raw)) + self._splitter.flush()
        self._inside, self._waiting = False, 0
        return self._give(pieces)

    def _give(self, pieces: list[str]) -> list[str]:
        said = [piece for piece in pieces if any(map(str.isalnum, piece))]
        if pieces:
            self._given, self._waiting = self._given or bool(said), 0
        return said

    def _settle(self, cut: int) -> list[str]:
        part, self._raw = self._raw[:cut], self._raw[cut:]
        ends_block = part.endswith("\n")
        self._inside = not ends_block and bool(part.strip())
        text = speakable(part, self._language)
        self._waiting += len(text)
        if not text:
            return []
        follows = "" if ends_block else self._raw.lstrip()[:_LOOK_AHEAD]
        return self._splitter.push(text + ("\n" if ends_block else " "), follows)

    def _settled_end(self) -> int | None:
        """Where the first part of what came ends that reads the same whatever follows; None without one."""
        raw = self._raw
        start = 0 if self._inside else len(raw) - len(raw.lstrip("\n"))
        line_end = raw.find("\n", start)
        line = raw[start:] if line_end < 0 else raw[start:line_end]
        if not self._inside:
            if line_end < 0 and len(line.strip()) < _LEAST_LINE:
                return None
            if fence := _FENCE.match(line):
                return _fence_end(raw, line_end, fence[1])
            if line.lstrip().startswith("|"):
                return _table_end(raw, line_end)
            if _MARKED.match(line):
                return line_end + 1 if line_end >= 0 else None
        return self._prose_end(start)

    def _prose_end(self, start: int) -> int | None:
        raw = self._raw
        reach = _paragraph_end(raw, start)
        for mark in _END.finditer(raw, start, len(raw) if reach is None else reach):
            if self._is_cut(raw[start : mark.end()], raw[mark.end() : mark.end() + 8]):
                return mark.end()
        if reach is not None:
            return reach
        if len(raw) - start > _LONGEST:
            space = raw.rfind(" ", start + 1)
            return space if space > start else len(raw)
        return None

    def _is_cut(self, part: str, after: str) -> bool:
        if not _balanced(part):
            return False
        last, follows = part.rstrip("\"'\u201d\u2019)]*_~`")[-1:], after.lstrip()[:1]
        if last in ",;:":
            return len(part.strip()) >= _CLAUSE_CHARS and follows.isalpha()
        if last == ".":
            return follows.isalpha() and not follows.islower() and len(part.rstrip(".").split()[-1]) > 3
        return True


def _fence_end(raw: str, line_end: int, fence: str) -> int | None:
    """Behind the line that closes the code block."""
    while line_end >= 0:
        start = line_end + 1
        line_end = raw.find("\n", start)
        if line_end >= 0 and raw[start:line_end].strip().startswith(fence):
            return line_end + 1
    return None


def _table_end(raw: str, line_end: int) -> int | None:
    """Before the first line that is no row."""
    while line_end >= 0:
        start = line_end + 1
        if start < len(raw) and not raw[start:].lstrip(" ").startswith("|"):
            return start
        line_end = raw.find("\n", start)
    return None


def _paragraph_end(raw: str, start: int) -> int | None:
    """Behind the line break before another block; None while none is there."""
    line_end = raw.find("\n", start)
    while line_end >= 0:
        rest = raw[line_end + 1 :]
        line = rest.split("\n", 1)[0]
        if rest.startswith("\n") or _FENCE.match(line) or line.startswith("|") or _MARKED.match(line):
            return line_end + 1
        line_end = raw.find("\n", line_end + 1)
    return None


def _balanced(part: str) -> bool:
    """Is no mark of Markdown left open?"""
    opened = part.count("[") - part.count("]")
    linked = part.rfind("](") > part.rfind(")")
    stars, scores = len(re.findall(r"\*+", part)), len(re.findall(r"(?<!\w)_|_(?!\w)", part))
    return not (opened > 0 or linked or stars % 2 or scores % 2 or part.count("`") % 2 or part.count("~~") % 2)
