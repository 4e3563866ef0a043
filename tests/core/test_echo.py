"""The echo meter says whether the loudspeaker is heard, and only when it knows."""

from __future__ import annotations

import pytest

from voicemode.core.echo import EchoMeter


def meter(*runs: tuple[int, float, bool]) -> EchoMeter:
    """Runs of (frames of 10 ms, dB over a floor of -60 dBFS, far end active)."""
    echo = EchoMeter()
    for frames, over_db, active in runs:
        for _ in range(frames):
            echo.push(-60 + over_db, -60, active)
    return echo


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ((), None),
        (((29, 30.0, True),), None),
        (((500, 30.0, False),), None),
        (((40, 30.0, True),), True),
        (((40, 2.0, True),), False),
        (((400, 2.0, True), (100, 30.0, True)), False),
        (((100, 1.0, True), (400, 20.0, True)), True),
        (((500, 40.0, False), (40, 0.0, True)), False),
        (((40, -20.0, True),), False),
        (((40, 200.0, True),), True),
    ],
    ids=[
        "nothing heard",
        "too little",
        "nothing played",
        "loudspeaker",
        "headphones",
        "a cough over headphones",
        "pauses between words",
        "the person's own speech",
        "under the floor",
        "beyond the scale",
    ],
)
def test_judgement(runs: tuple[tuple[int, float, bool], ...], expected: bool | None) -> None:
    """The median level during playback decides; without 0.3 s of playback nothing does."""
    assert meter(*runs).echo_present is expected
