"""Somebody is found by little evidence that lasts or by much that does not, and nobody by evidence that comes and goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.presence import FOUND_S, SURE_S, Presence

shares = st.floats(0, 1)


def sums(evidence: list[float]) -> list[float]:
    presence = Presence()
    told = []
    for each in evidence:
        presence.push(each)
        told.append(presence.sum_s)
    return told


def found_after(evidence: list[float]) -> int | None:
    """Frames of 10 ms."""
    return next((at + 1 for at, sum_s in enumerate(sums(evidence)) if sum_s >= FOUND_S - 1e-9), None)


def test_much_evidence_is_enough_within_forty_milliseconds() -> None:
    """As of a voice that is louder than the echo."""
    assert found_after([1.0] * 10) == 4


def test_a_soft_voice_is_found_though_half_of_its_frames_show_nothing() -> None:
    """In an eighth of a second."""
    assert found_after([0.4, 0.0, 0.3, 0.0] * 10) == 13


def test_what_is_as_rare_as_without_anybody_is_never_enough() -> None:
    """A tenth on average, for an hour."""
    chance = np.random.default_rng(1)
    assert found_after(list(0.2 * chance.random(360_000) * (chance.random(360_000) < 0.5))) is None


def test_typing_is_never_enough() -> None:
    """Eight strokes of 30 ms a second are no echo, and everything speaks for them."""
    assert found_after(([1.0] * 3 + [0.0] * 10) * 480) is None


def test_it_tells_since_when() -> None:
    """Since the sum was nothing."""
    presence = Presence()
    for evidence in [0.3] * 3 + [0.0] * 20 + [0.3] * 7:
        presence.push(evidence)
    assert presence.for_s == pytest.approx(0.07)
    presence.reset()
    assert (presence.sum_s, presence.for_s) == (0, 0)


@given(evidence=st.lists(shares, max_size=300))
def test_the_sum_stays_within_bounds_and_is_forgotten_within_a_third_of_a_second(evidence: list[float]) -> None:
    """Whoever has stopped speaking is gone."""
    told = sums(evidence + [0.0] * 31)
    assert min(told) >= 0
    assert max(told) <= 0.03
    assert told[-1] == 0


@given(evidence=st.lists(shares, min_size=1, max_size=100), parts=st.integers(1, 5))
def test_frames_of_any_length_add_up_to_the_same(evidence: list[float], parts: int) -> None:
    """Evidence that is the same throughout a frame may come in pieces."""
    whole, pieces = Presence(), Presence()
    for each in evidence:
        whole.push(each, 0.01)
        for _ in range(parts):
            pieces.push(each, 0.01 / parts)
    assert pieces.sum_s == pytest.approx(whole.sum_s, abs=1e-9)


def test_to_pause_takes_more_than_to_be_found() -> None:
    """Else nobody would be asked twice."""
    assert SURE_S > FOUND_S
