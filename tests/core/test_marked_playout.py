"""Sound whose playing is told by marks: what was heard is what the marks say, and never more."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from voicemode.audio import Samples
from voicemode.core.marked_playout import MarkedPlayout


class Far:
    """The other end: keeps what it was sent, and what was told meanwhile."""

    def __init__(self) -> None:
        self.sent: list[Samples] = []
        self.told: list[tuple[str, str]] = []
        self.playout = MarkedPlayout(self.sent.append)
        self.playout.listen(self)

    def playout_started(self, response_id: str) -> None:
        self.told.append(("started", response_id))

    def playout_stopped(self, response_id: str) -> None:
        self.told.append(("stopped", response_id))

    @property
    def sent_ms(self) -> int:
        return sum(map(len, self.sent)) // 24


def sound(ms: int) -> Samples:
    return np.ones(24 * ms, np.int16)


def test_an_answer_is_heard_piece_by_piece() -> None:
    """It has begun when its first sound left, and is over when the mark behind its last one came back."""
    far = Far()
    far.playout.write("a", sound(250))
    assert ([len(each) // 24 for each in far.sent], far.told) == ([100, 100, 50], [("started", "a")])
    far.playout.finish("a")
    far.playout.played(3)
    assert far.told == [("started", "a")]
    far.playout.played(4)
    assert far.told == [("started", "a"), ("stopped", "a")]
    assert far.playout.queued_s == 0


def test_no_more_than_two_seconds_are_ahead() -> None:
    """What was played makes room for more."""
    far = Far()
    far.playout.write("a", sound(5000))
    assert far.sent_ms == 2000
    assert far.playout.queued_s == 5.0
    far.playout.played(5)
    assert (far.sent_ms, far.playout.queued_s) == (2500, 4.5)


def test_a_flush_tells_what_was_heard_and_drops_the_rest() -> None:
    """Marks that come back because it was cleared say nothing."""
    far = Far()
    far.playout.write("a", sound(5000))
    far.playout.played(7)
    assert far.playout.flush() == 700
    far.playout.played(20)
    assert (far.playout.queued_s, far.told) == (0, [("started", "a")])
    far.playout.write("b", sound(100))
    far.playout.finish("b")
    far.playout.played(len(far.sent))
    assert far.told[1:] == [("started", "b"), ("stopped", "b")]
    assert far.playout.flush() == 0


def test_answers_follow_one_another_without_a_gap() -> None:
    """The second is on its way while the first one is heard, and is not counted as heard."""
    far = Far()
    far.playout.write("a", sound(100))
    far.playout.write("b", sound(100))
    assert far.sent_ms == 100
    far.playout.finish("a")
    assert far.sent_ms == 220
    far.playout.played(1)
    assert far.playout.flush() == 100


def test_nobody_hears_what_nobody_listens_for() -> None:
    """After the session ended, sound goes nowhere."""
    far = Far()
    far.playout.write("a", sound(300))
    far.playout.listen(None)
    far.playout.write("a", sound(300))
    far.playout.finish("a")
    assert (far.sent_ms, far.playout.queued_s) == (300, 0)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from("abc"), st.integers(0, 700)),
        st.tuples(st.just("finish"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("played"), st.just(""), st.integers(0, 40)),
        st.tuples(st.just("flush"), st.just(""), st.just(0)),
    ),
    max_size=40,
)


@given(steps)
def test_whatever_happens_nothing_is_heard_that_was_not_sent(happenings: list[tuple[str, str, int]]) -> None:
    """Nor more than the marks say; every answer that stops has started; and there is never more ahead than may be."""
    far, last_mark, flushed_at = Far(), 0, 0
    for kind, name, number in happenings:
        if kind == "write":
            far.playout.write(name, sound(number))
        elif kind == "finish":
            far.playout.finish(name)
        elif kind == "played":
            far.playout.played(number)
            last_mark = max(last_mark, min(number, len(far.sent)))
        else:
            heard_ms = far.playout.flush()
            assert heard_ms <= sum(len(each) for each in far.sent[flushed_at:last_mark]) / 24
            flushed_at = len(far.sent)
        unheard = sum(len(each) for each in far.sent[max(last_mark, flushed_at) :]) / 24
        assert unheard <= 2100
        assert far.playout.queued_s * 1000 >= unheard - 1e-6
    started = [name for what, name in far.told if what == "started"]
    assert all(
        far.told[:at].count(("started", name)) > far.told[:at].count(("stopped", name))
        for at, (what, name) in enumerate(far.told)
        if what == "stopped"
    )
    assert set(started) >= {name for what, name in far.told if what == "stopped"}
