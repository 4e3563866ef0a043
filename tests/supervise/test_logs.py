"""Logs of services: bounded, private, and read from their end."""

from __future__ import annotations

import stat
from pathlib import Path

from voicemode.supervise.logs import RotatedLog, follow, tail


def test_it_never_takes_more_than_it_may(tmp_path: Path) -> None:
    """However much is written, a few files of the limit remain, with the newest lines."""
    log = RotatedLog(tmp_path / "logs" / "a.log", limit=1000, kept=2)
    for number in range(1000):
        log.write(f"line {number}\n".encode())
    log.close()
    files = sorted((tmp_path / "logs").iterdir())
    assert [path.name for path in files] == ["a.log", "a.log.1", "a.log.2"]
    assert all(path.stat().st_size <= 1000 for path in files)
    assert tail(tmp_path / "logs" / "a.log", 1) == ["line 999"]


def test_files_are_their_owners_alone(tmp_path: Path) -> None:
    """Rotated ones too."""
    log = RotatedLog(tmp_path / "a.log", limit=10, kept=2)
    for _ in range(5):
        log.write(b"123456789\n")
    log.close()
    assert {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()} == {0o600}


def test_a_line_longer_than_a_file_is_cut(tmp_path: Path) -> None:
    """A service that writes without line ends fills no disk."""
    log = RotatedLog(tmp_path / "a.log", limit=100)
    log.write(b"x" * 5000)
    log.close()
    assert (tmp_path / "a.log").stat().st_size == 100


def test_the_last_lines_reach_back_through_a_rotation(tmp_path: Path) -> None:
    """A file that has just begun is short."""
    log = RotatedLog(tmp_path / "a.log", limit=30)
    for number in range(5):
        log.write(f"line {number:4}\n".encode())
    log.close()
    assert tail(tmp_path / "a.log", 4) == ["line    1", "line    2", "line    3", "line    4"]
    assert tail(tmp_path / "a.log", 0) == []
    assert tail(tmp_path / "none.log", 5) == []


def test_following_goes_on_through_a_rotation(tmp_path: Path) -> None:
    """Nothing is told twice, and nothing from before."""
    log = RotatedLog(tmp_path / "a.log", limit=22)
    log.write(b"before\n")
    writes = [b"one\ntw", b"o\n", b"three three\n", b"four\n"]

    def pause(_: float) -> None:
        log.write(writes.pop(0))

    lines = follow(tmp_path / "a.log", pause)
    assert [next(lines) for _ in range(4)] == ["one", "two", "three three", "four"]
    log.close()
