"""When a service that ended is started again."""

from __future__ import annotations

from voicemode.supervise.restarts import Restarts


def test_the_first_pause_is_short() -> None:
    """It must be back within five seconds."""
    for chance in (0.0, 0.5, 1.0):
        pause = Restarts().pause_after(-9, 3600.0, chance)
        assert pause is not None
        assert 0 < pause <= 1


def test_one_that_keeps_crashing_waits_longer_up_to_a_minute() -> None:
    """Restarting it all the time would take a processor."""
    restarts = Restarts()
    pauses = [restarts.pause_after(1, 0.2, 1.0) or 0.0 for _ in range(10)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 60.0
    assert restarts.count == 10


def test_one_that_ran_well_begins_anew() -> None:
    """What happened yesterday makes nobody wait today."""
    restarts = Restarts()
    for _ in range(10):
        restarts.pause_after(1, 0.2, 1.0)
    pause = restarts.pause_after(1, 60.0, 1.0)
    assert pause is not None
    assert pause <= 1


def test_a_wrong_call_is_not_repeated() -> None:
    """Status 2 means that its settings are not allowed."""
    assert Restarts().pause_after(2, 0.2, 0.5) is None
