"""The journal: an utterance is on disk while it has no transcript, and at no other time."""

from __future__ import annotations

import stat
from pathlib import Path

import numpy as np
import pytest

from voicemode.audio import AudioChunk
from voicemode.errors import RequestError
from voicemode.runtime.journal import Journal

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
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
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
