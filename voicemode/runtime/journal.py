"""Utterances that wait for their transcript: on disk before they are sent, gone when the words are there.

Several processes look at the same folder: every editor window has a server, and there is the command line. Whoever works on a
recording holds a lock on it, which the operating system frees when its holder dies; so its words are handed over once.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from pathlib import Path

from filelock import FileLock, Timeout

from voicemode.audio import AudioChunk
from voicemode.errors import RequestError
from voicemode.wire.wav import decode_wav, encode_wav

__all__ = ["Journal", "recorded_at"]

_PREFIX = "utt-"
_TIME = "%Y%m%d-%H%M%S"
_LEFT_OVER_S = 86_400.0
"""A half-written file of yesterday is nobody's any more."""


class Journal:
    """A folder of WAV files, 0600 in 0700. Nothing else of a conversation is ever written by default."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.keep_in: Path | None = None
        """Where the sound of what was said is kept, if the person wants that."""
        self._claims: dict[Path, FileLock] = {}
        """The recordings that this process works on."""
        self._swept = False

    def new_path(self) -> Path:
        """A name no other utterance has, sortable by time; nothing is written yet."""
        return self._folder / f"{_PREFIX}{time.strftime(_TIME)}-{secrets.token_hex(3)}.wav"

    def keep(self, path: Path, utterance: AudioChunk) -> None:
        """Write the utterance, replacing a shorter version of itself in one step. Raises OSError.

        From then on it is claimed, until ``discard`` or ``release``.
        """
        # A parent that mkdir makes on the way would be open to others.
        for each in (self._folder.parent, self._folder):
            each.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        self._lock(path)  # before it has its name: whoever sees it sees that somebody works on it
        half = path.with_suffix(".part")
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(encode_wav(utterance))
        half.replace(path)

    def claim(self, path: Path) -> bool:
        """Work on a recording, so that nobody else does; False when somebody does already, or when it is gone."""
        if path in self._claims or not path.exists() or not self._lock(path):
            return False
        if path.exists():
            return True
        self.release(path)  # its words were handed over in this very moment
        return False

    def release(self, path: Path) -> None:
        """Somebody else may work on it. Idempotent."""
        lock = self._claims.pop(path, None)
        if lock is None:
            return
        with contextlib.suppress(OSError):  # Windows does not remove what is open; ``_sweep`` will
            _lock_path(path).unlink(missing_ok=True)
        lock.release()

    def discard(self, path: Path) -> None:
        """The words were handed over, or the person withdrew them. Idempotent."""
        path.unlink(missing_ok=True)
        self.release(path)

    def settle(self, path: Path) -> str:
        """The words are there: delete the recording, or keep it where sound is kept. Where it is then; "" where it is gone."""
        if self.keep_in is None:
            self.discard(path)
            return ""
        kept = self.keep_in / path.name
        try:
            for each in (self.keep_in.parent, self.keep_in):
                each.mkdir(mode=0o700, exist_ok=True)
            path.replace(kept)
        except OSError:  # it is not worth a conversation
            self.discard(path)
            return ""
        self.release(path)
        return str(kept)

    def unkeep(self, kept: str) -> None:
        """Delete what ``settle`` kept: it was no answer after all. Idempotent."""
        if kept:
            Path(kept).unlink(missing_ok=True)

    def pending(self) -> list[str]:
        """Names of the utterances that still wait, oldest first; each is a handle for ``resume``."""
        return sorted(path.stem for path in self._folder.glob(f"{_PREFIX}*.wav"))

    def find(self, handle: str) -> Path:
        """The file of a handle. Raises RequestError: only names that ``pending`` gives are looked at."""
        if handle not in self.pending():
            known = ", ".join(self.pending()) or "none is waiting"
            raise RequestError("resume", f"there is no recording '{handle[:80]}'", known)
        return self.path_of(handle)

    def path_of(self, handle: str) -> Path:
        """The file of a handle that ``pending`` gave."""
        return self._folder / f"{handle}.wav"

    def load(self, path: Path) -> AudioChunk:
        """Read an utterance back. Raises OSError, MediaError."""
        return decode_wav(path.read_bytes())

    def _lock(self, path: Path) -> bool:
        if path in self._claims:
            return True
        lock = FileLock(_lock_path(path), mode=0o600, thread_local=False, is_singleton=False)
        try:
            lock.acquire(blocking=False)
        except Timeout:
            return False
        self._claims[path] = lock
        return True

    def _sweep(self) -> None:
        """Remove, once, what processes left behind that died while they wrote."""
        if self._swept:
            return
        self._swept = True
        for path in self._folder.glob(f"{_PREFIX}*"):
            if path.suffix == ".part" or (path.suffix == ".lock" and not path.with_suffix(".wav").exists()):
                with contextlib.suppress(OSError):  # another process was faster
                    if time.time() - path.stat().st_mtime > _LEFT_OVER_S:
                        path.unlink()


def recorded_at(handle: str) -> str:
    """When the utterance of a handle was spoken, in the local time of then: "2026-11-21 04:15:29"; empty if it does not say."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.strptime(handle[len(_PREFIX) :].rpartition("-")[0], _TIME))
    except ValueError:
        return ""


def _lock_path(path: Path) -> Path:
    return path.with_suffix(".lock")
