"""Framing loses, adds and reorders nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import Samples
from voicemode.core.framing import Framer


def counting(n: int, start: int = 1) -> Samples:
    return np.arange(start, start + n).astype(np.int16)


def test_a_block_shorter_than_a_frame_waits() -> None:
    """Nothing comes out before a frame is full, and pending says how much waits."""
    framer = Framer(160)
    assert framer.push(counting(100)) == []
    assert framer.pending == 100


def test_a_long_block_gives_several_frames() -> None:
    """One push may complete many frames; the rest waits for the next push."""
    framer = Framer(4)
    assert [frame.tolist() for frame in framer.push(counting(10))] == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert [frame.tolist() for frame in framer.push(counting(2, 11))] == [[9, 10, 11, 12]]


def test_flush_hands_out_the_rest_once() -> None:
    """What did not fill a frame is returned unpadded, and only once."""
    framer = Framer(4)
    framer.push(counting(6))
    assert framer.flush().tolist() == [5, 6]
    assert framer.flush().tolist() == []
    assert framer.pending == 0


def test_frames_do_not_change_when_the_caller_reuses_its_block() -> None:
    """An audio callback overwrites its buffer; frames and remainder must not follow."""
    framer = Framer(4)
    block = counting(6)
    frames = framer.push(block)
    block[:] = 0
    assert frames[0].tolist() == [1, 2, 3, 4]
    assert framer.flush().tolist() == [5, 6]


@pytest.mark.parametrize("size", [0, -1])
def test_a_frame_needs_a_sample(size: int) -> None:
    """An empty frame would loop for ever."""
    with pytest.raises(ValueError, match="at least one sample"):
        Framer(size)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 40), st.lists(st.integers(0, 90), max_size=12))
def test_any_cutting_gives_the_same_stream(frame_samples: int, sizes: list[int]) -> None:
    """Frames and remainder joined are the input, and every frame is full."""
    stream = counting(sum(sizes))
    framer, frames, at = Framer(frame_samples), [], 0
    for size in sizes:
        frames += framer.push(stream[at : at + size])
        at += size
    assert all(len(frame) == frame_samples for frame in frames)
    assert framer.pending == len(stream) % frame_samples
    assert np.concatenate([*frames, framer.flush()]).tolist() == stream.tolist()
