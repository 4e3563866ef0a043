"""Pronunciations that sound alike are near, others far."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from voicemode.engines.workers.phones import distance

_phones = st.lists(st.sampled_from(["AA", "AE", "B", "P", "T", "D", "S", "Z", "M", "N", "L", "R", "SIL"]), max_size=8)


@given(_phones, _phones)
def test_it_is_a_distance_between_zero_and_one(first: list[str], second: list[str]) -> None:
    """Symmetric, and 0 for the same."""
    assert distance(first, first) == 0
    assert 0 <= distance(first, second) <= 1
    assert distance(first, second) == distance(second, first)


def test_like_for_like_is_half_an_edit() -> None:
    """ "bet" is nearer to "pat" than to "sit"."""
    assert distance(["B", "EH", "T"], ["P", "AE", "T"]) == 1 / 3
    assert distance(["B", "EH", "T"], ["S", "IH", "L"]) > 0.8


def test_nothing_is_entirely_different_from_something() -> None:
    """An empty recognition is no match."""
    assert distance([], ["B", "EH"]) == 1
