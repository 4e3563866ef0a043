"""What was audible when, from two clocks that jitter and drift."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voicemode.audio import CAPTURE_RATE, Samples
from voicemode.core.far_end import FarEnd
from voicemode.core.level import LOWEST_DBFS, rms_dbfs
from voicemode.testing import tone

RATE = 48_000
BLOCK = RATE // 100
HERTZ = 440.0
PEAK = 8_231
"""Of ``tone``."""
SMOOTH = 1.3 * PEAK * 2 * np.pi * HERTZ / CAPTURE_RATE
"""No two samples of the tone at 16 kHz differ by more, with a little room for a block that is a sample longer."""

BORNE_S = 0.032
"""Less than the lead that a canceller is given."""


def noted(far: FarEnd, samples: Samples, at: float, rate: int = RATE) -> float:
    """Note it block by block as a device would; when it ends."""
    size = rate // 100
    for index in range(len(samples) // size):
        far.note(samples[index * size : (index + 1) * size].copy(), rate, at + index * 0.01)
    return at + len(samples) / rate


def read(far: FarEnd, start: float, seconds: float) -> Samples:
    """As the microphone's blocks ask for it."""
    return np.concatenate([far.between(start + index * 0.01, 160) for index in range(round(seconds * 100))])


def delay_s(heard: Samples, wanted: Samples) -> float:
    """How much later the one is than the other."""
    size = 1 << (len(heard) + len(wanted)).bit_length()
    fit = np.fft.irfft(np.fft.rfft(heard.astype(float), size) * np.conj(np.fft.rfft(wanted.astype(float), size)), size)
    at = int(np.argmax(fit))
    return (at - size if at > size // 2 else at) / CAPTURE_RATE


def noise(seconds: float, rate: int, seed: int = 3) -> Samples:
    """The same sound at every rate that divides 48 kHz, up to 2 kHz."""
    source = np.random.default_rng(seed).standard_normal(round(seconds * 4_000))
    places = np.arange(round(seconds * rate)) * 4_000 / rate
    whole: Samples = (np.interp(places, np.arange(len(source)), source) * 3_000).astype(np.int16)
    return whole


def test_what_was_played_is_found_at_its_time() -> None:
    """To a quarter of a millisecond, silent before it and after it."""
    far = FarEnd()
    noted(far, noise(1.0, RATE), 100.0)
    noted(far, np.zeros(RATE // 10, np.int16), 101.0)
    heard = read(far, 99.5, 1.6)
    assert delay_s(heard, noise(1.0, CAPTURE_RATE)) == pytest.approx(0.5, abs=0.00025)
    assert not heard[:7_900].any()
    assert not heard[-1_200:].any()


def test_each_place_where_samples_do_not_follow_one_another_is_counted() -> None:
    """A run that begins, and one that begins anew after the device was stopped; nothing in between."""
    far = FarEnd()
    noted(far, noise(1.0, RATE), 100.0)
    read(far, 99.99, 0.5)
    began = far.tears
    assert began > 0
    read(far, 100.49, 0.5)
    assert far.tears == began
    far.cut(101.0)
    noted(far, noise(1.0, RATE), 101.2)
    read(far, 100.99, 0.5)
    assert far.tears == began + 1


@pytest.mark.parametrize("rate", [16_000, 22_050, 44_100, 48_000])
def test_every_rate_is_brought_to_sixteen_kilohertz(rate: int) -> None:
    """A steady tone is one, without a click at any block."""
    far = FarEnd()
    noted(far, tone(2.0, rate, hertz=HERTZ), 10.0, rate=rate)
    heard = read(far, 10.1, 1.7).astype(int)
    assert np.abs(np.diff(heard)).max() < SMOOTH
    assert np.abs(heard).max() == pytest.approx(PEAK, rel=0.02)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 99),
    played_ms=st.sampled_from([0.0, 2.0, 6.0]),
    heard_ms=st.sampled_from([0.0, 2.0, 6.0]),
    ppm=st.integers(-300, 300),
)
def test_clocks_that_jitter_and_drift_do_not_tear_it(seed: int, played_ms: float, heard_ms: float, ppm: int) -> None:
    """A tone stays without a click, and after 20 s it is where it belongs to 8 ms."""
    chance = np.random.default_rng(seed)
    far, sound = FarEnd(), tone(20.0, RATE, hertz=HERTZ)
    heard = []
    for index in range(1_990):
        true = 50.0 + index * 0.01 * (1 + ppm * 1e-6)
        far.note(sound[index * BLOCK : (index + 1) * BLOCK].copy(), RATE, true + chance.uniform(0, played_ms) / 1e3)
        if index >= 8:
            heard.append(far.between(50.0 + (index - 8) * 0.01 + chance.uniform(0, heard_ms) / 1e3, 160))
    settled = np.concatenate(heard[30:]).astype(int)
    assert np.abs(np.diff(settled)).max() < SMOOTH
    phasor = np.mean(settled[-1_600:] * np.exp(-2j * np.pi * HERTZ * np.arange(1_600) / CAPTURE_RATE))
    assert abs(phasor) * 2 == pytest.approx(PEAK, rel=0.05)


@pytest.mark.parametrize("ppm", [-1500.0, 0.0, 1500.0])
def test_a_microphone_that_drifts_reads_what_was_heard_when_it_says(ppm: float) -> None:
    """After 30 s its blocks begin 45 ms earlier or later; what is read is off by 32 at most, which the canceller bears."""
    far, sound = FarEnd(), noise(30.0, RATE)
    heard = []
    for index in range(len(sound) // BLOCK):
        far.note(sound[index * BLOCK : (index + 1) * BLOCK].copy(), RATE, 50.0 + index * 0.01)
        if index >= 6:
            heard.append(far.between(50.0 + (index - 6) * 0.01 * (1 + ppm * 1e-6), 160))
    first = len(heard) - 100
    wanted = noise(30.0, CAPTURE_RATE)[first * 160 : len(heard) * 160]
    assert delay_s(wanted, np.concatenate(heard[first:])) == pytest.approx((first + 50) * 0.01 * ppm * 1e-6, abs=BORNE_S)


@pytest.mark.parametrize("ppm", [-1500.0, 0.0, 1500.0])
def test_a_loudspeaker_that_drifts_is_found_where_it_says(ppm: float) -> None:
    """After 30 s it is 45 ms off; what is read is off by 32 at most."""
    far = FarEnd()
    sound = noise(30.0, RATE)
    heard = []
    for index in range(len(sound) // BLOCK):
        far.note(sound[index * BLOCK : (index + 1) * BLOCK].copy(), RATE, 50.0 + index * 0.01 * (1 + ppm * 1e-6))
        if index >= 6:
            heard.append(far.between(50.0 + (index - 6) * 0.01, 160))
    last = np.concatenate(heard[-200:])
    first = (len(heard) - 200) * 160
    wanted = noise(30.0, CAPTURE_RATE)[first : first + len(last)]
    assert delay_s(last, wanted) == pytest.approx((len(heard) - 100) * 0.01 * ppm * 1e-6, abs=BORNE_S)


@pytest.mark.parametrize("side", ["loudspeaker", "microphone"])
def test_instants_that_wander_move_nothing(side: str) -> None:
    """Up and down by 10 ms within seconds, across silences: near and far end stay together to the sample.

    A canceller takes every shift for a new room, and lets the echo through until it knows it.
    """
    far, sound = FarEnd(), noise(20.0, CAPTURE_RATE)
    for second in range(1, 20, 2):
        sound[second * CAPTURE_RATE : second * CAPTURE_RATE + CAPTURE_RATE // 2] = 0
    heard = []
    for index in range(1_990):
        wander_s = 0.01 * np.sin(index / 70)
        told = 50.0 + index * 0.01
        far.note(sound[index * 160 : (index + 1) * 160].copy(), CAPTURE_RATE, told + wander_s * (side == "loudspeaker"))
        if index >= 8:
            heard.append(far.between(told - 0.08 + wander_s * (side == "microphone"), 160))
    whole = np.concatenate(heard)
    lags = [delay_s(sound[at : at + 8_000], whole[at : at + 8_000]) for at in range(64_000, 300_000, 32_000)]
    assert max(lags) - min(lags) < 1.5 / CAPTURE_RATE


def test_a_device_that_starts_by_asking_ahead_of_time_is_dated_by_its_later_blocks() -> None:
    """Four blocks at once, each with the same long delay: the last one is right, whether it came with them or later."""
    for at_once in (1, 2, 4):
        far, sound = FarEnd(), noise(1.0, RATE)
        dates = [5.04, 5.04, 5.04, *(5.04 + 0.01 * index for index in range(97))]
        for index, date in enumerate(dates):
            far.note(sound[index * BLOCK : (index + 1) * BLOCK].copy(), RATE, date)
            if index + 1 == at_once:
                far.heard(0.0, 1.0).any()
        begins = np.flatnonzero(far.between(4.9, 3_200))[0] / CAPTURE_RATE + 4.9
        if at_once == 4:  # known before anything of it is read
            assert begins == pytest.approx(5.01, abs=0.002)
        heard = read(far, 5.2, 0.6)
        assert delay_s(noise(1.0, CAPTURE_RATE), heard) == pytest.approx(5.2 - 5.01, abs=0.0012)


def test_what_was_thrown_away_was_never_heard() -> None:
    """Silence from the cut on, and what comes then is where it belongs."""
    far, sound = FarEnd(), noise(1.0, RATE)
    noted(far, sound, 10.0)
    far.cut(10.5)
    noted(far, np.zeros(RATE // 5, np.int16), 10.51)
    noted(far, sound[RATE // 2 :], 10.71)
    heard = read(far, 10.0, 1.1)
    assert heard[: CAPTURE_RATE // 2 - 100].any()
    assert not heard[CAPTURE_RATE // 2 : round(0.69 * CAPTURE_RATE)].any()
    assert delay_s(heard[round(0.69 * CAPTURE_RATE) :], noise(1.0, CAPTURE_RATE)[8_000:]) == pytest.approx(0.02, abs=0.001)


def test_samples_that_were_lost_move_what_follows() -> None:
    """When a busy machine left the device without sound for 0.2 s, the rest is that much later, once it is certain."""
    far, sound = FarEnd(), noise(2.0, RATE)
    noted(far, sound[:RATE], 10.0)
    noted(far, sound[RATE:], 11.2)
    heard = read(far, 11.6, 0.5)
    assert delay_s(noise(2.0, CAPTURE_RATE), heard) == pytest.approx(1.4, abs=0.001)


def test_what_comes_too_late_is_read_later_but_not_torn() -> None:
    """A device without a buffer to speak of: its sound is noted when the microphone's block is long there."""
    far, sound = FarEnd(), tone(3.0, RATE, hertz=HERTZ)
    heard = []
    for index in range(290):
        far.note(sound[index * BLOCK : (index + 1) * BLOCK].copy(), RATE, 20.0 + index * 0.01)
        heard.append(far.between(20.0 + (index + 1) * 0.01, 160))
    whole = np.concatenate(heard[50:]).astype(int)
    assert np.abs(np.diff(whole)).max() < SMOOTH
    assert np.abs(whole[-800:]).max() == pytest.approx(PEAK, rel=0.02)


@pytest.mark.parametrize("at_once", [2, 3, 4])
@pytest.mark.parametrize("lacks_ms", [1, 8])
def test_a_device_that_asks_for_several_blocks_at_once_leaves_no_holes(at_once: int, lacks_ms: int) -> None:
    """The last of the microphone's blocks before it asks again ends where nothing was noted yet: so it would each time."""
    far, sound = FarEnd(), tone(3.0, RATE, hertz=HERTZ)
    heard = []
    for index in range(290):
        if index % at_once == 0:
            for each in range(index, index + at_once):
                far.note(sound[each * BLOCK : (each + 1) * BLOCK].copy(), RATE, 20.0 + each * 0.01)
        heard.append(far.between(20.0 + index * 0.01 + lacks_ms / 1000, 160))
    whole = np.concatenate(heard[60:]).astype(int)
    assert np.abs(np.diff(whole)).max() < SMOOTH


def test_a_device_that_stumbles_once_is_no_later_afterwards() -> None:
    """For 50 ms it was 30 ms behind: that is a gap, and what follows lies where it did before."""
    far, sound = FarEnd(), noise(3.0, RATE)
    heard, done = [], 0
    for index in range(290):
        until = index + (1 if 100 <= index < 105 else 4)  # as a rule, three blocks more than are read
        for block in range(done, until):
            far.note(sound[block * BLOCK : (block + 1) * BLOCK].copy(), RATE, 20.0 + block * 0.01)
        done = max(done, until)
        heard.append(far.between(20.0 + index * 0.01, 160))
    whole = noise(3.0, CAPTURE_RATE)
    for first, last in ((20, 95), (110, 280)):
        assert delay_s(np.concatenate(heard[first:last]), whole[first * 160 : last * 160]) == pytest.approx(0.0, abs=0.0015)


def test_a_delay_that_is_not_needed_any_more_is_taken_back() -> None:
    """For half a second the device asked 30 ms late, so what is read was delayed; two seconds later it is not any more."""
    far, sound = FarEnd(), noise(6.0, RATE)
    heard, done = [], 0
    for index in range(590):
        until = index + (1 if 100 <= index < 150 else 5)
        for block in range(done, until):
            far.note(sound[block * BLOCK : (block + 1) * BLOCK].copy(), RATE, 20.0 + block * 0.01)
        done = max(done, until)
        heard.append(far.between(20.0 + index * 0.01, 160))
    whole = noise(6.0, CAPTURE_RATE)
    found = [delay_s(np.concatenate(heard[at : at + 90]), whole[at * 160 : (at + 90) * 160]) for at in (5, 200, 400, 495)]
    assert found == pytest.approx([0.0, found[1], 0.0, 0.0], abs=0.0015)
    assert found[1] > 0.004


def test_what_is_active_is_told_without_reading() -> None:
    """And how loud it was; asking does not move what is read next."""
    far = FarEnd()
    end = noted(far, tone(1.0, RATE, hertz=HERTZ, dbfs=-12.0), 30.0)
    noted(far, np.zeros(RATE // 2, np.int16), end)
    first = far.between(30.5, 160)
    assert far.heard(30.5, 30.6).any()
    assert far.heard(30.9, 40.0).any()
    assert not far.heard(29.0, 29.9).any()
    assert not far.heard(31.1, 31.4).any()
    assert not far.heard(30.6, 30.5).any()
    assert rms_dbfs(far.heard(30.3, 30.7)) == pytest.approx(-15.0, abs=0.1)
    assert rms_dbfs(far.heard(29.0, 29.5)) == LOWEST_DBFS
    assert np.abs(np.diff(np.concatenate([first, far.between(30.51, 160)]).astype(int))).max() < SMOOTH


def test_nothing_was_audible_before_anything_was_played() -> None:
    """Zeros, as many as were asked for."""
    far = FarEnd()
    assert far.between(1_000.0, 320).tolist() == [0] * 320
    assert not far.heard(0.0, 2_000.0).any()


def test_what_nobody_reads_does_not_pile_up() -> None:
    """After minutes the last seconds are there, older ones are silence, and reading goes on as if nothing had been."""
    far = FarEnd()
    end = noted(far, noise(20.0, RATE), 10.0)
    assert not far.heard(10.0, 15.0).any()
    assert far.heard(end - 3.0, end).any()
    heard = read(far, end - 2.0, 1.9)
    assert delay_s(noise(20.0, CAPTURE_RATE)[18 * CAPTURE_RATE :], heard) == pytest.approx(0.0, abs=0.001)


def test_another_device_of_another_rate_takes_over() -> None:
    """Its sound follows at its own time."""
    far = FarEnd()
    noted(far, noise(1.0, RATE), 10.0)
    noted(far, noise(1.0, 16_000, seed=4), 11.5, rate=16_000)
    heard = read(far, 11.4, 0.9)
    assert delay_s(heard, noise(1.0, CAPTURE_RATE, seed=4)) == pytest.approx(0.1, abs=0.001)
    assert not heard[:1_500].any()
