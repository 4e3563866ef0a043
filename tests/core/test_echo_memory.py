"""What is heard once more is what was heard: the last five seconds, and before them the far end that echoes in them."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicemode.audio import Samples
from voicemode.core.echo_memory import EchoMemory
from voicemode.core.linear_echo import FRAME, REACH

FRAMES, BEFORE = 500, REACH // FRAME


def fed(memory: EchoMemory, first: int, count: int) -> None:
    """Frames that are filled with their number, from 1 on; the far end with 1,000 and the canceller's sound with 2,000 more."""
    for number in range(first + 1, first + count + 1):
        memory.push(*(np.full(FRAME, number + more, np.int16) for more in (0, 1_000, 2_000)))


def numbers(sound: Samples) -> list[int]:
    """One of each frame."""
    rows = sound.reshape(-1, FRAME)
    assert (rows == rows[:, :1]).all()
    return [int(number) for number in rows[:, 0]]


@given(pushed=st.integers(0, 1_300), since=st.integers(0, 700))
def test_the_last_frames_are_kept_that_what_is_known_holds_for(pushed: int, since: int) -> None:
    """In order, all three sounds; what was played before them is silence where nothing was."""
    memory = EchoMemory()
    fed(memory, 0, pushed)
    memory.forget()
    fed(memory, pushed, since)
    past, count, last = memory.past(), min(since, FRAMES), pushed + since
    expected = list(range(last - count + 1, last + 1))
    assert numbers(past.near) == expected
    assert numbers(past.far) == [number + 1_000 for number in expected]
    assert numbers(past.cleaned) == [number + 2_000 for number in expected]
    before = range(last - count - BEFORE + 1, last - count + 1)
    assert numbers(past.before) == [number + 1_000 if number > 0 else 0 for number in before]


def test_what_is_over_is_gone() -> None:
    """The far end too."""
    memory = EchoMemory()
    fed(memory, 0, 700)
    memory.clear()
    fed(memory, 0, 3)
    past = memory.past()
    assert numbers(past.near) == [1, 2, 3]
    assert not past.before.any()
