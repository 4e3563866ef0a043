"""Minute after minute a session holds no more than before. The whole hour: ``python -m bench.realtime_soak``."""

from __future__ import annotations

from pathlib import Path

from tests.realtime_soak.hour import hold

_MINUTES = 6
_TURN_MB = 0.004
"""Of the record: four kilobytes of text and its objects, where a turn's sound would be 200 and an answer's 75."""


def test_a_conversation_grows_by_its_record_and_nothing_else(tmp_path: Path) -> None:
    """With interruptions: no task, no recording, no sound of earlier turns beyond what is kept to be retrieved."""
    minutes = hold(tmp_path, _MINUTES)
    first, last = minutes[0], minutes[-1]
    turns = last.turns - first.turns
    assert turns == 6 * (_MINUTES - 1)
    assert last.cut >= 2 * (_MINUTES - 1)
    assert last.tasks == first.tasks
    assert last.recordings == 0
    assert last.kept_mb <= 1.0
    assert last.memory_mb - first.memory_mb < turns * _TURN_MB
