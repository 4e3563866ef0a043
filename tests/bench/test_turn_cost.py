"""What the benchmark of the cost plays, and what it makes of what was spent."""

from __future__ import annotations

import numpy as np
import pytest

from bench.halting import Saying
from bench.turn_cost import Cost, script
from voicemode.audio import AudioChunk
from voicemode.core.level import rms_dbfs
from voicemode.testing import tone


def test_the_share_is_all_that_was_spent_over_the_conversation() -> None:
    """Frames and judge."""
    cost = Cost("prosody", seconds=10.0, frame_s=[0.001] * 300, judging_s=0.2)
    assert cost.share == pytest.approx(0.05)


def test_a_script_is_a_message_with_its_echo_an_answer_and_silence() -> None:
    """In blocks of 10 ms: 160 samples that are played, 480 that are heard."""
    noise = (3000 * np.random.default_rng(1).standard_normal(16_000)).astype(np.int16)  # a tone may cancel itself in a room
    made = script(noise, Saying("one", AudioChunk(tone(1.0, 48_000), 48_000), ((0.5, "one"),)))
    assert made.message_s == 1.0
    assert {len(block) for block in made.played} == {160}
    assert {len(block) for block in made.heard} == {480}
    played, heard = np.concatenate(made.played), np.concatenate(made.heard)
    assert len(played) * 3 == len(heard)
    levels = [rms_dbfs(heard[round(at * 48_000) : round((at + 0.3) * 48_000)]) for at in (0.5, 2.0, 4.0)]
    own = rms_dbfs(played[8_000:12_800])
    assert levels[0] == pytest.approx(own - 12, abs=4)
    assert levels[1] == pytest.approx(rms_dbfs(tone(1.0, 48_000)), abs=1)
    assert levels[2] < -60
    assert not played[16_000:].any()
