"""What a loudspeaker at the other end of a line plays: nothing is heard twice or left out, whatever happens in between."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from voicemode.core.remote_playout import KEPT_S, RemoteClock, RemotePlayout

RATE = 1_000
"""So that a sample is a millisecond."""


class TestClock:
    def test_the_message_that_came_soonest_tells_how_clocks_differ(self) -> None:
        """Others were only late."""
        clock = RemoteClock()
        for sent, late in ((0.0, 0.30), (0.1, 0.02), (0.2, 0.25), (0.3, 0.04)):
            clock.learn(sent, 100.0 + sent + late)
        assert clock.ours(1.0) == pytest.approx(101.02, abs=0.001)

    def test_a_clock_that_runs_slower_is_followed(self) -> None:
        """500 ppm for an hour are 1.8 s."""
        clock = RemoteClock()
        for second in range(3_600):
            clock.learn(second * 0.9995, 100.0 + second + 0.01)
        assert clock.ours(3_599 * 0.9995) == pytest.approx(100.0 + 3_599 + 0.01, abs=0.01)

    def test_without_a_message_nothing_is_known(self) -> None:
        """And nothing is guessed."""
        with pytest.raises(ValueError, match="nothing has come"):
            RemoteClock().ours(1.0)

    @given(st.lists(st.tuples(st.floats(0.001, 1.0), st.floats(0, 0.5)), min_size=1, max_size=50))
    def test_it_is_never_earlier_than_the_truth(self, steps: list[tuple[float, float]]) -> None:
        """By the least delay there was at most, and what clocks may creep."""
        clock, now, late = RemoteClock(), 0.0, [0.0]
        for step, delay in steps:
            now += step
            late.append(delay)
            clock.learn(now, 50.0 + now + delay)
            assert clock.ours(now) >= 50.0 + now - 1e-9
            assert clock.ours(now) <= 50.0 + now + delay + 1e-9


def playing(samples: int = 2_000) -> RemotePlayout:
    playout = RemotePlayout(RATE)
    playout.push(np.arange(samples, dtype=np.int16))
    return playout


def send_all(playout: RemotePlayout) -> list[int]:
    sent: list[int] = []
    while (piece := playout.next(100)) is not None:
        sent += piece[1].tolist()
    return sent


class TestPlayout:
    def test_only_so_much_is_sent_ahead(self) -> None:
        """0.4 s; each report makes room."""
        playout = playing()
        assert len(send_all(playout)) == 400
        playout.report(100, 10.0)
        assert send_all(playout) == list(range(400, 500))

    def test_between_reports_it_goes_on_with_time(self) -> None:
        """Until what was sent is over."""
        playout = playing()
        send_all(playout)
        playout.report(100, 10.0)
        assert [playout.played(at) for at in (9.0, 10.0, 10.05, 99.0)] == [100, 100, 150, 400]
        assert playout.first_at == pytest.approx(9.9)
        assert playout.until(10.0) == pytest.approx(11.9)

    def test_after_the_end_it_tells_when_that_was(self) -> None:
        """However late somebody asks."""
        playout = playing(300)
        send_all(playout)
        playout.report(300, 10.0)
        assert (playout.until(50.0), playout.played(50.0), playout.waiting) == (10.0, 300, 0)

    def test_while_held_it_tells_when_it_would_end(self) -> None:
        """If it went on now."""
        playout = playing(1_000)
        send_all(playout)
        playout.report(200, 10.0)
        playout.held = True
        playout.cut(250, 10.05)
        assert playout.until(20.0) == pytest.approx(20.75)
        assert send_all(playout) == []

    def test_a_stumble_moves_all_that_follows(self) -> None:
        """A report that comes out otherwise is believed; one that jitters is not."""
        playout = playing()
        send_all(playout)
        assert playout.report(100, 10.0)
        assert not playout.report(150, 10.06)
        assert playout.audible_at(200) == pytest.approx(10.1)
        assert playout.report(200, 10.3)
        assert playout.audible_at(300) == pytest.approx(10.4)

    def test_nobody_can_go_back_further_than_is_kept(self) -> None:
        """The nearest position there is."""
        playout = playing(10_000)
        for position in range(100, 9_001, 100):
            send_all(playout)
            playout.report(position, 10.0 + position / RATE)
        playout.push(np.zeros(10, np.int16))
        playout.cut(9_000, 20.0)
        playout.seek(0)
        assert 0 <= playout.sent <= 9_000 - KEPT_S * RATE


class Conversation(RuleBasedStateMachine):
    """A page that plays what it was sent, and an agent that pauses, goes back, withdraws and drops."""

    def __init__(self) -> None:
        super().__init__()
        self.playout = RemotePlayout(RATE)
        self.now = 0.0
        self.pushed = 0
        self.page: list[int] = []
        """What waits in the page."""
        self.position = 0
        """The page's."""
        self.heard: list[int] = []
        self.expected: list[int] = []
        """The stream as it is to be heard, by position."""

    @rule(count=st.integers(1, 600))
    def push(self, count: int) -> None:
        piece = np.arange(self.pushed, self.pushed + count) % 30_000
        self.pushed += count
        self.expected += piece.tolist()
        self.playout.push(piece.astype(np.int16))

    @rule()
    def send(self) -> None:
        while (piece := self.playout.next(40)) is not None:
            position, samples = piece
            assert position == self.position + len(self.page)
            self.page += samples.tolist()

    @rule(count=st.integers(1, 300))
    def play(self, count: int) -> None:
        if self.playout.held:
            return
        played, self.page = self.page[:count], self.page[count:]
        for at, sample in enumerate(played, self.position):
            assert sample == self.expected[at]
        self.position += len(played)
        self.now += len(played) / RATE
        if played:
            self.playout.report(self.position, self.now)

    @precondition(lambda self: not self.playout.held)
    @rule()
    def pause(self) -> None:
        self.playout.held = True
        self.playout.cut(self.position, self.now)
        self.page = []

    @precondition(lambda self: self.playout.held)
    @rule(back=st.integers(0, 2_000))
    def resume(self, back: int) -> None:
        self.playout.seek(self.position - back)
        self.position = self.playout.sent
        self.playout.held = False

    @rule(back=st.integers(0, 500))
    def withdraw(self, back: int) -> None:
        mark = max(self.playout.pushed - back, 0)
        self.playout.withdraw(mark)
        del self.expected[max(mark, self.playout.sent) :]

    @rule()
    def stop(self) -> None:
        self.playout.cut(self.position, self.now)
        self.playout.drop()
        self.playout.held = False
        self.page = []
        del self.expected[self.position :]

    @invariant()
    def counts_agree(self) -> None:
        assert self.playout.pushed == len(self.expected)
        assert self.playout.played(self.now) == self.position
        assert self.position <= self.playout.sent <= self.playout.pushed


TestConversation = Conversation.TestCase
