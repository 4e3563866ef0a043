"""What was queued leaves in order, frame by frame, and what left is counted."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicemode.audio import Samples
from voicemode.core.playout_queue import Happening, PlayoutQueue

FRAME = 480


def counting(n: int, start: int = 1) -> Samples:
    """No zeros, so padding would show."""
    return np.arange(start, start + n).astype(np.int16)


def test_without_sound_there_is_silence_and_nothing_happens() -> None:
    """As many samples as were asked for."""
    frame = PlayoutQueue().take(FRAME)
    assert len(frame.samples) == FRAME
    assert not frame.samples.any()
    assert not frame.happenings
    assert frame.silent


def test_an_answer_starts_with_its_first_sample_and_has_stopped_once_its_last_frame_was_heard() -> None:
    """One and a half frames of sound: it has stopped with the third."""
    queue = PlayoutQueue()
    queue.write("a", counting(FRAME + FRAME // 2))
    queue.finish("a")
    assert [queue.take(FRAME).happenings for _ in range(4)] == [(("started", "a"),), (), (("stopped", "a"),), ()]


def test_a_pause_of_the_engine_is_silence_within_the_answer() -> None:
    """It has neither stopped, nor does it start again."""
    queue = PlayoutQueue()
    queue.write("a", counting(FRAME))
    queue.take(FRAME)
    assert (queue.take(FRAME).happenings, queue.heard) == ((), FRAME)
    queue.write("a", counting(FRAME))
    assert queue.take(FRAME).happenings == ()
    assert queue.heard == 2 * FRAME


def test_the_end_may_be_known_only_after_the_last_sample_left() -> None:
    """Then it has stopped with the next frame."""
    queue = PlayoutQueue()
    queue.write("a", counting(FRAME))
    queue.take(FRAME)
    queue.finish("a")
    assert queue.take(FRAME).happenings == (("stopped", "a"),)


def test_one_answer_follows_the_other() -> None:
    """The second one's sound begins with a frame of its own, in which the first one has stopped."""
    queue = PlayoutQueue()
    for name in "ab":
        queue.write(name, counting(100))
        queue.finish(name)
    frames = [queue.take(FRAME) for _ in range(3)]
    assert [frame.happenings for frame in frames] == [
        (("started", "a"),),
        (("stopped", "a"), ("started", "b")),
        (("stopped", "b"),),
    ]
    assert [int((frame.samples != 0).sum()) for frame in frames] == [100, 100, 0]


def test_an_answer_without_sound_neither_starts_nor_stops() -> None:
    """There was nothing to hear."""
    queue = PlayoutQueue()
    queue.finish("a")
    assert queue.take(FRAME).happenings == ()


def test_after_a_flush_there_is_silence_and_it_is_known_what_had_left() -> None:
    """What is still written to the answer is dropped; the next answer is heard."""
    queue = PlayoutQueue()
    queue.write("a", counting(10 * FRAME))
    queue.take(FRAME)
    queue.take(FRAME)
    assert queue.flush() == 2 * FRAME
    queue.write("a", counting(FRAME))
    queue.finish("a")
    assert (queue.queued, queue.take(FRAME).silent, queue.flush()) == (0, True, 0)
    queue.write("b", counting(FRAME))
    assert queue.take(FRAME).happenings == (("started", "b"),)


answers = st.lists(st.lists(st.integers(1, 2000), max_size=5), max_size=5)


@given(answers, st.integers(1, 1000))
def test_every_sample_leaves_once_and_in_order(lengths: list[list[int]], frame: int) -> None:
    """Whatever the pieces and the frames, and each answer that has sound starts and stops once, in turn."""
    queue = PlayoutQueue()
    expected: list[int] = []
    happenings: list[Happening] = []
    value = 1
    for number, pieces in enumerate(lengths):
        for length in pieces:
            samples = ((np.arange(value, value + length) % 30_000) + 1).astype(np.int16)
            value += length
            expected += samples.tolist()
            queue.write(str(number), samples)
        queue.finish(str(number))
    heard: list[int] = []
    for _ in range(len(expected) // frame + 2 * len(lengths) + 2):
        taken = queue.take(frame)
        heard += taken.samples[taken.samples != 0].tolist()
        happenings += taken.happenings
    assert heard == expected
    sounding = [str(number) for number, pieces in enumerate(lengths) if pieces]
    assert happenings == [(what, name) for name in sounding for what in ("started", "stopped")]
    assert queue.queued == 0
