"""The ring returns what was pushed, by absolute position, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import Samples
from voicemode.core.ring import PrerollRing


def counting(n: int, start: int = 1) -> Samples:
    """1, 2, 3, …: no zeros, so padding would show."""
    return np.arange(start, start + n).astype(np.int16)


def test_an_empty_ring_has_nothing() -> None:
    """No sample was pushed, so none comes out."""
    ring = PrerollRing(10)
    assert (ring.total, ring.first, len(ring.since(0)), len(ring.last(5))) == (0, 0, 0, 0)


def test_a_ring_that_is_not_full_returns_no_leading_zeros() -> None:
    """Seven samples in a ring of ten are seven samples."""
    ring = PrerollRing(10)
    ring.push(counting(7))
    assert ring.since(0).tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert ring.last(10).tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_a_full_ring_keeps_the_newest() -> None:
    """Older samples than the capacity are gone, whatever position is asked for."""
    ring = PrerollRing(4)
    ring.push(counting(10))
    assert ring.first == 6
    assert ring.since(0).tolist() == [7, 8, 9, 10]
    assert ring.since(8).tolist() == [9, 10]
    assert ring.last(3).tolist() == [8, 9, 10]


def test_positions_beyond_the_end_are_empty() -> None:
    """The future has not been heard."""
    ring = PrerollRing(4)
    ring.push(counting(3))
    assert len(ring.since(3)) == 0
    assert len(ring.since(99)) == 0
    assert len(ring.last(0)) == 0


def test_a_held_stretch_grows_beyond_the_capacity() -> None:
    """While it is kept, an utterance of any length stays whole."""
    ring = PrerollRing(4)
    ring.push(counting(4))
    ring.keep_from(2)
    ring.push(counting(100, 5))
    assert ring.since(0).tolist() == list(range(3, 105))


def test_release_falls_back_to_the_capacity() -> None:
    """After the utterance only the pre-roll remains, and memory is given back."""
    ring = PrerollRing(4)
    ring.keep_from(0)
    ring.push(counting(1000))
    ring.release()
    assert ring.since(0).tolist() == [997, 998, 999, 1000]
    assert len(ring._buffer) < 100


def test_holding_cannot_bring_back_what_was_dropped() -> None:
    """Lost samples stay lost: no gap is filled with zeros."""
    ring = PrerollRing(4)
    ring.push(counting(10))
    ring.keep_from(0)
    ring.push(counting(10, 11))
    assert ring.since(0).tolist() == list(range(7, 21))


def test_memory_stays_bounded() -> None:
    """An hour of waiting needs no more than the pre-roll."""
    ring = PrerollRing(100)
    for _ in range(1000):
        ring.push(counting(160))
    assert len(ring._buffer) <= 4 * 260


def test_what_is_returned_is_a_copy() -> None:
    """A transcriber may keep it while the ring goes on."""
    ring = PrerollRing(4)
    ring.push(counting(4))
    heard = ring.since(0)
    for _ in range(5):
        ring.push(counting(2, 50))
    assert heard.tolist() == [1, 2, 3, 4]


def test_a_negative_capacity_is_refused() -> None:
    """It has no meaning."""
    with pytest.raises(ValueError, match="cannot keep"):
        PrerollRing(-1)


@settings(max_examples=30, deadline=None)
@given(
    st.integers(0, 30),
    st.lists(
        st.one_of(
            st.tuples(st.just("push"), st.integers(0, 50)),
            st.tuples(st.just("keep"), st.integers(0, 200)),
            st.tuples(st.just("release"), st.just(0)),
        ),
        max_size=15,
    ),
    st.integers(0, 300),
)
def test_it_is_a_window_on_the_stream(capacity: int, steps: list[tuple[str, int]], position: int) -> None:
    """Whatever happens, it equals a list that remembers everything, cut at the oldest kept position."""
    ring, stream, first = PrerollRing(capacity), list[int](), 0
    held: int | None = None
    for step, value in steps:
        if step == "push":
            block = counting(value, len(stream) + 1)
            ring.push(block)
            stream += block.tolist()
        elif step == "keep":
            ring.keep_from(value)
            held = max(value, first)
        else:
            ring.release()
            held = None
        oldest = max(len(stream) - capacity, 0)
        first = oldest if held is None else min(held, oldest)
    assert (ring.total, ring.first) == (len(stream), first)
    assert ring.since(position).tolist() == stream[max(position, first) :]
    assert ring.last(position).tolist() == stream[first:][-position if position else len(stream) :]


@settings(max_examples=100, deadline=None)
@given(
    pushed=st.lists(st.integers(1, 9), min_size=1, max_size=12),
    position=st.integers(-5, 60),
    length=st.integers(0, 20),
    held=st.one_of(st.none(), st.integers(0, 40)),
)
def test_amended_is_what_is_kept_and_nothing_is_added(pushed: list[int], position: int, length: int, held: int | None) -> None:
    """Wherever it lies: what was dropped stays lost, and what has not come yet is not there."""
    ring, stream = PrerollRing(10), np.zeros(0, np.int16)
    for at, count in enumerate(pushed):
        ring.push(counting(count, len(stream) + 1))
        stream = np.concatenate([stream, counting(count, len(stream) + 1)])
        if at == 1 and held is not None:
            ring.keep_from(held)
    first = ring.first
    ring.amend(position, -counting(length))
    for at in range(max(position, 0), min(position + length, len(stream))):
        stream[at] = -(at - position + 1)
    assert (ring.first, ring.total) == (first, len(stream))
    assert ring.since(0).tolist() == stream[first:].tolist()
