"""What to tell of a text that still grows, so that nothing told is ever taken back."""

from __future__ import annotations

import unicodedata

__all__ = ["growth", "remainder"]


def growth(told: str, settled: str) -> str:
    """What to append to ``told``, now that so much of the text is settled; "" where that contradicts what was told.

    A mark at the end is left for the next time: whether the sentence is over there, nobody knows while somebody speaks.
    """
    until = len(settled)
    while until and _may_change(settled[until - 1]):
        until -= 1
    steady = settled[:until].lstrip()
    return steady[len(told) :] if steady.startswith(told) else ""


def remainder(told: str, text: str) -> str:
    """What is missing of the whole ``text``; "" where nothing of it was told, or something else was."""
    return text[len(told) :] if told and text.startswith(told) else ""


def _may_change(character: str) -> bool:
    return character.isspace() or unicodedata.category(character).startswith("P")
