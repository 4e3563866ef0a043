"""An RTP stream comes out in order and in real time, whatever the network did to it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from voicemode.core.jitter import AHEAD_S, QUIET_S, WAIT_S, JitterBuffer, Piece, Silence, opus_duration

RATE = 48_000
TICKS = 960
FRAME_S = 0.02


def payload(number: int) -> bytes:
    """A packet of 20 ms that can be told from others."""
    return number.to_bytes(4, "big")


def buffer() -> JitterBuffer:
    return JitterBuffer(RATE, lambda _: TICKS, 0.0)


def push(stream: JitterBuffer, number: int, now: float, *, first: int = 0, skipped: int = 0) -> list[Piece]:
    """Packet ``number`` of a stream that begins at sequence ``first`` and left out ``skipped`` samples before it."""
    sequence, timestamp = (first + number) % 65536, (7_000 + number * TICKS + skipped) % (1 << 32)
    return stream.push(sequence, timestamp, payload(number), now)


def silence(pieces: list[Piece]) -> int:
    return sum(piece.samples for piece in pieces if isinstance(piece, Silence))


def sound(pieces: list[Piece]) -> list[int]:
    return [int.from_bytes(piece, "big") for piece in pieces if isinstance(piece, bytes)]


def test_packets_in_order_are_passed_on_as_they_come() -> None:
    """Nothing is held back while nothing is missing."""
    stream = buffer()
    assert [sound(push(stream, number, number * FRAME_S)) for number in range(5)] == [[0], [1], [2], [3], [4]]
    assert stream.position == 5 * TICKS


def test_a_packet_that_was_overtaken_is_put_in_its_place() -> None:
    """The one that came too early waits for it."""
    stream = buffer()
    push(stream, 0, 0.0)
    assert push(stream, 2, 0.02) == []
    assert sound(push(stream, 1, 0.03)) == [1, 2]
    assert stream.lost == 0


def test_a_lost_packet_becomes_silence_of_its_length_and_is_waited_for_no_longer_than_said() -> None:
    """What follows it comes out where it belongs."""
    stream = buffer()
    push(stream, 0, 0.0)
    assert push(stream, 2, 0.04) == []
    assert stream.advance(0.04 + WAIT_S * 0.9) == []
    pieces = stream.advance(0.04 + WAIT_S * 1.01)
    assert (silence(pieces), sound(pieces), stream.lost) == (TICKS, [2], 1)


def test_a_packet_that_comes_after_it_was_given_up_is_dropped() -> None:
    """Its time has passed."""
    stream = buffer()
    push(stream, 0, 0.0)
    push(stream, 2, 0.04)
    stream.advance(0.2)
    assert push(stream, 1, 0.21) == []


def test_pauses_that_are_not_sent_are_silence_by_the_clock_and_in_the_end_by_the_timestamps() -> None:
    """Opus DTX: nothing for 400 ms, then the next packet with a timestamp that says so."""
    stream = buffer()
    push(stream, 0, 0.0)
    meanwhile = silence(stream.advance(0.42 - 0.001))
    assert abs(meanwhile - (0.4 - QUIET_S) * RATE) < 0.01 * RATE
    pieces = push(stream, 1, 0.42, skipped=int(0.4 * RATE))
    assert meanwhile + silence(pieces) == int(0.4 * RATE)
    assert sound(pieces) == [1]


def test_a_stalled_network_costs_no_sound_and_the_silence_that_stood_in_for_it_is_made_up_for() -> None:
    """What was said comes later; the next pause is shorter by as much."""
    stream = buffer()
    push(stream, 0, 0.0)
    made_up = silence(stream.advance(0.32))
    burst = [push(stream, number, 0.32) for number in range(1, 16)]
    assert [sound(pieces) for pieces in burst] == [[number] for number in range(1, 16)]
    pause = int(0.5 * RATE)
    pieces = push(stream, 16, 0.34 + 0.5, skipped=pause)
    assert silence(pieces) == pause - made_up


def test_a_person_who_sends_nothing_is_silent_in_real_time() -> None:
    """From the first moment on."""
    stream = buffer()
    for step in range(1, 51):
        stream.advance(step * 0.04)
    assert abs(stream.position - (2.0 - QUIET_S) * RATE) <= 1


def test_a_jump_of_the_timestamps_does_not_make_hours_of_silence() -> None:
    """It is believed as far as time has passed."""
    stream = buffer()
    push(stream, 0, 0.0)
    pieces = push(stream, 1, 0.02, skipped=RATE * 3600)
    assert silence(pieces) <= (AHEAD_S + 0.02) * RATE
    assert silence(push(stream, 2, 0.04, skipped=RATE * 3600)) == 0


def test_another_stream_begins_where_the_last_one_ended() -> None:
    """Its numbers are its own: neither silence nor waiting comes of them."""
    stream = buffer()
    push(stream, 0, 0.0)
    stream.restart()
    pieces = stream.push(40_000, 123_456_789, payload(9), 0.02)
    assert pieces == [payload(9)]


def test_a_sender_that_starts_again_is_heard_again() -> None:
    """A jump of the sequence numbers that no loss explains (RFC 3550, A.1)."""
    stream = buffer()
    for number in range(3):
        push(stream, number, number * FRAME_S, first=30_000)
    assert sound(push(stream, 3, 0.06, first=10)) == [3]


@given(
    st.integers(0, 65535),
    st.lists(st.floats(0, WAIT_S * 0.9), min_size=1, max_size=120),
    st.data(),
)
def test_whatever_the_network_delays_comes_out_in_order_and_whole(first: int, delays: list[float], data: st.DataObject) -> None:
    """Packets that are late by less than is waited, some of them twice, across the wrap of the numbers."""
    stream = buffer()
    arrivals = sorted((number * FRAME_S + delay, number) for number, delay in enumerate(delays) if number)
    arrivals += data.draw(st.lists(st.sampled_from(arrivals), max_size=5)) if arrivals else []
    heard = sound(push(stream, 0, 0.0, first=first))
    for now, number in sorted(arrivals):
        heard += sound(push(stream, number, now, first=first))
    assert heard == list(range(len(delays)))
    assert stream.position == len(delays) * TICKS


@given(st.lists(st.booleans(), min_size=1, max_size=150))
def test_sound_stands_where_it_was_said_whatever_is_lost(arrives: list[bool]) -> None:
    """Each packet that came begins at its own time, and the whole is as long as it was."""
    stream = buffer()
    pieces: list[Piece] = push(stream, 0, 0.0)
    for number, came in enumerate(arrives, 1):
        now = number * FRAME_S
        pieces += stream.advance(now)
        if came:
            pieces += push(stream, number, now)
    last = len(arrives) + 1
    pieces += push(stream, last, last * FRAME_S)
    pieces += stream.advance(last * FRAME_S + WAIT_S * 1.01)
    position, begins = 0, {}
    for piece in pieces:
        if isinstance(piece, bytes):
            begins[int.from_bytes(piece, "big")] = position
        position += piece.samples if isinstance(piece, Silence) else TICKS
    assert begins == {number: number * TICKS for number in [0, *(n for n, came in enumerate(arrives, 1) if came), last]}


@pytest.mark.parametrize(
    ("packet", "samples"),
    [
        (b"\x78", 960),  # CELT, fullband, one frame of 20 ms
        (b"\x08", 960),  # SILK, narrowband, one frame of 20 ms
        (b"\x18", 2880),  # SILK, narrowband, one of 60 ms
        (b"\x60", 480),  # hybrid, one of 10 ms
        (b"\x79", 1920),  # two frames of 20 ms
        (b"\xfb\x03", 2880),  # three frames of 20 ms
        (b"\xe0", 120),  # 2.5 ms
        (b"\xfb", 0),
        (b"", 0),
    ],
)
def test_an_opus_packet_says_how_long_it_is(packet: bytes, samples: int) -> None:
    """By RFC 6716, table 2 and section 3.2."""
    assert opus_duration(packet) == samples
