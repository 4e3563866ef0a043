"""The server is killed in mid-turn, again and again: the record is whole but for the turn in flight, which is marked."""

from __future__ import annotations

from pathlib import Path

from bench.serve_kill import kill_often


def test_the_record_outlives_five_kills(tmp_path: Path) -> None:
    """Every turn that was answered is there, once and in order; what was in flight is marked as lost."""
    report = kill_often(tmp_path, 5, seed=3)
    assert report.faults == []
    assert report.kills == 5
    assert report.answered > 0
    assert report.in_flight > 0
    assert report.lost_marked + report.missing_in_flight > 0
