"""The queue between the event loop and the device's callback."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engines.queue_blocks import BLOCK, RATE, block, heard, playing, ramp
from voicemode.engines.playback_queue import PlaybackQueue


def test_an_empty_queue_plays_silence() -> None:
    """The device gets zeros, never what was in its buffer."""
    assert not block(PlaybackQueue(RATE)).any()


def test_nothing_plays_before_it_is_released() -> None:
    """What is queued while silence plays waits for ``release``."""
    queue = PlaybackQueue(RATE)
    queue.push(ramp(1, 20))
    assert not block(queue).any()
    queue.release()
    assert block(queue).tolist() == list(range(1, 11))


def test_a_push_while_playing_needs_no_release() -> None:
    """Sound that arrives in time goes on without a gap."""
    queue = PlaybackQueue(RATE)
    queue.push(ramp(1, 10))
    queue.release()
    block(queue)
    queue.push(ramp(11, 10))
    assert block(queue).tolist() == list(range(11, 21))


def test_a_push_after_silence_waits_again() -> None:
    """Once silence was played, the next piece is held until it is released."""
    queue = PlaybackQueue(RATE)
    queue.push(ramp(1, 10))
    queue.release()
    block(queue)
    assert not block(queue).any()
    assert queue.dry
    queue.push(ramp(11, 10))
    assert not block(queue).any()


@given(pieces=st.lists(st.integers(1, 35), max_size=20))
def test_pieces_of_any_length_join_without_a_seam(pieces: list[int]) -> None:
    """Blocks cut across pieces in every way and still give each sample once, in order."""
    queue = PlaybackQueue(RATE)
    position = 1
    for length in pieces:
        queue.push(ramp(position, length))
        position += length
    queue.release()
    heard = np.concatenate([block(queue) for _ in range(sum(pieces) // BLOCK + 1)])
    assert heard[: position - 1].tolist() == list(range(1, position))
    assert not heard[position - 1 :].any()
    assert queue.taken == position - 1


def test_every_channel_gets_the_same() -> None:
    """A stereo device plays mono on both sides."""
    queue = PlaybackQueue(RATE)
    queue.push(ramp(1, BLOCK))
    queue.release()
    out = np.zeros((BLOCK, 2), dtype=np.int16)
    queue.fill(out, 0.0)
    assert (out[:, 0] == out[:, 1]).all()


def test_a_cut_fades_out_in_five_milliseconds() -> None:
    """After ``cut`` a playing queue falls to zero within 5 ms, without a jump, and the rest is gone."""
    queue = PlaybackQueue(RATE)
    queue.push(np.full(100, 1_000, dtype=np.int16))
    queue.release()
    block(queue)
    queue.cut()
    assert block(queue).tolist() == [1000, 800, 600, 400, 200, 0, 0, 0, 0, 0]
    assert queue.queued == 0
    assert queue.taken == 15


def test_a_cut_of_what_is_held_plays_nothing() -> None:
    """Sound that never began does not begin because it is dropped."""
    queue = PlaybackQueue(RATE)
    block(queue)
    queue.push(np.full(100, 1_000, dtype=np.int16))
    queue.cut()
    assert not block(queue).any()
    assert queue.taken == 0


def test_what_is_pushed_after_a_cut_is_played() -> None:
    """A new message right after ``cut`` is whole."""
    queue = PlaybackQueue(RATE)
    queue.push(np.full(100, 1_000, dtype=np.int16))
    queue.release()
    block(queue)
    queue.cut()
    queue.push(ramp(1, 5))
    queue.release()
    block(queue)
    assert block(queue).tolist() == [1, 2, 3, 4, 5, 0, 0, 0, 0, 0]


def test_the_last_sample_ends_when_its_block_says() -> None:
    """``audible_until`` follows the device's word for the last block that held sound, not for the silence after it."""
    queue = PlaybackQueue(RATE)
    block(queue, 6.99)
    heard = [queue.audible_until]
    queue.push(ramp(1, 15))
    queue.release()
    for audible_at in (7.00, 7.01, 7.02):
        block(queue, audible_at)
        heard.append(queue.audible_until)
    assert heard == [None, pytest.approx(7.01), pytest.approx(7.015), pytest.approx(7.015)]


def test_the_first_sample_is_dated_by_the_steady_blocks() -> None:
    """A device that starts by asking for three blocks at once gives all the same delay; the later ones correct it."""
    queue = PlaybackQueue(RATE)
    queue.push(ramp(1, 100))
    queue.release()
    for audible_at in (5.04, 5.04, 5.04, 5.04, 5.05):
        block(queue, audible_at)
    assert queue.first_audible_at == pytest.approx(5.01)


def test_what_is_withdrawn_before_its_turn_is_never_heard() -> None:
    """What was queued before it stays whole, what comes after it follows."""
    queue = playing(25, 40)
    queue.withdraw(25)
    queue.push(ramp(101, 15))
    assert heard(queue) == [*range(1, 26), *range(101, 116)]
    assert queue.queued == 0


def test_what_plays_when_it_is_withdrawn_fades_out() -> None:
    """In 5 ms, without a click; what comes after it follows."""
    queue = playing(5, 60)
    assert heard(queue, 2) == list(range(1, 21))
    queue.withdraw(5)
    queue.push(ramp(101, 15))
    out = heard(queue)
    assert out[-15:] == list(range(101, 116))
    assert len(out) - 15 <= 5


def test_withdrawing_what_was_played_already_changes_nothing() -> None:
    """Nor does withdrawing nothing."""
    queue = playing(10)
    assert heard(queue, 1) == list(range(1, 11))
    queue.withdraw(0)
    queue.withdraw(10)
    queue.push(ramp(11, 10))
    queue.release()
    assert heard(queue) == list(range(11, 21))


def test_a_piece_that_was_held_is_withdrawn_without_a_sound() -> None:
    """The next one is held again."""
    queue = PlaybackQueue(RATE)
    block(queue)
    queue.push(ramp(1, 8))
    queue.withdraw(0)
    assert heard(queue, 2) == []
    assert queue.dry
    queue.push(ramp(101, 8))
    assert heard(queue, 2) == []
    queue.release()
    assert heard(queue) == list(range(101, 109))


@pytest.mark.parametrize("mark", [25, 40, 65])
def test_the_repetition_can_be_withdrawn_as_well(mark: int) -> None:
    """The engine that took over broke off too, before the device had got that far."""
    queue = playing(25, 40)
    queue.withdraw(25)
    queue.push(ramp(101, 30))
    queue.withdraw(mark)
    queue.push(ramp(201, 10))
    assert heard(queue) == [*range(1, 26), *range(201, 211)]


def test_two_withdrawals_with_sound_between_them_are_one_too_many() -> None:
    """The second is left undone: what is between them is never lost."""
    queue = playing(25, 40)
    queue.withdraw(25)
    queue.push(ramp(101, 10))
    mark = queue.pushed
    queue.push(ramp(201, 10))
    queue.withdraw(mark)
    assert heard(queue) == [*range(1, 26), *range(101, 111), *range(201, 211)]


def test_stopping_drops_what_is_left_after_a_withdrawal_too() -> None:
    """All of it."""
    queue = playing(25, 40)
    queue.withdraw(25)
    queue.cut()
    block(queue)
    assert heard(queue) == []
    assert queue.queued == 0
