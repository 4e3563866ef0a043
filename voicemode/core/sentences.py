"""Cut text into the pieces that are synthesized one after the other.

The first piece is short, because nothing is heard until it has been synthesized; later ones may be longer, because the
speech before them buys time. Pieces are whole sentences wherever possible, since a voice shapes its melody per request.
A border that is missed only makes a piece longer, one that is wrong is heard, so every doubt is settled against cutting.

Sizes count characters; a wide (East Asian) one counts three, since it takes about as long to say as three Latin letters.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum

__all__ = ["SentenceSplitter", "split"]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


@dataclass(frozen=True, slots=True)
class _Rule:
    """How long one piece may be; all fields are sizes."""

    enough: int
    """Whole sentences are gathered until they have this size."""
    limit: int
    """Nothing is gathered beyond this size, and a sentence above it is cut at a clause."""
    alone: int
    """Sentences of at least this size stand alone when the next one does not fit; shorter ones take a clause of it."""
    clause: int
    """The least size of what is cut off at a clause."""
    early: bool
    """Whether the first possible clause border is taken, or the last."""


_FIRST = _Rule(enough=60, limit=120, alone=25, clause=40, early=True)
_FIRST_WITHOUT_CLAUSE = _Rule(enough=1, limit=200, alone=0, clause=40, early=True)
_SECOND = _Rule(enough=80, limit=300, alone=0, clause=100, early=False)
_LATER = _Rule(enough=150, limit=300, alone=0, clause=100, early=False)

_SPACES = re.compile(r"\s+")
_LINE_BREAKS = frozenset("\n\r\v\f\x85\u2028\u2029")

_CLOSERS = "\"'\u201d\u201c\u2019\u00bb\u00ab\u203a)\\]}\u300d\u300f\uff09\u3011\u300b"
_WIDE_STOPS = "\u3002\uff01\uff1f\uff61"
_STOPS = f".!?\u2026\u0964\u0965\u061f\u06d4\u0589\u1362{_WIDE_STOPS}"
_CANDIDATE = re.compile(f"[{_STOPS}][{_STOPS}{_CLOSERS}]*|\\n|\\s(?=[\u2022\u25aa\u25e6\u2023])")
_WIDE_STOP = re.compile(f"[{_WIDE_STOPS}]")
_WORD_BEFORE = re.compile(r"[^\s(\[{\"'\u201c\u2018\u00ab]+\Z")
_LETTER = re.compile(r"[^\W\d_]")
_DOTTED = re.compile(r"[^\W\d_]{1,2}(?:\.[^\W\d_]{1,2})+\Z")
_NUMBER = re.compile(r"[0-9]{1,3}\Z")

_WORD_REACH = 16
"""How far back the word before a stop is looked for; the longest abbreviation below is shorter."""

_NEVER_LAST = _words(
    "dr mr mrs ms mx prof st ste mt gen sen rep gov capt cmdr lt col sgt maj rev hon pres fr messrs "
    "vs viz cf approx inc ltd corp co bros jr sr al dept est "
    "bzw ca evtl ggf sog usw vgl hr dipl ing mme mlle sra dña avda prov"
)
"""Abbreviations that are followed by what they belong to."""
_BEFORE_A_NUMBER = _words(
    "no nos nr fig figs sec sect eq vol ch p pp art abs ed v ver núm pág jan feb mar apr jun jul aug sep sept oct nov dec"
)
"""Abbreviations only where a number follows: "No. 5" is one, "No." is an answer."""
_OFTEN_LAST = frozenset({"etc", "a.m", "p.m"})
"""Abbreviations that end a sentence when a capital follows."""

_CLAUSE_MARK = re.compile(
    f"[,;:][{_CLOSERS}]*(?=\\s)|\\s[-\u2013\u2014]+(?=\\s)|\u2014(?=\\w)|(?:\\.\\.+|\u2026)(?=\\s)|[\uff0c\u3001\uff1b\uff1a]"
)
_CLAUSE_WORD = re.compile(
    r"\s(?=(?:and|but|because|or|so|which|while|although|though|when|where|if|since|unless|until|then)\s)", re.IGNORECASE
)


class _Wait(Enum):
    """The text so far does not tell; more of it will."""

    FOR_MORE = 0


_WAIT = _Wait.FOR_MORE


class SentenceSplitter:
    """Cuts text that arrives in any chunks into the pieces ``split`` makes of the whole.

    Owns the text of one utterance; after ``flush`` it is ready for the next one.
    """

    def __init__(self) -> None:
        self._text = ""
        """What is not cut yet: whitespace runs are one character, none at the ends."""
        self._space = ""
        """Whitespace that arrived last: empty, " ", or a line break when the run held one."""
        self._given = 0
        """Pieces returned so far."""

    def push(self, text: str, follows: str = "") -> list[str]:
        """Take the next stretch of text; return the pieces that are certain now, often none.

        ``follows`` is the beginning of what will be pushed next, where it is known: it may settle where ``text`` ends.
        """
        self._append(text)
        return self._pieces(final=False, follows=follows)

    def flush(self) -> list[str]:
        """The text has ended: return what is left."""
        pieces = self._pieces(final=True)
        self._text, self._space, self._given = "", "", 0
        return pieces

    def _append(self, text: str) -> None:
        text = _SPACES.sub(_one_space, self._space + text)
        body = text.rstrip()
        self._space = text[len(body) :]
        if body:
            self._text = self._text + body if self._text else body.lstrip()

    def _pieces(self, *, final: bool, follows: str = "") -> list[str]:
        pieces: list[str] = []
        at = 0
        text = self._text + self._space + follows if follows else self._text
        while at < len(self._text):
            end = _piece_end(text, at, self._given, final=final)
            if end is _WAIT or end > len(self._text):
                break
            pieces.append(self._text[at:end].strip())
            self._given += 1
            at = _skip_space(self._text, end)
        self._text = self._text[at:]
        return pieces


def split(text: str) -> list[str]:
    """Cut a whole message into pieces for synthesis, in order. No character but whitespace is lost or added.

    Whitespace inside a piece becomes one space, or one line break where the text had one.
    """
    splitter = SentenceSplitter()
    return splitter.push(text) + splitter.flush()


def _one_space(run: re.Match[str]) -> str:
    return "\n" if not _LINE_BREAKS.isdisjoint(run.group()) else " "


def _skip_space(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _piece_end(text: str, start: int, given: int, *, final: bool) -> int | _Wait:
    """Where the piece that begins at ``start`` ends.

    Every decision uses only text whose end is known: the same text in other chunks is cut alike.
    """
    if given:
        return _fit(text, start, _SECOND if given == 1 else _LATER, final=final) or _hard_end(text, start, _LATER.limit)
    return (
        _fit(text, start, _FIRST, final=final)
        or _fit(text, start, _FIRST_WITHOUT_CLAUSE, final=final)
        or _hard_end(text, start, _FIRST_WITHOUT_CLAUSE.limit)
    )


def _fit(text: str, start: int, rule: _Rule, *, final: bool) -> int | _Wait | None:
    """The end of the piece under ``rule``; None when a sentence exceeds the limit and has no clause border."""
    reach = _advance(text, start, rule.limit)
    enough = _advance(text, start, rule.enough)
    gathered = start
    while True:
        end = _sentence_end(text, gathered, reach, final=final)
        if end is _WAIT:
            return _WAIT
        if end is None:
            break
        if end >= enough:
            return end
        gathered = end
    if len(text) <= reach:
        return len(text) if final else _WAIT
    if gathered > start and gathered >= _advance(text, start, rule.alone):
        return gathered
    border = _clause_border(text, _advance(text, start, rule.clause), reach, early=rule.early)
    return border or (gathered if gathered > start else None)


def _advance(text: str, start: int, size: int) -> int:
    """The index where a stretch of ``size`` that begins at ``start`` ends; the text's end may come first."""
    end = min(start + size, len(text))
    if text[start:end].isascii():
        return start + size
    for index in range(start, end):
        size -= 3 if unicodedata.east_asian_width(text[index]) in "WF" else 1
        if size < 0:
            return index
    return end + size


