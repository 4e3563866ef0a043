"""The far end is always equally far ahead of its echo, whatever the devices said."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.echo_lag import AUDIBLE_DBFS, Echo, EchoLag
from voicemode.core.level import rms_dbfs

FRAME = CAPTURE_RATE // 100
ECHO_S = 0.03
"""What it promises."""


def voice(seconds: float, seed: int, level: float = 3_000.0) -> Samples:
    """Syllables of noise, a new sound every 0.2 s: as broad and as uneven as speech."""
    rng = np.random.default_rng(seed)
    sound = rng.normal(0.0, 1.0, round(seconds * CAPTURE_RATE))
    loudness = np.repeat(rng.uniform(0.2, 1.0, round(seconds * 5) + 1), CAPTURE_RATE // 5)[: len(sound)]
    return (np.clip(sound * loudness, -8, 8) * level).astype(np.int16)


def later(sound: Samples, seconds: float, gain: float = 1.0) -> Samples:
    silence = np.zeros(round(seconds * CAPTURE_RATE), dtype=np.int16)
    whole = np.concatenate((silence, sound))[: len(sound)].astype(np.float64)
    return (whole * gain).astype(np.int16)


def is_placed(lag: EchoLag) -> bool:
    """A function, so that mypy does not take it for settled once it was asserted."""
    return lag.placed


def echo(lag: EchoLag) -> Echo:
    return lag.echo


def aligned(lag: EchoLag, near: Samples, far: Samples, *, cancelled_db: float = 25.0) -> Samples:
    """All of it, frame by frame; a canceller takes so much of the echo away."""
    out = [np.zeros(0, np.int16)]
    for at in range(0, len(near) // FRAME * FRAME, FRAME):
        out.append(lag.align(near[at : at + FRAME], far[at : at + FRAME]))
        if rms_dbfs(far[at : at + FRAME]) > AUDIBLE_DBFS:
            lag.cancelled(cancelled_db)
    return np.concatenate(out)


@settings(max_examples=20, deadline=None)
@given(place=st.floats(500, 7_000), gain_db=st.integers(-25, 3), seed=st.integers(0, 9))
def test_the_place_of_the_echo_is_known_between_samples(place: float, gain_db: int, seed: int) -> None:
    """To a tenth of a sample: how it moves with time tells how fast two clocks part."""
    far = voice(1.5, seed, level=1_500.0)
    turned = np.exp(-2j * np.pi * np.fft.rfftfreq(2 * len(far)) * place)
    near = np.fft.irfft(np.fft.rfft(far, 2 * len(far)) * turned * 10 ** (gain_db / 20))[: len(far)].astype(np.int16)
    lag = EchoLag()
    aligned(lag, near, far)
    assert lag.ahead == pytest.approx(place - ECHO_S * CAPTURE_RATE, abs=0.1)


@settings(max_examples=20, deadline=None)
@given(delay_ms=st.integers(30, 490), gain_db=st.integers(-25, 3), seed=st.integers(0, 9))
def test_the_echo_comes_thirty_milliseconds_after_what_is_given_out(delay_ms: int, gain_db: int, seed: int) -> None:
    """Whatever the delay up to 0.5 s, and however soft the echo: within half a millisecond."""
    far = voice(1.5, seed, level=1_500.0)
    lag = EchoLag()
    aligned(lag, later(far, delay_ms / 1000, 10 ** (gain_db / 20)), far)
    assert lag.delay_s == pytest.approx(delay_ms / 1000 - ECHO_S, abs=0.0005)
    assert echo(lag) is Echo.KNOWN


def test_the_sound_is_delayed_and_nothing_else() -> None:
    """Once the lag is known, every sample comes out as it went in."""
    far = voice(2.0, 1)
    lag = EchoLag()
    out = aligned(lag, later(far, 0.1), far)
    delay = round(lag.delay_s * CAPTURE_RATE)
    assert delay == pytest.approx(0.07 * CAPTURE_RATE, abs=8)
    assert np.array_equal(out[CAPTURE_RATE:], far[CAPTURE_RATE - delay : len(out) - delay])


def test_a_person_as_loud_as_the_echo_does_not_hide_it() -> None:
    """Both at once, from the first sample on."""
    far = voice(2.0, 2)
    lag = EchoLag()
    aligned(lag, later(far, 0.12) // 2 + voice(2.0, 3) // 2, far)
    assert lag.delay_s == pytest.approx(0.12 - ECHO_S, abs=0.0005)


def test_two_sounds_that_have_nothing_to_do_with_each_other_move_nothing() -> None:
    """A person speaks who wears headphones: no delay is made up, and soon that is final."""
    lag = EchoLag()
    for seed in range(10, 20):
        aligned(lag, voice(3.0, seed), voice(3.0, seed + 100))
        assert lag.delay_s == 0.0
    assert echo(lag) is Echo.KNOWN


def test_a_device_that_begins_anew_is_found_again_within_a_quarter_of_a_second() -> None:
    """The echo comes 12 ms later than before: nothing is settled until the canceller has had time to follow."""
    far = voice(6.0, 4)
    lag = EchoLag()
    aligned(lag, later(far, 0.09)[: 3 * CAPTURE_RATE], far[: 3 * CAPTURE_RATE])
    assert echo(lag) is Echo.KNOWN
    before_s = lag.delay_s

    assert is_placed(lag)

    lag.torn()
    assert echo(lag) is Echo.LOST
    assert not is_placed(lag)
    near = later(far, 0.102)[3 * CAPTURE_RATE :]
    aligned(lag, near[: CAPTURE_RATE // 4], far[3 * CAPTURE_RATE :][: CAPTURE_RATE // 4])
    assert lag.delay_s - before_s == pytest.approx(0.012, abs=0.001)
    assert echo(lag) is Echo.LOST  # the canceller has not followed yet
    assert is_placed(lag)
    aligned(lag, near[CAPTURE_RATE // 4 : CAPTURE_RATE], far[3 * CAPTURE_RATE :][CAPTURE_RATE // 4 : CAPTURE_RATE])
    assert echo(lag) is Echo.KNOWN


def test_an_echo_that_the_canceller_has_not_followed_is_lost() -> None:
    """It was told where the echo is now, and lets it through all the same; two seconds later it must have learnt it."""
    far, lag = voice(7.0, 4), EchoLag()
    near = np.concatenate((later(far, 0.09)[: 3 * CAPTURE_RATE], later(far, 0.102)[3 * CAPTURE_RATE :]))
    aligned(lag, near[: 3 * CAPTURE_RATE], far[: 3 * CAPTURE_RATE])
    lag.torn()
    at = 3 * CAPTURE_RATE
    for seconds, cancelled_db, expected in ((1.0, 3.0, Echo.LOST), (0.2, 25.0, Echo.KNOWN)):
        part = slice(at, at + round(seconds * CAPTURE_RATE))
        aligned(lag, near[part], far[part], cancelled_db=cancelled_db)
        at = part.stop
        assert echo(lag) is expected
    lag.torn()
    aligned(lag, near[at:], far[at:], cancelled_db=0.0)
    assert echo(lag) is Echo.KNOWN


def test_what_is_found_where_it_was_is_settled_at_once() -> None:
    """The device began anew and was not off: a quarter of a second of playback proves it."""
    far = voice(4.0, 5)
    near = later(far, 0.08)
    lag = EchoLag()
    aligned(lag, near[: 2 * CAPTURE_RATE], far[: 2 * CAPTURE_RATE])
    lag.torn()
    aligned(lag, near[2 * CAPTURE_RATE :][:4_000], far[2 * CAPTURE_RATE :][:4_000])
    assert echo(lag) is Echo.KNOWN


def test_an_echo_that_moves_far_away_is_looked_for_everywhere() -> None:
    """Another loudspeaker, 150 ms later: found within two seconds, and never taken for no echo meanwhile."""
    far = voice(8.0, 6)
    lag = EchoLag()
    aligned(lag, later(far, 0.06)[: 3 * CAPTURE_RATE], far[: 3 * CAPTURE_RATE])
    near, rest = later(far, 0.21)[3 * CAPTURE_RATE :], far[3 * CAPTURE_RATE :]
    aligned(lag, near[:8_000], rest[:8_000])  # four measurements, and the window is full of the new place
    for at in range(8_000, 2 * CAPTURE_RATE, FRAME):
        if lag.delay_s > 0.1:
            break
        assert echo(lag) in (Echo.LOST, Echo.UNKNOWN)
        aligned(lag, near[at : at + FRAME], rest[at : at + FRAME])
    assert lag.delay_s == pytest.approx(0.21 - ECHO_S, abs=0.0005)


def test_a_device_that_is_opened_anew_may_be_anywhere_and_is_found_within_half_a_second() -> None:
    """Bluetooth after a built-in loudspeaker: it is looked for near to where it was, and everywhere at the same time."""
    lag, first, second = EchoLag(), voice(3.0, 6), voice(0.5, 7)
    aligned(lag, later(first, 0.06), first)
    lag.reopen()
    assert echo(lag) is Echo.UNKNOWN
    aligned(lag, later(second, 0.21), second)
    assert echo(lag) is Echo.NEW
    assert lag.delay_s == pytest.approx(0.21 - ECHO_S, abs=0.0005)


def test_an_echo_that_comes_about_when_it_came_in_the_last_message_is_not_new() -> None:
    """What was learnt about the room is true still."""
    lag, first, second = EchoLag(), voice(3.0, 6), voice(1.0, 7)
    aligned(lag, later(first, 0.06), first)
    lag.reopen()
    aligned(lag, later(second, 0.08)[:6_400], second[:6_400])
    assert echo(lag) is Echo.LOST  # the canceller has not followed yet
    aligned(lag, later(second, 0.08)[6_400:], second[6_400:])
    assert echo(lag) is Echo.KNOWN


def test_how_far_ahead_the_far_end_comes_in_is_told_to_the_sample() -> None:
    """Though what is given out is moved by half a millisecond at least, and never ahead of what came in."""
    far, lag = voice(3.0, 3), EchoLag()
    assert lag.ahead is None
    at = 0
    for echo_comes, ahead in ((1_000, 520), (1_005, 525), (700, 220), (400, -80)):
        near = later(far, echo_comes / CAPTURE_RATE)
        lag.torn()
        aligned(lag, near[at : at + 9_600], far[at : at + 9_600])
        assert lag.ahead == pytest.approx(ahead, abs=1)
        assert lag.delay_s == pytest.approx(max(ahead, 0) / CAPTURE_RATE, abs=0.0006)
        at += 9_600


def test_an_echo_where_there_was_none_is_new() -> None:
    """Headphones were taken off: said for as long as the canceller needs to begin."""
    far = voice(6.0, 8)
    lag = EchoLag()
    aligned(lag, voice(2.0, 9, level=20.0), far[: 2 * CAPTURE_RATE])
    assert echo(lag) is Echo.KNOWN
    near, rest = later(far, 0.1)[2 * CAPTURE_RATE :], far[2 * CAPTURE_RATE :]
    aligned(lag, near[:8_000], rest[:8_000])
    assert echo(lag) is Echo.NEW
    aligned(lag, near[8_000:24_000], rest[8_000:24_000])
    assert echo(lag) is Echo.KNOWN


def test_an_echo_that_is_torn_is_lost_until_it_is_whole_again() -> None:
    """A busy machine drops pieces of the microphone's sound: told within a quarter of a second."""
    far = voice(6.0, 12)
    near = later(far, 0.1)
    lag = EchoLag()
    aligned(lag, near[: 2 * CAPTURE_RATE], far[: 2 * CAPTURE_RATE])
    near, far = near[2 * CAPTURE_RATE :], far[2 * CAPTURE_RATE :]
    aligned(lag, voice(0.5, 13, level=500.0), far[:8_000])
    assert echo(lag) is Echo.LOST
    assert is_placed(lag)  # it may be somebody who hides it
    aligned(lag, near[8_000:24_000], far[8_000:24_000])
    assert echo(lag) is Echo.KNOWN


