"""The queue between the event loop and the device's callback: held, rewound and made quieter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.queue_blocks import BLOCK, RATE, block, heard, playing, ramp
from voicemode.engines.playback_queue import KEPT_S, PlaybackQueue


def full(queue: PlaybackQueue, level: int = 1_000, count: int = 200) -> PlaybackQueue:
    queue.push(np.full(count, level, dtype=np.int16))
    queue.release()
    return queue


def test_a_hold_fades_out_and_what_was_fading_is_heard_again_fading_in() -> None:
    """Not a sample is lost: the five that faded come once more, and the two fades add up to the whole."""
    queue = full(PlaybackQueue(RATE))
    block(queue)
    queue.hold()
    assert block(queue).tolist() == [1000, 800, 600, 400, 200, 0, 0, 0, 0, 0]
    assert not block(queue).any()
    assert (queue.taken, queue.queued) == (10, 190)
    queue.go_on()
    assert block(queue).tolist() == pytest.approx([0, 200, 400, 600, 800, 1000, 1000, 1000, 1000, 1000], abs=1)
    assert (queue.taken, queue.queued) == (20, 180)


def test_nothing_is_due_while_it_is_held() -> None:
    """A hold is no lack of sound: what is pushed meanwhile plays when it goes on, without a release."""
    queue = playing(20)
    block(queue)
    queue.hold()
    block(queue)
    queue.push(ramp(21, 10))
    assert not queue.dry
    assert heard(queue) == []
    queue.go_on()
    assert heard(queue)[-10:] == list(range(21, 31))


def test_what_follows_a_replay_of_the_end_needs_no_release() -> None:
    """There is sound again, so what is pushed is next, as if the queue had never been empty."""
    queue = playing(20)
    assert heard(queue, 3) == list(range(1, 21))
    assert queue.dry
    queue.hold()
    queue.seek(5)
    block(queue)
    queue.push(ramp(21, 10))
    queue.go_on()
    assert heard(queue)[-20:] == list(range(11, 31))


def test_a_hold_of_silence_changes_nothing() -> None:
    """What begins after it begins whole, not faded in."""
    queue = PlaybackQueue(RATE)
    block(queue)
    queue.hold()
    block(queue)
    queue.push(ramp(1, 10))
    queue.release()
    assert heard(queue) == []
    queue.go_on()
    assert heard(queue) == list(range(1, 11))


def test_what_is_withdrawn_during_a_hold_is_not_heard_after_it() -> None:
    """What comes after it is."""
    queue = playing(15, 40)
    block(queue)
    queue.hold()
    queue.withdraw(15)
    block(queue)
    queue.push(ramp(101, 10))
    queue.go_on()
    out = heard(queue)
    assert out[-10:] == list(range(101, 111))
    assert max(out[:-10]) <= 15


def test_a_cut_ends_a_hold_and_forgets_the_past() -> None:
    """The next message is whole, and nothing of the old one can be replayed."""
    queue = playing(100)
    heard(queue, 3)
    queue.hold()
    block(queue)
    queue.cut()
    assert heard(queue, 2) == []
    assert (queue.queued, queue.held) == (0, False)
    queue.seek(0)
    queue.push(ramp(101, 20))
    queue.release()
    assert heard(queue) == list(range(101, 121))


def test_the_first_sound_is_forgotten_when_it_was_thrown_away_unheard() -> None:
    """Nothing was audible yet, so there was no first sound."""
    queue = full(PlaybackQueue(RATE))
    block(queue, 5.0)
    queue.hold()
    queue.seek(queue.played(4.99), 4.99)
    assert (queue.taken, queue.audible_until, queue.played(4.99)) == (0, None, 0)
    block(queue, 5.1)
    assert queue.first_audible_at is None
    queue.go_on()
    block(queue, 6.0)
    assert queue.first_audible_at == pytest.approx(6.0)


def test_played_samples_stand_still_until_the_replay_is_audible() -> None:
    """A device that is 40 ms behind has not unplayed anything."""
    queue = full(PlaybackQueue(RATE))
    for start in (1.04, 1.05, 1.06):
        block(queue, start)
    queue.hold()
    queue.seek(queue.played(1.05), 1.05)
    assert [queue.played(at) for at in (1.05, 1.2)] == [10, 10]
    block(queue, 1.09)
    queue.go_on()
    block(queue, 1.34)
    assert [queue.played(at) for at in (1.30, 1.34, 1.345, 1.35, 2.0)] == [10, 10, 15, 20, 20]


def test_the_gain_is_reached_in_fifteen_milliseconds_without_a_jump() -> None:
    """Down and up again; what is quiet starts at the gain it has."""
    queue = full(PlaybackQueue(RATE), count=100)
    block(queue)
    queue.gain = 0.25
    down = np.concatenate([block(queue), block(queue)])
    assert np.diff(down).min() == pytest.approx(-50, abs=1)
    assert (down[:14] > 250).all()
    assert (down[15:] == 250).all()
    queue.gain = 1.0
    up = np.concatenate([block(queue), block(queue)])
    assert np.diff(up).max() == pytest.approx(50, abs=1)
    assert (up[15:] == 1_000).all()
    quiet = PlaybackQueue(RATE)
    quiet.gain = 0.5
    assert (block(full(quiet)) == 500).all()


def test_a_gain_that_changes_on_its_way_turns_from_where_it_is() -> None:
    """No jump there either."""
    queue = full(PlaybackQueue(RATE))
    block(queue)
    queue.gain = 0.1
    part = block(queue)
    queue.gain = 1.0
    back = np.concatenate([block(queue), block(queue)])
    whole = np.concatenate([part, back]).astype(int)
    assert np.abs(np.diff(whole)).max() <= 62
    assert whole[-1] == 1_000


class Device:
    """Hears a queue of samples 1, 2, 3, ... with ``blocks_ahead`` blocks in its buffer. Of 100 Hz: a fade has no samples."""

    RATE = 100

    def __init__(self, blocks_ahead: int) -> None:
        self.queue = PlaybackQueue(self.RATE)
        self.ahead = blocks_ahead * BLOCK
        self.now = 0
        self.record: list[int] = []
        """What is audible at each sample of the clock, to the end of the buffer."""
        self.record += [0] * self.ahead
        self.joins: list[tuple[int, int]] = []
        """At each resume: the last sample that was heard, says the queue, and the one that is to follow."""

    def block(self) -> None:
        out = np.full((BLOCK, 1), 99, dtype=np.int16)
        self.queue.fill(out, (self.now + self.ahead) / self.RATE)
        self.record += out[:, 0].tolist()
        self.now += BLOCK

    def push(self, count: int) -> None:
        self.queue.push(np.arange(self.queue.pushed + 1, self.queue.pushed + count + 1, dtype=np.int16))
        self.queue.release()

    def pause(self, *, throw_away: bool, after: int) -> None:
        """``after`` so many samples of the block that plays, or when the buffer has been heard."""
        self.queue.hold()
        if throw_away:
            now = self.now + min(after, self.ahead)
            self.queue.seek(self.queue.played(now / self.RATE), now / self.RATE)
            self.now, self.record = now, self.record[:now] + [0] * self.ahead
            self.block()
        else:
            for _ in range(self.ahead // BLOCK + 1):
                self.block()

    def resume(self, back: int) -> None:
        last = self.queue.played(self.now / self.RATE)
        if back:
            self.queue.seek(last - back)
        self.joins.append((last, self.queue.taken + 1))
        self.queue.go_on()
        self.block()

    def heard(self) -> list[int]:
        return [sample for sample in self.record if sample]


STEPS = st.one_of(
    st.tuples(st.just("push"), st.integers(1, 45)),
    st.tuples(st.just("play"), st.integers(1, 6)),
    st.tuples(st.just("pause"), st.integers(0, 25), st.booleans(), st.integers(0, 5), st.integers(0, 60)),
)


@given(steps=st.lists(STEPS, max_size=40), ahead=st.integers(0, 5))
def test_pauses_and_replays_lose_nothing_and_double_only_what_they_say(
    steps: list[tuple[str, int] | tuple[str, int, bool, int, int]], ahead: int
) -> None:
    """Whatever is pushed, played, paused and replayed: each sample follows the one before, save where it was to go back."""
    device = Device(ahead)
    for step in steps:
        if step[0] == "push":
            device.push(step[1])
        elif step[0] == "play":
            for _ in range(step[1]):
                device.block()
        elif len(step) == 5:
            _, after, throw_away, silent_blocks, back = step
            device.pause(throw_away=throw_away, after=after)
            for _ in range(silent_blocks):
                device.block()
            device.resume(back)
    while device.queue.queued:
        device.block()
    assert device.heard() == _unrolled(device.joins, device.queue.pushed)


def _unrolled(joins: list[tuple[int, int]], pushed: int) -> list[int]:
    """What is heard when playback goes to the second of each pair after the first."""
    out: list[int] = []
    following = 1
    for last, first in joins:
        out += range(following, last + 1)
        following = first
    return [*out, *range(following, pushed + 1)]


def test_the_last_three_seconds_can_be_replayed_and_no_more() -> None:
    """What is older is let go, whatever the pieces were."""
    queue = PlaybackQueue(Device.RATE)
    queue.push(np.arange(1, 1_001, dtype=np.int16))
    queue.release()
    for _ in range(70):
        block(queue)
    queue.hold()
    queue.seek(0)
    queue.go_on()
    first = int(block(queue)[0])
    assert 700 - KEPT_S * Device.RATE - BLOCK < first <= 700 - KEPT_S * Device.RATE + 1
    assert queue.queued == 1_000 - (first - 1) - BLOCK
