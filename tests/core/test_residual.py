"""How much echo the canceller leaves is learnt from playback that nobody speaks over."""

from __future__ import annotations

import pytest

from voicemode.core.echo_lag import Echo
from voicemode.core.residual import Residual

FAR = -20.0


def played(
    residual: Residual,
    seconds: float,
    *,
    cleaned: float,
    raw: float,
    far: float = FAR,
    doubtful: bool = False,
    echo: Echo = Echo.KNOWN,
) -> None:
    for _ in range(round(seconds * 100)):
        residual.push(far, 0.01, echo=echo)
        residual.learn(cleaned, raw, 0.01, doubtful=doubtful)


def test_at_first_all_of_the_playback_may_be_echo() -> None:
    """Before anything was heard, the loudest open speakers are assumed."""
    residual = Residual()
    residual.push(FAR, 0.01)
    assert residual.expected_dbfs == pytest.approx(-26)
    assert not residual.settled


def test_while_the_canceller_learns_the_raw_echo_is_the_limit() -> None:
    """What it lets through then is no measure: it lets nothing through at first, and then too much."""
    residual = Residual()
    played(residual, 1.5, cleaned=-70, raw=-45)
    assert residual.expected_dbfs == pytest.approx(-45, abs=1)


def test_headphones_are_known_within_a_second() -> None:
    """Nothing in the raw microphone: whatever is heard there is no echo."""
    residual = Residual()
    played(residual, 0.7, cleaned=-65, raw=-65)
    assert residual.expected_dbfs == pytest.approx(-65, abs=1)


def test_then_what_is_left_is_the_measure() -> None:
    """40 dB under the playback, and 12 dB less when it is ducked for longer than its echo lasts."""
    residual = Residual()
    played(residual, 5, cleaned=-60, raw=-35)
    assert residual.settled
    assert residual.expected_dbfs == pytest.approx(-60, abs=1)
    for _ in range(40):
        residual.push(FAR - 12, 0.01)
    assert residual.expected_dbfs == pytest.approx(-72, abs=1)


def test_a_canceller_that_lost_the_echo_is_not_trusted() -> None:
    """The loudspeaker began anew: what is as loud as the raw echo may be it, and what was left then teaches nothing."""
    residual = Residual()
    played(residual, 5, cleaned=-60, raw=-23)
    played(residual, 0.5, cleaned=-25, raw=-23, echo=Echo.LOST)
    assert residual.expected_dbfs == pytest.approx(-23, abs=1)
    assert not residual.settled
    played(residual, 0.5, cleaned=-60, raw=-23)
    assert residual.expected_dbfs == pytest.approx(-60, abs=1)


def test_who_takes_headphones_off_is_not_interrupted_by_the_echo() -> None:
    """Nothing came back for a minute; then an echo appears, and everything is learnt anew, as at the beginning."""
    residual = Residual()
    played(residual, 60, cleaned=-70, raw=-70)
    played(residual, 0.1, cleaned=-30, raw=-30, echo=Echo.UNKNOWN)
    assert residual.expected_dbfs == pytest.approx(-26, abs=1)
    played(residual, 0.4, cleaned=-30, raw=-30, echo=Echo.NEW)
    assert residual.expected_dbfs == pytest.approx(-26, abs=1)
    played(residual, 1.5, cleaned=-35, raw=-30)
    assert not residual.settled
    assert residual.expected_dbfs == pytest.approx(-30, abs=1)
    played(residual, 3.0, cleaned=-60, raw=-30)
    assert residual.settled


def test_echo_outlasts_the_playback_by_the_devices_delay() -> None:
    """0.25 s after the loudspeaker fell silent its last word may still arrive; after 0.35 s there is no echo."""
    residual = Residual()
    played(residual, 5, cleaned=-60, raw=-35)
    for _ in range(25):
        residual.push(-96, 0.01)
    assert residual.expected_dbfs == pytest.approx(-60, abs=1)
    for _ in range(10):
        residual.push(-96, 0.01)
    assert not residual.far_end_audible
    assert residual.expected_dbfs == -96


def test_a_voice_that_was_missed_is_not_taken_for_echo() -> None:
    """Three seconds of it in a minute, marked as doubtful at every second frame only, leave the measure as it was."""
    residual = Residual()
    played(residual, 57, cleaned=-60, raw=-35)
    for at in range(300):
        residual.push(FAR, 0.01)
        residual.learn(-30, -30, 0.01, doubtful=at % 2 == 0)
    played(residual, 1, cleaned=-60, raw=-35)
    assert residual.expected_dbfs == pytest.approx(-60, abs=1)


def test_a_canceller_that_leaves_speech_all_the_time_is_not_trusted() -> None:
    """Everything is doubtful then, and still it is echo."""
    residual = Residual()
    played(residual, 10, cleaned=-40, raw=-35, doubtful=True)
    assert residual.expected_dbfs == pytest.approx(-40, abs=1)


def test_soft_playback_teaches_nothing() -> None:
    """Between two words of the assistant the room's noise is no echo."""
    residual = Residual()
    for _ in range(10):
        played(residual, 0.5, cleaned=-60, raw=-35)
        played(residual, 0.8, cleaned=-62, raw=-62, far=-58)
    residual.push(FAR, 0.01)
    assert residual.expected_dbfs == pytest.approx(-60, abs=1)


def test_another_room_is_learnt_within_a_minute() -> None:
    """A lid is opened: 15 dB more echo is left than before."""
    residual = Residual()
    played(residual, 30, cleaned=-60, raw=-35)
    played(residual, 5, cleaned=-45, raw=-30)
    assert residual.expected_dbfs == pytest.approx(-45, abs=1)


def test_the_beginning_of_a_voice_is_doubted_once_the_detector_hears_it() -> None:
    """Detectors are late: a quarter of a second before, every three seconds for a minute, teaches next to nothing."""
    residual = Residual()
    for _ in range(20):
        played(residual, 2.7, cleaned=-60, raw=-35)
        played(residual, 0.25, cleaned=-30, raw=-30)
        played(residual, 0.05, cleaned=-30, raw=-30, doubtful=True)
    played(residual, 1, cleaned=-60, raw=-35)
    assert residual.expected_dbfs == pytest.approx(-60, abs=1)
