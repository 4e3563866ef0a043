"""The simulated room does to sound what its path says."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from bench.echo_room import BLOCK, EchoPath, Loudspeaker, Room, Signal, active_dbfs, draw_path, impulse_response, scaled

RATE = 16_000
PATH = EchoPath(seed=3, rt60_s=0.3, delay_s=0.1, drift_ppm=0.0, gain_db=-12.0, distortion=0.0, noise_dbfs=-90.0)
NOBODY = np.zeros(0, np.float32)


def noise(seconds: float, seed: int = 1) -> Signal:
    return (np.random.default_rng(seed).standard_normal(round(seconds * RATE)) * 0.1).astype(np.float32)


def heard(room: Room, sound: Signal) -> npt.NDArray[np.float64]:
    blocks = [room.hear(sound[at : at + BLOCK]) for at in range(0, len(sound), BLOCK)]
    return np.concatenate(blocks).astype(np.float64) / 32_768


def lag(played: Signal, echo: npt.NDArray[np.float64]) -> int:
    """By how many samples the echo is later, from their cross-correlation."""
    size = 2 * len(played)
    correlation = np.fft.irfft(np.fft.rfft(echo, size) * np.conj(np.fft.rfft(played, size)), size)
    return int(np.argmax(correlation[: len(played)]))


@pytest.mark.parametrize("delay_s", [0.02, 0.1, 0.25])
def test_the_echo_is_as_late_and_as_soft_as_the_path_says(delay_s: float) -> None:
    """To the sample but for the simulation's own two, and to 1 dB."""
    played = noise(2.0)
    echo = heard(Room(replace(PATH, delay_s=delay_s), NOBODY), played)
    assert abs(lag(played, echo) - delay_s * RATE) <= 2
    assert active_dbfs(echo.astype(np.float32)[RATE:]) - active_dbfs(played) == pytest.approx(-12, abs=1)


@pytest.mark.parametrize("drift_ppm", [-100.0, 100.0])
def test_clocks_drift_apart(drift_ppm: float) -> None:
    """A microphone that is faster by 100 ppm hears each second's echo 1.6 samples later in its own count."""
    played = noise(20.0)
    echo = heard(Room(replace(PATH, drift_ppm=drift_ppm), NOBODY), played)
    early = lag(played[:RATE], echo[:RATE])
    late = lag(played[-RATE:], echo[-RATE:])
    assert abs(late - early) == pytest.approx(19 * 1.6, abs=2)


def test_a_ducked_loudspeaker_is_softer_and_a_paused_one_waits() -> None:
    """Nothing of the message is lost in a pause."""
    loudspeaker = Loudspeaker(np.ones(BLOCK * 6, np.float32), duck_db=-20.0)
    loudspeaker.duck()
    assert loudspeaker.next_block()[-1] == pytest.approx(0.1)
    loudspeaker.pause()
    assert loudspeaker.next_block()[-1] == 0
    assert not any(loudspeaker.next_block().any() for _ in range(5))
    loudspeaker.resume()
    blocks = [loudspeaker.next_block() for _ in range(4)]
    assert blocks[-1][-1] == 1
    assert loudspeaker.ended


def test_the_person_is_heard_when_they_speak() -> None:
    """Beside the echo, at the very sample."""
    voice = np.zeros(RATE, np.float32)
    voice[8_000] = 0.5
    assert int(np.argmax(heard(Room(PATH, voice), np.zeros(RATE, np.float32)))) == 8_000


def test_rooms_by_chance_are_within_what_was_promised() -> None:
    """And the same seed makes the same room."""
    for seed in range(200):
        path = draw_path(seed)
        assert 0.2 <= path.rt60_s <= 0.6
        assert 0.02 <= path.delay_s <= 0.25
        assert -100 <= path.drift_ppm <= 100
        assert -30 <= path.gain_db <= -6
    assert draw_path(7) == draw_path(7)


def test_reverberation_falls_by_60_db_in_its_time() -> None:
    """Between 0.1 and 0.3 s of a room of 0.4 s: 30 dB."""
    response = impulse_response(0.4, 1)
    early, late = (float(np.mean(response[at : at + 800] ** 2)) for at in (1_600, 4_800))
    assert 10 * np.log10(early / late) == pytest.approx(30, abs=3)
    assert float(np.sum(response**2)) == pytest.approx(1, abs=1e-4)


def test_levels_are_those_of_the_speech_without_its_pauses() -> None:
    """Half a second of silence does not make a clip softer."""
    sound = np.concatenate((noise(0.5), np.zeros(8_000, np.float32)))
    assert active_dbfs(sound) == pytest.approx(-20, abs=0.3)
    assert active_dbfs(scaled(sound, -33.0)) == pytest.approx(-33, abs=0.1)
