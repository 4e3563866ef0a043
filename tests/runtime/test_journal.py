"""The journal: an utterance is on disk while it has no transcript, and at no other time."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from voicemode.audio import AudioChunk
from voicemode.errors import RequestError
from voicemode.runtime.journal import Journal, recorded_at

UTTERANCE = AudioChunk(np.arange(-800, 800, dtype=np.int16), 16_000)


def test_a_kept_utterance_comes_back_sample_for_sample(tmp_path: Path) -> None:
    """What waits on disk is what was said."""
    journal = Journal(tmp_path / "pending")
    path = journal.new_path()
    journal.keep(path, UTTERANCE)
    assert np.array_equal(journal.load(path).samples, UTTERANCE.samples)


def test_only_its_owner_can_read_an_utterance(tmp_path: Path) -> None:
    """0600 in a folder of 0700."""
    journal = Journal(tmp_path / "pending")
    path = journal.new_path()
    journal.keep(path, UTTERANCE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_longer_version_replaces_the_shorter_one(tmp_path: Path) -> None:
    """A pause was not the end: one file, the whole utterance."""
    journal = Journal(tmp_path)
    path = journal.new_path()
    journal.keep(path, AudioChunk(UTTERANCE.samples[:100], 16_000))
    journal.keep(path, UTTERANCE)
    assert [p.name for p in tmp_path.glob("*.[wp]a*")] == [path.name]
    assert journal.load(path).seconds == UTTERANCE.seconds


def test_a_discarded_utterance_is_gone_and_discarding_twice_is_harmless(tmp_path: Path) -> None:
    """The transcript exists; the sound must not."""
    journal = Journal(tmp_path)
    path = journal.new_path()
    journal.keep(path, UTTERANCE)
    journal.discard(path)
    journal.discard(path)
    assert list(tmp_path.iterdir()) == []


def test_pending_names_what_waits_oldest_first(tmp_path: Path) -> None:
    """Each name is a handle."""
    journal = Journal(tmp_path)
    for name in ("utt-20260102-000000-aa.wav", "utt-20260101-000000-bb.wav"):
        journal.keep(tmp_path / name, UTTERANCE)
    assert journal.pending() == ["utt-20260101-000000-bb", "utt-20260102-000000-aa"]


@pytest.mark.parametrize("handle", ["", "..", "../secret", "/etc/passwd", "utt-x\0", "utt-none", "utt-../../x"])
def test_a_handle_that_is_none_is_refused(tmp_path: Path, handle: str) -> None:
    """A handle never becomes a path of the caller's making."""
    (tmp_path / "secret.wav").write_bytes(b"")
    with pytest.raises(RequestError):
        Journal(tmp_path / "pending").find(handle)


def test_only_one_may_work_on_an_utterance(tmp_path: Path) -> None:
    """Another process that looks at the same folder leaves it alone, until it is released."""
    mine, other = Journal(tmp_path), Journal(tmp_path)
    path = mine.new_path()
    mine.keep(path, UTTERANCE)
    assert not other.claim(path)
    mine.release(path)
    assert other.claim(path)
    assert not mine.claim(path)
    assert not other.claim(path), "not even twice by the same"


def test_what_was_handed_over_cannot_be_claimed(tmp_path: Path) -> None:
    """Its words were delivered, and are delivered once."""
    mine, other = Journal(tmp_path), Journal(tmp_path)
    path = mine.new_path()
    mine.keep(path, UTTERANCE)
    mine.discard(path)
    assert not other.claim(path)
    assert list(tmp_path.iterdir()) == []


def test_a_claim_dies_with_its_process(tmp_path: Path) -> None:
    """SIGKILL while a request is in flight: the recording is whole, and whoever comes next may have it."""
    program = (
        "import sys, time; from pathlib import Path; from voicemode.audio import AudioChunk; "
        "from voicemode.runtime.journal import Journal; journal = Journal(Path(sys.argv[1])); "
        "journal.keep(journal.new_path(), AudioChunk.silence(1.0, 16_000)); print(flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        journal = Journal(tmp_path)
        (handle,) = journal.pending()
        assert not journal.claim(journal.find(handle))
        process.kill()
    assert journal.claim(journal.find(handle))
    assert journal.load(journal.find(handle)).seconds == 1.0


def test_what_dead_processes_left_behind_goes_after_a_day(tmp_path: Path) -> None:
    """Half-written files and old locks; never a recording, and nothing a living process may be writing."""
    old = time.time() - 90_000
    for name in ("utt-1.part", "utt-2.lock", "utt-3.wav", "utt-3.lock"):
        (tmp_path / name).write_bytes(b"")
        os.utime(tmp_path / name, (old, old))
    (tmp_path / "utt-4.part").write_bytes(b"")
    journal = Journal(tmp_path)
    path = journal.new_path()
    journal.keep(path, UTTERANCE)
    journal.discard(path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["utt-3.lock", "utt-3.wav", "utt-4.part"]


@pytest.mark.parametrize(
    ("handle", "time_of_day"),
    [("utt-20261121-041529-a1b2c3", "2026-11-21 04:15:29"), ("utt-aa", ""), ("utt-20261399-000000-aa", "")],
)
def test_a_handle_says_when_it_was_spoken(handle: str, time_of_day: str) -> None:
    """As far as its name is one that was made here."""
    assert recorded_at(handle) == time_of_day