def _sentence_end(text: str, start: int, reach: int, *, final: bool) -> int | _Wait | None:
    """The first end of a sentence behind ``start`` and not behind ``reach``; None when there is none."""
    for mark in _CANDIDATE.finditer(text, start, reach + 1):
        end = mark.end()
        if mark.group().isspace():
            if mark.start() > start:
                return mark.start()
            continue
        if end > reach:
            return None
        if end == len(text):
            return end if final else _WAIT
        if _ends_sentence(text, start, mark):
            return end
    return None


def _ends_sentence(text: str, start: int, mark: re.Match[str]) -> bool:
    """Whether the stop at ``mark``, with text behind it, ends the sentence that begins at ``start``."""
    stops, end = mark.group(), mark.end()
    if _WIDE_STOP.search(stops):
        return True
    if not text[end].isspace():
        return False
    if text[end] == "\n":
        return True
    bare = stops.rstrip("\"'\u201d\u201c\u2019\u00bb\u00ab\u203a)]}")
    after = text[end + 1]
    if len(bare) < len(stops) and after.islower():
        return False
    if bare == ".":
        return not _is_abbreviation(text, start, mark.start(), after)
    return not set(bare) <= {".", "\u2026"}


def _is_abbreviation(text: str, start: int, stop: int, after: str) -> bool:
    """Whether the full stop at ``stop`` belongs to its word and not to the sentence. ``after`` is what comes next."""
    found = _WORD_BEFORE.search(text, max(start, stop - _WORD_REACH), stop)
    word = found.group() if found else ""
    low = word.lower()
    if after.islower():
        first = _LETTER.search(text, start, stop)
        # All-lowercase chat has sentences too; elsewhere a small letter says that the sentence goes on.
        if low in _OFTEN_LAST or (first and first.group().isupper()):
            return True
    if low in _OFTEN_LAST:
        return False
    if low in _NEVER_LAST or _DOTTED.match(word) or (len(word) == 1 and word.isupper() and word != "I"):
        return True
    if found and _NUMBER.match(word):
        return not text[start : found.start()].strip()
    return (low in _BEFORE_A_NUMBER or len(word) == 1) and after.isdigit()


