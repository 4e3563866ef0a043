"""How long each endpoint of a shelf is waited for."""

from __future__ import annotations

import pytest

from tests.providers.engines import Voice, put
from voicemode.core.failover import Need, Task
from voicemode.core.race import Runner
from voicemode.core.tally import ENOUGH
from voicemode.providers.shelf import Shelf


def _runner(task: Task, load: float, *, first_bytes: float | None = None) -> Runner:
    shelf: Shelf[Voice] = Shelf(task, clock=lambda: 100.0)
    entry = put(shelf, Voice("a"))
    for _ in range(ENOUGH if first_bytes is not None else 0):
        entry.health.worked(entry.health.begin(100.0), 100.0 + (first_bytes or 0.0))
    need = Need(task=task)
    return shelf.runners(shelf.decide(need), load)[0]


@pytest.mark.parametrize("task", ["tts", "stt", "chat"])
@pytest.mark.parametrize("load", [1.0, 4.0])
def test_an_endpoint_of_unknown_pace_costs_less_than_three_seconds(task: Task, load: float) -> None:
    """However much there is to do, another local one is asked beside it before that."""
    assert _runner(task, load).late_s < 3.0


@pytest.mark.parametrize("task", ["tts", "chat"])
def test_even_an_engine_of_last_resort_is_asked_within_three_seconds(task: Task) -> None:
    """A robot's voice is better than silence."""
    assert _runner(task, 1.0).resort_s < 3.0


def test_a_short_utterance_goes_to_another_machine_within_three_seconds_and_a_long_one_later() -> None:
    """No word leaves this machine only because a local engine has much to do."""
    assert _runner("stt", 1.2).lost_s < 3.0
    assert _runner("stt", 4.0).lost_s == 9.0


def test_an_endpoint_of_known_pace_is_late_when_it_is_later_than_usual() -> None:
    """Its own p95, for as much as there is to do; below a quarter of a second nobody hears a difference."""
    assert _runner("stt", 3.0, first_bytes=1.0).late_s == pytest.approx(3.0)
    assert _runner("stt", 1.0, first_bytes=0.01).late_s == 0.25
