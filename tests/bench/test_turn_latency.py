"""What the benchmark of the latency makes of its turns."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from bench.turn_latency import Measured, ratio, stage_errors_ms, stage_sum_ms, stage_sums_ms, stages_off

TURN = Measured(
    rule="default policy",
    saying="go forward",
    stt_s=0.0,
    pause_s=0.0,
    response_ms=500.0,
    total_ms=2000.0,
    text="go forward",
    whole=True,
    scorer="prosody",
    own_ms={"ttfa": 100, "speaking": 400, "listening": 950, "response": 540, "endpointing": 500},
    sound_ms={"ttfa": 110.0, "speaking": 400.0, "listening": 990.0, "response": 500.0, "total": 2000.0},
)


def plain(response_ms: float) -> Measured:
    return replace(TURN, rule="silence of 1000 ms", response_ms=response_ms)


def test_the_ratio_is_that_of_the_medians() -> None:
    """Ours over the plain rule's."""
    turns = [replace(TURN, response_ms=ms) for ms in (400.0, 500.0, 900.0)] + [plain(1000.0), plain(1200.0), plain(1000.0)]
    assert ratio(turns) == pytest.approx(0.5)


def test_who_was_cut_off_or_halted_counts_in_no_median() -> None:
    """To cut people off makes nobody faster, and a halting sentence ends differently."""
    turns = [TURN, replace(TURN, response_ms=-800.0), replace(TURN, response_ms=3000.0, pause_s=1.2), plain(1000.0)]
    assert ratio(turns) == pytest.approx(0.5)


def test_without_a_turn_of_both_there_is_no_ratio() -> None:
    """It keeps no bar."""
    assert math.isnan(ratio([TURN]))


def test_a_result_before_the_last_word_is_a_cut() -> None:
    """By sound, whatever the words."""
    assert replace(TURN, response_ms=-1.0).cut
    assert not TURN.cut


def test_stages_are_compared_with_the_sound_one_by_one() -> None:
    """Only those that both know."""
    assert stage_errors_ms(TURN) == {"ttfa": -10.0, "speaking": 0.0, "listening": -40.0, "response": 40.0}


def test_the_stages_that_follow_one_another_are_summed() -> None:
    """What lies inside another is left out; without one of them there is no sum."""
    assert stage_sum_ms(TURN) == 1990.0
    assert stage_sum_ms(replace(TURN, own_ms={"response": 540})) is None


def test_how_far_the_stages_are_off_is_told_in_the_median_of_the_calls() -> None:
    """Of those that nobody was cut off in; without one there is no figure, and no bar is kept."""
    slow = replace(TURN, total_ms=1_000.0)
    assert stages_off([TURN, TURN, slow, replace(slow, response_ms=-1.0)]) == pytest.approx(0.005)
    assert math.isnan(stages_off([replace(TURN, own_ms={})]))


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    """Of each turn, also where one rule has none."""
    pytest.importorskip("matplotlib")
    from bench.turn_latency_plot import draw

    draw({"ours": [500.0, 480.0], "plain": []}, stage_sums_ms([TURN]), 0.05, tmp_path / "latency.png")
    assert (tmp_path / "latency.png").read_bytes().startswith(b"\x89PNG")


def test_only_who_was_cut_off_in_the_pause_that_was_put_in_was_cut_off_there() -> None:
    """Behind it a recorded person may pause where a sentence can end."""
    early = replace(TURN, response_ms=-900.0, pause_s=0.7, halt_words=2)
    assert replace(early, text="seven of").cut_at_halt
    assert not replace(early, text="and so my fellow americans").cut_at_halt
    assert not replace(TURN, pause_s=0.7, halt_words=2, text="seven of").cut_at_halt
