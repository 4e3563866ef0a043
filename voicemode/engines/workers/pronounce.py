"""How an English word that no dictionary has may be pronounced, in the phones of the CMU dictionary (ARPABET).

A guess for names and jargon among the expected answers: near is enough, since it only has to beat the other answers.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

__all__ = ["pronounce"]

Lookup = Callable[[str], str | None]
"""The dictionary: phones of a word, separated by spaces, or None."""

_SHORTEST_PART = 3
"""Letters; shorter halves of a compound ("re" + "dis") mislead."""

_ENDINGS = (("'s", "Z"), ("s", "Z"), ("ed", "D"), ("ing", "IH NG"), ("er", "ER"), ("ly", "L IY"))


def _table(lines: str) -> dict[str, str]:
    """Read "letters=phones, letters=phones"."""
    entries = (entry.split("=") for entry in lines.split(","))
    return {letters.strip(): phones.strip() for letters, phones in entries}


_LETTERS = _table(
    """
    a=EY, b=B IY, c=S IY, d=D IY, e=IY, f=EH F, g=JH IY, h=EY CH, i=AY, j=JH EY, k=K EY, l=EH L, m=EH M,
    n=EH N, o=OW, p=P IY, q=K Y UW, r=AA R, s=EH S, t=T IY, u=Y UW, v=V IY, x=EH K S, w=D AH B AH L Y UW,
    y=W AY, z=Z IY
    """
)
"""Names of the letters, for abbreviations."""

_SOUNDS = _table(
    """
    ough=AO, tion=SH AH N, sion=ZH AH N, igh=AY, tch=CH, sch=SH, dge=JH, ch=CH, sh=SH, th=TH, ph=F, wh=W,
    ck=K, ng=NG, qu=K W, gh=G, ee=IY, ea=IY, oo=UW, ou=AW, ow=OW, oi=OY, oy=OY, ai=EY, ay=EY, au=AO, aw=AO,
    ie=IY, ey=IY, ew=UW, oa=OW, ue=UW, ar=AA R, er=ER, ir=ER, ur=ER, or=AO R, ce=S EH, ci=S IH, cy=S IY,
    ge=JH EH, gi=JH IH, gy=JH IY, a=AE, b=B, c=K, d=D, e=EH, f=F, g=G, h=HH, i=IH, j=JH, k=K, l=L, m=M, n=N,
    o=AA, p=P, q=K, r=R, s=S, t=T, u=AH, v=V, w=W, x=K S, y=IY, z=Z
    """
)
"""The usual sound of a group of letters; the longest group that fits is taken."""

_LONG = {"a": "EY", "e": "IY", "i": "AY", "o": "OW", "u": "UW"}
"""A vowel before one consonant and a final e."""

_VOWELS = frozenset("aeiouy")


def pronounce(word: str, lookup: Lookup) -> str | None:
    """Phones for ``word``, from the dictionary, from its parts, or by the rules; None when it has no letter of ours."""
    known = lookup(word)
    if known is not None:
        return known
    letters = "".join(c for c in unicodedata.normalize("NFKD", word.lower()) if c in _LETTERS or c == "'")
    if not letters.strip("'"):
        return None
    return lookup(letters) or _inflected(letters, lookup) or _compound(letters, lookup) or _guess(letters.replace("'", ""))


def _inflected(word: str, lookup: Lookup) -> str | None:
    for ending, phones in _ENDINGS:
        stem = lookup(word.removesuffix(ending)) if word.endswith(ending) and len(word) > len(ending) + 2 else None
        if stem is not None:
            return f"{stem} {phones}"
    return None


def _compound(word: str, lookup: Lookup) -> str | None:
    """Two known words in one, such as "filename"; the most even cut is the likeliest."""
    cuts = range(_SHORTEST_PART, len(word) - _SHORTEST_PART + 1)
    for cut in sorted(cuts, key=lambda cut: abs(2 * cut - len(word))):
        first, second = lookup(word[:cut]), lookup(word[cut:])
        if first is not None and second is not None:
            return f"{first} {second}"
    return None


def _guess(word: str) -> str:
    if not _VOWELS.intersection(word):
        return " ".join(_LETTERS[letter] for letter in word)
    phones: list[str] = []
    silent_e = len(word) > 3 and word[-1] == "e" and word[-2] not in _VOWELS and word[-3] in _LONG
    spoken = word[:-1] if silent_e else word
    at = 0
    while at < len(spoken):
        if silent_e and at == len(spoken) - 2:
            group, phone = spoken[at], _LONG[spoken[at]]
        elif at == 0 and spoken[0] == "y":
            group, phone = "y", "Y"
        else:
            group = next(spoken[at : at + size] for size in (4, 3, 2, 1) if spoken[at : at + size] in _SOUNDS)
            phone = _SOUNDS[group]
        if not (phones and phones[-1] == phone and group not in _VOWELS):  # a double consonant sounds once
            phones.append(phone)
        at += len(group)
    return " ".join(phones)
