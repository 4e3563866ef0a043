"""Whatever comes, a session without I/O answers it and goes on. The whole 10^5: ``python -m bench.realtime_fuzz``."""

from __future__ import annotations

import pytest

from tests.realtime_fuzz.frames import frames
from tests.realtime_fuzz.in_process import fuzz
from voicemode.wire.realtime import Playout

_FRAMES = 5_000
_MOST_MB = 6.0
"""The record of all items, half a kilobyte for each frame, and the sound of the latest utterances (1 MB)."""


@pytest.mark.parametrize("playout", Playout)
def test_no_frame_breaks_a_session_and_none_is_left_without_an_answer(playout: Playout) -> None:
    """Memory stays bounded, with appends of 15 MiB among them, and afterwards a question is answered."""
    outcome = fuzz(_FRAMES, 6, playout)
    assert outcome.unanswered == []
    assert outcome.still_answers
    assert outcome.grown_mb < _MOST_MB


def test_the_same_seed_makes_the_same_frames() -> None:
    """A failure can be had again; another seed makes others."""
    assert list(frames(200, 3, huge=0)) == list(frames(200, 3, huge=0))
    assert list(frames(200, 3, huge=0)) != list(frames(200, 4, huge=0))