def test_an_echo_that_is_heard_before_its_cause_is_not_taken_for_none() -> None:
    """A device asks for its sound so late that the microphone is ahead: nothing is found where it is looked for."""
    far, lag = voice(8.0, 12), EchoLag()
    aligned(lag, later(far, 0.06)[: 2 * CAPTURE_RATE], far[: 2 * CAPTURE_RATE])
    assert echo(lag) is Echo.KNOWN
    early = later(far, 0.01, 0.8)
    near, rest = early[2 * CAPTURE_RATE :], later(far, 0.03)[2 * CAPTURE_RATE :]
    aligned(lag, near[:8_000], rest[:8_000])
    for at in range(8_000, 5 * CAPTURE_RATE, FRAME):
        aligned(lag, near[at : at + FRAME], rest[at : at + FRAME], cancelled_db=0.0)
        assert echo(lag) is not Echo.KNOWN


def test_where_no_echo_is_found_there_is_none() -> None:
    """Known after a second of sound, and not where one was found."""
    far, lag = voice(3.0, 12), EchoLag()
    assert not EchoLag().absent
    aligned(lag, voice(3.0, 13, level=20.0), far)
    assert lag.absent
    with_echo = EchoLag()
    aligned(with_echo, later(far, 0.06), far)
    assert not with_echo.absent