def _clause_border(text: str, least: int, reach: int, *, early: bool) -> int | None:
    """The end of a clause between ``least`` and ``reach``; a mark is preferred to a conjunction."""
    for pattern in (_CLAUSE_MARK, _CLAUSE_WORD):
        borders = [m.end() if pattern is _CLAUSE_MARK else m.start() for m in pattern.finditer(text, least, reach + 1)]
        borders = [border for border in borders if border <= reach]
        if borders:
            return borders[0] if early else borders[-1]
    return None


def _hard_end(text: str, start: int, limit: int) -> int:
    """The last space that keeps the piece below ``limit``; inside a word only when it alone is longer."""
    reach = _advance(text, start, limit)
    space = text.rfind(" ", start + 1, reach + 1)
    if space > start:
        return space
    end = reach
    while end > start and _joined(text, start, end):
        end -= 1
    return end if end > start else reach


def _joined(text: str, start: int, at: int) -> bool:
    """Whether the characters on both sides of ``at`` are one letter to a reader (a grapheme)."""
    left, right = text[at - 1], text[at]
    if unicodedata.category(right) in {"Mn", "Mc", "Me"} or "\u200d" in (left, right):
        return True
    if "\U0001f3fb" <= right <= "\U0001f3ff" or right == "\u200c":
        return True
    if _is_flag_half(left) and _is_flag_half(right):
        run = at
        while run > start and _is_flag_half(text[run - 1]):
            run -= 1
        return (at - run) % 2 == 1
    return False


def _is_flag_half(character: str) -> bool:
    return "\U0001f1e6" <= character <= "\U0001f1ff"
