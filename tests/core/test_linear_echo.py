"""The linear filter: it learns the echo, leaves a voice as it is, and never makes things worse for long."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.rooms import echo_of, level_db, noise, room, voice
from voicemode.audio import CAPTURE_RATE
from voicemode.core.linear_echo import FRAME, Floats, LinearEcho, Way

seeds = st.integers(0, 10_000)


def left_of(near: Floats, far: Floats, *, delay: int = 0, echo: LinearEcho | None = None) -> Floats:
    """The residual of the whole frames."""
    echo = LinearEcho() if echo is None else echo
    frames = range(0, len(near) - FRAME + 1, FRAME)
    return np.concatenate([echo.cancel(near[at : at + FRAME], far[at : at + FRAME], delay)[0] for at in frames])


def last(sound: Floats, seconds: float) -> Floats:
    return sound[-round(seconds * CAPTURE_RATE) :]


@settings(max_examples=10, deadline=None)
@given(seed=seeds, delay=st.integers(0, CAPTURE_RATE // 2))
def test_without_a_loudspeaker_the_microphone_is_passed_on_unchanged(seed: int, delay: int) -> None:
    """To the bit."""
    near = voice(0.3, seed)[: 30 * FRAME]
    assert left_of(near, np.zeros_like(near), delay=delay).tolist() == near.tolist()


@settings(max_examples=8, deadline=None)
@given(seed=seeds, gain=st.sampled_from([0.05, 0.3, 0.5]))
def test_an_echo_is_gone_after_two_seconds_of_noise(seed: int, gain: float) -> None:
    """By 25 dB and more, in any room as long as the filter."""
    far = noise(2.5, seed)
    near = echo_of(far, room(seed, gain))
    assert level_db(last(left_of(near, far), 0.5)) < level_db(last(near, 0.5)) - 25


def test_an_echo_of_speech_gets_softer_by_ten_decibels_within_three_seconds() -> None:
    """Though speech lacks whole bands for long: in the median of a dozen rooms, and by 3 dB in each."""
    taken = []
    for seed in range(12):
        far = voice(4.0, seed)
        near = echo_of(far, room(seed)) + noise(4.0, seed + 1, 3e-4)
        taken.append(level_db(last(near, 1.0)) - level_db(last(left_of(near, far), 1.0)))
    assert np.median(taken) > 10
    assert min(taken) > 3


@pytest.mark.parametrize("seed", range(8))
def test_a_voice_six_decibels_under_the_echo_stays_as_it_is(seed: int) -> None:
    """What differs from it is 6 dB softer than it: the echo that is left, and nothing of the voice is missing.

    So it was with 250 voices in a row.
    """
    far = voice(6.0, seed)
    echo = echo_of(far, room(seed))
    person = np.zeros_like(far)
    person[4 * CAPTURE_RATE :] = voice(2.0, seed + 1, 0.1 * 0.3 / 2)
    left = left_of(echo + person, far)
    spoken = slice(4 * CAPTURE_RATE, None)
    assert level_db(left[spoken] - person[spoken]) < level_db(person[spoken]) - 6


@settings(max_examples=12, deadline=None)
@given(
    seed=seeds,
    parts=st.lists(
        st.sampled_from(["echo", "double talk", "near only", "silence", "muted", "clipped", "other room"]),
        min_size=3,
        max_size=8,
    ),
)
def test_it_never_makes_things_louder_for_long(seed: int, parts: list[str]) -> None:
    """Whatever comes after whatever, a second of it is at most 4 dB louder afterwards, 8 after an echo that was 26 dB louder;
    and there is no number that is none."""
    silent = [part in ("near only", "silence") for part in parts]
    far = np.concatenate([voice(1.0, seed + at) * (not is_silent) for at, is_silent in enumerate(silent)])
    echoes = {other: np.split(echo_of(far, room(seed + 99 * other)), len(parts)) for other in (False, True)}
    nears = []
    for at, part in enumerate(parts):
        near = echoes[part == "other room"][at] + noise(1.0, seed + at, 1e-3)
        near += voice(1.0, seed + at + 50, 0.05) if part in ("double talk", "near only") else 0
        near = np.clip(20 * near, -1, 1) if part == "clipped" else near * (part != "muted")
        nears.append(near.astype(np.float32))
    left = left_of(np.concatenate(nears), far)
    assert np.isfinite(left).all()
    for before, part, near, after in zip(["", *parts[:-1]], parts, nears, np.split(left, len(parts)), strict=True):
        if part != "muted":
            assert level_db(after) < level_db(near) + (8 if before == "clipped" else 4)


@pytest.mark.parametrize("ppm", [-100, -30, 30, 100])
def test_clocks_that_drift_apart_are_followed(ppm: int) -> None:
    """Where the place of the echo is told to a third of a sample, it stays 20 dB softer, and the drift is known to 3 ppm."""
    far, chance = voice(8.0, 3), np.random.default_rng(5)
    steady = echo_of(far, room(4))
    fine = np.fft.irfft(np.fft.rfft(steady), 8 * len(steady)) * 8  # between eight times as many samples a line will do
    at = np.arange(len(far))
    near = np.interp((at - 1_000) * (1 + ppm * 1e-6), np.arange(len(fine)) / 8, fine).astype(np.float32)
    echo, left, place = LinearEcho(), list[Floats](), 0.0
    for start in range(0, len(near) - FRAME + 1, FRAME):
        if start % (5 * FRAME) == 0:
            place = 1_000 - ppm * 1e-6 * start + float(chance.normal(0, 0.3))
        left.append(echo.cancel(near[start : start + FRAME], far[start : start + FRAME], place)[0])
    assert -echo.drift_ppm == pytest.approx(ppm, abs=3)
    assert level_db(last(np.concatenate(left), 2.0)) < level_db(last(near, 2.0)) - 20


def moved(seed: int, later: int, *, off: int = 0, room_after: int | None = None) -> tuple[float, float, set[Way]]:
    """What was taken from an echo before it moved, by how many dB, and what in 0.3 s soon after its new place was told.

    ``off``: by how many samples that is told wrong; ``room_after``: it goes another way too.
    """
    far, delay, cut, unknown = voice(6.0, seed), 1_000, 5 * CAPTURE_RATE, 12 * FRAME
    rooms = [room(seed), room(seed if room_after is None else room_after)]
    noisy = [echo_of(far, each) + noise(6.0, seed + 1, 3e-4) for each in rooms]
    lags = (delay, delay + later)
    come = [np.concatenate((np.zeros(lag, np.float32), each))[: len(far)] for lag, each in zip(lags, noisy, strict=True)]
    near, told = np.concatenate((come[0][:cut], come[1][cut:])), cut + unknown
    echo, left, ways = LinearEcho(), [], set[Way]()
    for at in range(0, len(near) - FRAME + 1, FRAME):
        where = delay if at < told else delay + later + off
        residual, way = echo.cancel(near[at : at + FRAME], far[at : at + FRAME], where, learns=not cut <= at < told)
        left.append(residual)
        ways |= {way} if at >= told else set()
    taken = [
        level_db(near[part]) - level_db(np.concatenate(left)[part])
        for part in (slice(cut - CAPTURE_RATE, cut), slice(told + round(0.2 * CAPTURE_RATE), told + round(0.5 * CAPTURE_RATE)))
    ]
    return taken[0], taken[1], ways


@pytest.mark.parametrize("later", [-320, -100, -5, 0, 60, 250, 900])
def test_an_echo_that_moved_is_taken_away_at_once(later: int) -> None:
    """Though its new place is told some samples wrong: as much but for 8 dB, or by 12 dB.

    Of a few it is not told whether the room is another one, and those are learnt anew: 6 of 151, drawn at random, and here one.
    """
    learnt_anew = [(900, 1)]
    for seed in range(7):
        before, after, ways = moved(seed, later, off=seed - 3)
        at_once = Way.FORGOTTEN not in ways and after > min(before - 8, 12)
        assert at_once or (later, seed) in learnt_anew


def test_an_echo_that_goes_another_way_is_learnt_anew() -> None:
    """A filter for a room that is no more would be worse than none."""
    assert Way.FORGOTTEN in moved(3, 250, room_after=77)[2]


def test_an_echo_that_was_never_found_before_has_not_moved() -> None:
    """What was learnt elsewhere is of no use. Small steps are those of a measurement."""
    echo = LinearEcho()
    far = noise(0.01, 1)
    ways = [echo.cancel(far, far, delay)[1] for delay in (None, 400, 402, None, 401, None, 5)]
    assert ways == [Way.KEPT, Way.FORGOTTEN, Way.KEPT, Way.KEPT, Way.KEPT, Way.KEPT, Way.FORGOTTEN]


def test_a_place_that_is_in_doubt_while_somebody_is_louder_is_not_given_up() -> None:
    """Nor in the first message of a session, once its echo was found."""
    far = voice(4.0, 3)
    near = echo_of(far, room(3)) + noise(4.0, 3, 3e-4)
    near[2 * CAPTURE_RATE :] += voice(2.0, 4, 0.12)
    echo, ways = LinearEcho(), []
    echo.reopen(keep=False)
    for at in range(0, len(near) - FRAME + 1, FRAME):
        frame = slice(at, at + FRAME)
        doubtful = 2.0 < at / CAPTURE_RATE < 2.2
        ways.append(echo.cancel(near[frame], far[frame], 0, learns=not doubtful)[1])
    assert Way.FORGOTTEN not in ways[200:]


def test_a_filter_that_adds_an_echo_is_forgotten() -> None:
    """Headphones are put on: what was learnt would be heard with its sign turned around."""
    far = voice(4.0, 5)
    near = noise(4.0, 6, 1e-3)
    near[: 2 * CAPTURE_RATE] += echo_of(far, room(7))[: 2 * CAPTURE_RATE]
    echo, kept, left = LinearEcho(), [], []
    for at in range(0, len(near), FRAME):
        residual, still = echo.cancel(near[at : at + FRAME], far[at : at + FRAME], 0)
        kept.append(still)
        left.append(residual)
    assert set(kept[:200]) == {Way.KEPT}
    assert Way.FORGOTTEN in kept[200:240]
    assert level_db(np.concatenate(left[300:])) < level_db(near[3 * CAPTURE_RATE :]) + 3


def slips(near: Floats, far: Floats) -> list[float]:
    """After each frame."""
    echo, told = LinearEcho(), []
    for at in range(0, len(near) - FRAME + 1, FRAME):
        echo.cancel(near[at : at + FRAME], far[at : at + FRAME], 0)
        told.append(echo.likeness.slip)
    return told


@pytest.mark.parametrize(("over_db", "least"), [(-6.0, -0.3), (12.0, -0.15)])
@pytest.mark.parametrize("seed", range(6))
def test_neither_an_echo_nor_a_voice_resembles_a_slip(seed: int, over_db: float, least: float) -> None:
    """They have nothing to do with each other, be the voice softer or louder from 4 s on."""
    far = voice(6.0, seed)
    near = echo_of(far, room(seed)) + noise(6.0, seed, 3e-4)
    near[4 * CAPTURE_RATE :] += voice(2.0, seed + 1, 0.03 * 10 ** (over_db / 20))
    assert min(slips(near, far)[200:]) > least


@pytest.mark.parametrize("seed", range(6))
def test_an_echo_that_comes_too_early_is_a_slip(seed: int) -> None:
    """Ten milliseconds of the microphone were lost: within a fifth of a second of sound it is known."""
    far = voice(6.0, seed)
    near = echo_of(far, room(seed)) + noise(6.0, seed, 3e-4)
    lost = np.concatenate([near[: 4 * CAPTURE_RATE], near[4 * CAPTURE_RATE + FRAME :]])
    assert min(slips(lost, far[: len(lost)])[400:430]) < -0.15


def correlations(near: Floats, far: Floats) -> list[float]:
    """After each frame."""
    echo, told = LinearEcho(), []
    for at in range(0, len(near) - FRAME + 1, FRAME):
        echo.cancel(near[at : at + FRAME], far[at : at + FRAME], 0)
        told.append(echo.likeness.correlation)
    return told


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("over_db", [-6.0, 0.0, 12.0])
def test_what_a_person_says_is_not_like_the_echo(seed: int, over_db: float) -> None:
    """However loud they are."""
    far = voice(6.0, seed)
    near = echo_of(far, room(seed)) + noise(6.0, seed, 3e-4)
    near[4 * CAPTURE_RATE :] += voice(2.0, seed + 1, 0.03 * 10 ** (over_db / 20))
    assert min(correlations(near, far)[300:]) > -0.5


@pytest.mark.parametrize("lost", [FRAME, -2 * FRAME])
@pytest.mark.parametrize("seed", range(6))
def test_what_is_left_of_a_torn_echo_is_its_opposite_within_a_tenth_of_a_second(seed: int, lost: int) -> None:
    """Where samples were lost, and where there are some too many, of sound."""
    far = voice(6.0, seed)
    near = echo_of(far, room(seed)) + noise(6.0, seed, 3e-4)
    torn = np.concatenate([near[: 4 * CAPTURE_RATE], near[4 * CAPTURE_RATE + lost :]])
    told = correlations(torn[: len(far)], far[: len(torn)])[400:]
    first = next(at for at, each in enumerate(told) if each != 0.0)
    assert min(told[first : first + 11]) < -0.5


def test_what_nothing_has_excited_may_be_left() -> None:
    """A filter that has learnt nothing doubts more than one that has heard the same for two seconds."""
    far = noise(2.0, 1)
    near, echo = echo_of(far, room(1)), LinearEcho()
    doubts = []
    for at in range(0, len(near) - FRAME + 1, FRAME):
        echo.cancel(near[at : at + FRAME], far[at : at + FRAME], 0)
        doubts.append(float(echo.doubt_power.sum()))
    assert np.mean(doubts[-20:]) < np.mean(doubts[3:10]) / 100


def test_while_nothing_is_played_the_microphone_is_what_is_left() -> None:
    """Not what was left when something was."""
    echo, far, silence = LinearEcho(), noise(0.5, 1), np.zeros(FRAME, np.float32)
    for at in range(0, len(far), FRAME):
        echo.cancel(far[at : at + FRAME], far[at : at + FRAME], 0)
    for _ in range(40):
        echo.cancel(silence, silence, 0)
    assert echo.residual_power.sum() == echo.near_power.sum() == echo.echo_power.sum() == echo.doubt_power.sum() == 0


@pytest.mark.parametrize("seed", range(6))
def test_what_is_heard_once_more_leaves_less_of_the_echo(seed: int) -> None:
    """Rewound, the filter knows from the first second on what it learnt in all three."""
    far = voice(4.0, seed)
    near = echo_of(far, room(seed)) + noise(4.0, seed + 1, 3e-4)
    echo, begins = LinearEcho(), CAPTURE_RATE
    left_of(near[:begins], far[:begins], echo=echo)
    first = left_of(near[begins:], far[begins:], echo=echo)
    echo.rewind(far[:begins].reshape(-1, FRAME), len(near[begins:]) // FRAME)
    again = left_of(near[begins:], far[begins:], echo=echo)
    assert level_db(again[:CAPTURE_RATE]) < level_db(first[:CAPTURE_RATE]) - 3
