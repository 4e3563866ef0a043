"""Sound by the clock: never far ahead of what is heard, whole, and told when it was heard."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.audio import Samples
from voicemode.transports.paced import PacedPlayout, Pacing

RATE = 24_000
PACING = Pacing(ahead_s=0.5, delay_s=0.01, tail_s=0.2)


def tone(ms: int) -> Samples:
    return np.arange(ms * RATE // 1000).astype(np.int16)


@dataclass(eq=False)
class Timer:
    at: float
    callback: Callable[[], None]
    cancelled: bool = False

    def cancel(self) -> None:
        self.cancelled = True


@dataclass
class Room:
    """A clock that is put forward, and a client that plays as gptme's player does: max(now + 10 ms, where it stands)."""

    now: float = 100.0
    sent: list[tuple[float, Samples]] = field(default_factory=list)
    told: list[tuple[str, str, float]] = field(default_factory=list)
    timers: list[Timer] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.playout = PacedPlayout(
            lambda samples: self.sent.append((self.now, samples)), PACING, clock=lambda: self.now, call_later=self._later
        )
        self.playout.listen(self)

    def _later(self, delay_s: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(self.now + delay_s, callback))
        return self.timers[-1]

    def pass_time(self, seconds: float) -> None:
        until = self.now + seconds
        while True:
            due = sorted((each for each in self.timers if not each.cancelled and each.at <= until), key=lambda each: each.at)
            if not due:
                break
            self.timers.remove(due[0])
            self.now = max(self.now, due[0].at)
            due[0].callback()
        self.now = until

    def playout_started(self, response_id: str) -> None:
        self.told.append(("started", response_id, self.now))

    def playout_stopped(self, response_id: str) -> None:
        self.told.append(("stopped", response_id, self.now))

    @property
    def whole(self) -> Samples:
        return np.concatenate([each for _, each in self.sent])

    @property
    def plays_until(self) -> float:
        """By the client's player."""
        until = 0.0
        for at, samples in self.sent:
            until = max(at + 0.01, until) + len(samples) / RATE
        return until


def test_all_sound_is_sent_once_and_in_order() -> None:
    """However it was cut when it was written."""
    room = Room()
    for piece in np.array_split(tone(3000), 7):
        room.playout.write("a", piece)
    room.playout.finish("a")
    room.pass_time(5)
    np.testing.assert_array_equal(room.whole, tone(3000))


def test_the_first_sound_leaves_at_once_and_little_is_ahead() -> None:
    """Half a second at any time."""
    room = Room()
    room.playout.write("a", tone(3000))
    assert room.sent[0][0] == 100.0
    for _ in range(300):
        room.pass_time(0.01)
        assert room.plays_until - room.now <= PACING.ahead_s + PACING.delay_s + 1e-6
        assert room.plays_until >= min(room.now, 103.0)  # and it never runs dry


def test_the_end_is_told_when_the_last_sample_was_heard() -> None:
    """Not when it was sent: a client that stops what it plays at the end would lose half a second."""
    room = Room()
    room.playout.write("a", tone(2000))
    room.playout.finish("a")
    room.pass_time(5)
    assert [each[:2] for each in room.told] == [("started", "a"), ("stopped", "a")]
    assert room.told[1][2] == pytest.approx(room.plays_until + PACING.tail_s)


def test_an_end_that_is_said_late_is_told_then() -> None:
    """The engine says that nothing more comes when it knows."""
    room = Room()
    room.playout.write("a", tone(100))
    room.pass_time(3)
    assert len(room.told) == 1
    room.playout.finish("a")
    assert room.told[1] == ("stopped", "a", 103.0)


def test_a_flush_is_silent_at_once_and_knows_what_was_heard() -> None:
    """By the clock, not by what was sent."""
    room = Room()
    room.playout.write("a", tone(3000))
    room.playout.write("b", tone(3000))
    room.pass_time(1)
    sent = len(room.sent)
    assert room.playout.flush() == 990
    room.pass_time(5)
    assert len(room.sent) == sent
    assert [each[0] for each in room.told] == ["started"]


def test_what_came_late_is_not_counted_as_heard() -> None:
    """The synthesizer paused: the client was silent meanwhile."""
    room = Room()
    room.playout.write("a", tone(300))
    room.pass_time(2)
    room.playout.write("a", tone(1000))
    room.pass_time(0.51)
    assert room.playout.flush() == 800


def test_answers_follow_one_another() -> None:
    """The second begins when the first was heard, since its end takes all sound with it."""
    room = Room()
    for name in ("a", "b"):
        room.playout.write(name, tone(400))
        room.playout.finish(name)
    room.pass_time(3)
    assert [each[:2] for each in room.told] == [("started", "a"), ("stopped", "a"), ("started", "b"), ("stopped", "b")]


def test_nothing_is_sent_after_the_listener_left() -> None:
    """The session is over."""
    room = Room()
    room.playout.write("a", tone(3000))
    sent = len(room.sent)
    room.playout.listen(None)
    room.playout.write("a", tone(3000))
    room.pass_time(5)
    assert len(room.sent) == sent


def test_what_waits_is_told_in_seconds_and_falls() -> None:
    """So the engine knows when to make more."""
    room = Room()
    room.playout.write("a", tone(3000))
    before = room.playout.queued_s
    room.pass_time(1)
    assert before == pytest.approx(2.5, abs=0.11)
    assert room.playout.queued_s == pytest.approx(1.5, abs=0.11)


@given(st.lists(st.tuples(st.integers(0, 700), st.floats(0, 1.5)), max_size=12))
def test_whatever_comes_when_all_of_it_is_heard_before_the_end_is_told(pieces: list[tuple[int, float]]) -> None:
    """Any lengths with any pauses."""
    room = Room()
    for ms, pause_s in pieces:
        room.playout.write("a", tone(ms))
        room.pass_time(pause_s)
    room.playout.finish("a")
    room.pass_time(60)
    total = sum(len(tone(ms)) for ms, _ in pieces)
    assert sum(len(samples) for _, samples in room.sent) == total
    if total:
        assert room.told[-1][0] == "stopped"
        assert room.told[-1][2] >= room.plays_until
