"""How alike two pronunciations are. Pure."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["distance"]

_ALIKE = [
    frozenset(phones.split())
    for phones in (
        "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW",
        "B P",
        "D T DH TH",
        "G K",
        "F V",
        "S Z SH ZH CH JH",
        "M N NG",
        "L R W Y",
        "CH D JH T",
        "F TH",
        "S TH",
        "B DH V",
    )
]
"""Phones of the CMU dictionary that recognisers and people mistake for one another."""

_HALF = 0.5


def distance(first: Sequence[str], second: Sequence[str]) -> float:
    """0 for the same phones, 1 for entirely different ones: edits per phone of the longer; like for like is half an edit."""
    longer = max(len(first), len(second))
    if not longer:
        return 0.0
    row = [float(column) for column in range(len(second) + 1)]
    for number, phone in enumerate(first, 1):
        above, row = row, [float(number)]
        for column, other in enumerate(second, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + _substitution(phone, other)))
    return row[-1] / longer


def _substitution(phone: str, other: str) -> float:
    if phone == other:
        return 0.0
    return _HALF if any(phone in group and other in group for group in _ALIKE) else 1.0
