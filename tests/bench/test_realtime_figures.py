"""What the realtime measurements make of what was taken."""

from __future__ import annotations

import math
from typing import Any

import pytest

from bench.realtime_figures import LATENCY_BARS, Held, Latency, added_ms, capacity, latency, leaks, memory_per_session


def turn(first_at: float | None = 10.53, **more: Any) -> dict[str, Any]:
    """Speech ended at 10 s."""
    return {"end_at": 10.0, "first_at": first_at, "decided_at": 10.51, "problem": "", "late_ms": [1.0], **more}


def step(sessions: int, p95: float, failed: int = 0) -> Latency:
    return Latency(sessions, 10, failed, 20.0, p95, p95, 5.0, 9.0, 1.0)


def held(rss_mb: float = 90.0, fds: int = 10, threads: int = 5, tasks: int = 5, sessions: int = 0) -> Held:
    return Held(rss_mb, fds, threads, tasks, sessions)


def test_added_latency_leaves_the_agreed_silence_out() -> None:
    """530 ms after the speech ended is 30 ms more than 500 ms of silence; a turn that failed has none."""
    assert added_ms(turn(), 500) == pytest.approx(30)
    assert added_ms(turn(None), 500) is None
    assert added_ms(turn(problem="no answer"), 500) is None


def test_turns_that_failed_or_never_came_are_counted_and_miss_the_bar() -> None:
    """Three were expected, one failed, and of one nothing is known."""
    found = latency([turn(), turn(problem="no answer")], 500, sessions=1, expected=3)
    assert (found.turns, found.failed) == (3, 2)
    assert found.p50 == pytest.approx(30)
    assert found.server_p50 == pytest.approx(20)
    assert not found.keeps(LATENCY_BARS["webrtc"])
    assert latency([turn()], 500, sessions=1, expected=1).keeps(LATENCY_BARS["webrtc"])
    assert math.isnan(latency([], 500, sessions=1, expected=1).p95)


def test_both_percentiles_count_over_websocket() -> None:
    """30 and 60 ms there, 120 ms over WebRTC."""
    slow = latency([turn(10.54)], 500, sessions=1, expected=1)
    assert not slow.keeps(LATENCY_BARS["ws"])
    assert slow.keeps(LATENCY_BARS["webrtc"])


def test_capacity_ends_where_the_first_step_is_too_slow() -> None:
    """A larger step that kept the bar by luck counts no more."""
    assert capacity([step(1, 20), step(10, 40), step(25, 51), step(50, 45)]) == 10
    assert capacity([step(1, 20), step(10, 40, failed=1)]) == 1
    assert capacity([step(1, math.nan)]) == 0


def test_memory_is_shared_among_those_who_came() -> None:
    """A hundred megabytes more with fifty."""
    assert memory_per_session(60, 160, 50) == 2.0


def test_what_is_back_where_it_was_is_no_leak() -> None:
    """Also where the first sessions filled pools."""
    assert leaks([held(70, fds=8, threads=2), *[held()] * 9]) == []


@pytest.mark.parametrize(
    ("grows", "named"),
    [
        ({"tasks": 1}, "tasks"),
        ({"fds": 1}, "file descriptors"),
        ({"threads": 1}, "threads"),
        ({"rss_mb": 0.8}, "memory"),
        ({"sessions": 1}, "sessions"),
    ],
)
def test_what_grows_with_each_batch_is_named(grows: dict[str, float], named: str) -> None:
    """One more of it after every batch."""
    start = {"rss_mb": 90.0, "fds": 10, "threads": 5, "tasks": 5, "sessions": 0}
    samples = [held(**{name: value + n * grows.get(name, 0) for name, value in start.items()}) for n in range(10)]  # type: ignore[arg-type]
    found = leaks(samples)
    assert len(found) == 1
    assert found[0].startswith(named)


def test_two_samples_tell_nothing() -> None:
    """A measurement that was cut short is not one that found nothing."""
    assert leaks([held()]) == ["there are too few samples to tell"]