def test_an_echo_that_is_gone_is_taken_for_none_soon() -> None:
    """Headphones were put on: the microphone is silent but for the room."""
    far, lag = voice(5.0, 12), EchoLag()
    aligned(lag, later(far, 0.06)[: 2 * CAPTURE_RATE], far[: 2 * CAPTURE_RATE])
    assert echo(lag) is Echo.KNOWN
    aligned(lag, voice(2.5, 13, level=20.0), far[2 * CAPTURE_RATE : 9 * CAPTURE_RATE // 2], cancelled_db=0.0)
    assert echo(lag) is Echo.KNOWN
    assert lag.ahead is None


def test_an_echo_that_is_not_found_but_taken_away_is_as_good_as_known() -> None:
    """A room so reverberant that nothing stands out: the canceller has learnt it all the same."""
    far, lag = voice(5.0, 12), EchoLag()
    aligned(lag, later(far, 0.06)[: 2 * CAPTURE_RATE], far[: 2 * CAPTURE_RATE])
    aligned(lag, voice(2.5, 13), far[2 * CAPTURE_RATE : 9 * CAPTURE_RATE // 2], cancelled_db=25.0)
    assert echo(lag) is Echo.KNOWN
    assert lag.ahead is None


def test_an_echo_that_comes_late_in_a_message_is_found_too() -> None:
    """Headphones come off after a minute: looked for less often by then, and found within a second and a half."""
    far = voice(62.0, 14)
    lag = EchoLag()
    aligned(lag, voice(60.0, 15, level=20.0), far[: 60 * CAPTURE_RATE])
    assert echo(lag) is Echo.KNOWN
    near = later(far, 0.2)[60 * CAPTURE_RATE :]
    aligned(lag, near[: 3 * CAPTURE_RATE // 2], far[60 * CAPTURE_RATE :][: 3 * CAPTURE_RATE // 2])
    assert lag.delay_s == pytest.approx(0.2 - ECHO_S, abs=0.0005)


def test_silence_moves_and_settles_nothing() -> None:
    """Before anything was played nothing is known, and no time passes."""
    lag = EchoLag()
    silence = np.zeros(CAPTURE_RATE * 2, dtype=np.int16)
    assert not aligned(lag, voice(2.0, 7), silence).any()
    assert echo(lag) is Echo.UNKNOWN
    assert lag.delay_s == 0.0
